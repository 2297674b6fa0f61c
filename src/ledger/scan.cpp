#include "ledger/scan.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/text.h"

namespace hs::ledger {
namespace {

constexpr std::string_view segment_prefix = "entries-";
constexpr std::string_view segment_suffix = ".log";

// 0: not a number, which is missing everywhere.
uint64_t number_of(std::string_view name) {
  name.remove_prefix(segment_prefix.size());
  name.remove_suffix(segment_suffix.size());
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? number : 0;
}

struct Whole {
  size_t entries = 0, heads = 0;
};
// Whole entries in `text`, which begins inside or before a line.
Whole count_whole(std::string_view text) {
  Whole out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) break;
    if (const auto entry = decode_entry(text.substr(at, end - at))) {
      ++out.entries;
      out.heads += entry->kind == kind_head ? 1 : 0;
    }
    at = end + 1;
  }
  return out;
}

Result<std::string> read_whole(io::Disk& disk, const std::string& path, uint64_t bytes_max) {
  HS_ASSIGN(const auto file, disk.open(path, io::Open::read));
  HS_ASSIGN(const uint64_t size, file->size());
  if (size > bytes_max)
    return fail(Code::too_large, fmt::format("{} has {} bytes, more than ours ever have", path, size));
  return file->read(0, size);
}

class Scanner {
 public:
  Scanner(io::Disk& disk, const std::string& directory, const ScanRequest& request)
      : disk_(disk), directory_(directory), request_(request) {}

  Result<Scan> run() {
    HS_TRY(list_segments());
    const bool skips = request_.only_last && pass_over_all_but_the_last();
    if (!skips) begin_at_the_first();
    want_root();
    for (size_t i = skips ? out_.segments.size() - 1 : 0; i < out_.segments.size(); ++i) {
      SegmentInfo& info = out_.segments[i];
      HS_ASSIGN(const std::string text, read_whole(disk_, path(info.name), segment_bytes_max));
      info.first_index = unanchored_ && i == 0 ? 0 : next_index_;
      info.bytes = text.size();
      segment(text, i + 1 == out_.segments.size());
    }
    if (!skips && first_number() > dropped_before_) {
      const std::string what = fmt::format(
          "the segments before {} were removed, and no entry says that it was ours to do", out_.segments.front().name);
      finding(out_.first_index, what);
    }
    return std::move(out_);
  }

 private:
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  void finding(uint64_t index, std::string what) {
    if (out_.findings.size() < findings_max) out_.findings.push_back({index, std::move(what)});
  }

  uint64_t first_number() const { return out_.segments.empty() ? 1 : out_.segments.front().number; }

  Status list_segments() {
    HS_ASSIGN(const std::vector<std::string> names, disk_.list(directory_));
    uint64_t expected = 0;
    for (const std::string& name : names) {
      if (!name.starts_with(segment_prefix) || !name.ends_with(segment_suffix)) continue;
      const uint64_t number = number_of(name);
      if (expected != 0 && number != expected)
        finding(0, fmt::format("the segment {} is missing (there is {})", segment_name(expected), name));
      expected = number + 1;
      out_.segments.push_back({.number = number, .name = name});
    }
    return {};
  }

  Result<Anchor> anchor_of(const SegmentInfo& segment) {
    if (request_.key == nullptr) return fail(Code::not_found, "there is no key to check an anchor with");
    HS_ASSIGN(const std::string text, read_whole(disk_, path(anchor_name(segment.number)), anchor_bytes_max));
    return decode_anchor(text, *request_.key);
  }

  void start_from(Anchor anchor) {
    out_.tree = anchor.tree;
    next_index_ = out_.first_index = out_.signed_size = anchor.tree.size();
    out_.anchor = std::move(anchor);
  }

  // The segments before are listed with what their anchors say, and not read.
  bool pass_over_all_but_the_last() {
    if (out_.segments.size() < 2 || !out_.findings.empty()) return false;
    std::vector<SegmentInfo> segments = out_.segments;
    std::optional<Anchor> last;
    for (SegmentInfo& segment : segments) {
      const auto file = disk_.open(path(segment.name), io::Open::read);
      const auto bytes = file ? (*file)->size() : tl::unexpected(file.error());
      if (!bytes) return false;
      segment.bytes = *bytes;
      if (segment.number == 1) continue;
      auto anchor = anchor_of(segment);
      if (!anchor || (last && anchor->head.size < last->head.size)) return false;
      segment.first_index = anchor->head.size;
      last = std::move(*anchor);
    }
    out_.segments = std::move(segments);
    start_from(std::move(*last));
    return true;
  }

  // Older segments were dropped: the anchor says where the chain stood. Without a key (only reading) it is believed.
  void begin_at_the_first() {
    if (first_number() == 1) return;
    unanchored_ = request_.key == nullptr;
    if (unanchored_) return;
    auto anchor = anchor_of(out_.segments.front());
    if (anchor) return start_from(std::move(*anchor));
    unanchored_ = true;
    finding(0, fmt::format("the segment {} is missing, and no signed anchor says where it ended: {}",
                           segment_name(first_number() - 1), anchor.error().message));
  }

  void want_root() {
    if (request_.root_at == out_.tree.size()) out_.wanted_root = out_.tree.root();
  }

  void segment(std::string_view content, bool is_last) {
    size_t at = 0;
    while (at < content.size()) {
      const size_t end = std::min(content.find('\n', at), content.size());
      const std::string_view line = content.substr(at, end - at);
      const auto entry = end == content.size() ? fail(Code::invalid_argument, "it has no end") : decode_entry(line);
      if (!entry && is_last && is_torn(line, content.substr(end))) {
        out_.torn_bytes = content.size() - at;
        out_.torn_hash = security::sha256(content.substr(at));
        break;
      }
      at = end + 1;
      if (entry)
        take(*entry, line);
      else
        finding(out_.tree.size(), fmt::format("entry {} is damaged: {}", out_.tree.size(), entry.error().message));
    }
    out_.last_segment_bytes = std::min(at, content.size());
  }

  // Whether the damage of `line`, with `rest` after it to the end of the ledger, can be what a crash left: no more than
  // one commit, so at most one head, was under way. A process that dies leaves the beginning of a line; only a power
  // cut leaves more, and an editor too: the two cannot be told apart, so it is said.
  bool is_torn(std::string_view line, std::string_view rest) {
    const Whole whole = count_whole(rest);
    if (whole.heads > 1) return false;
    if (whole.entries > 0)
      finding(out_.tree.size(),
              fmt::format("entry {} is damaged, and {} whole entries lie after it: it was edited, or the "
                          "power failed in the last commit",
                          out_.tree.size(), whole.entries));
    else if (!rest.empty() && !line.empty())
      finding(out_.tree.size(), "the last entry is damaged: it was edited, or the power failed while it was written");
    return true;
  }

  void take(const Entry& entry, std::string_view line) {
    if (unanchored_ && out_.tree.size() == 0)
      next_index_ = out_.first_index = out_.segments.front().first_index = entry.index;
    const bool begins = out_.first_index > 0 && next_index_ == out_.first_index;  // what came before is not here
    const uint64_t expected = next_index_;
    if (entry.index > expected)
      finding(expected, fmt::format("entries {} to {} are missing", expected, entry.index - 1));
    else if (entry.index < expected)
      finding(expected, fmt::format("entry {} stands where entry {} belongs", entry.index, expected));
    else if (!begins && entry.previous != out_.last)
      finding(expected, expected == 0 ? "entry 0 is not a first entry: what came before it is missing"
                                      : fmt::format("entry {} is not the one that entry {} was chained to",
                                                    expected - 1, expected));
    if (entry.kind == kind_head) check_head(entry);
    if (entry.kind == kind_recovered) ++out_.recoveries;
    if (entry.kind == kind_dropped) note_dropped(entry);
    if (request_.check_blobs) check_blob(entry);
    if (encode(entry) != line) finding(expected, fmt::format("entry {} is not as it was written", expected));
    next_index_ = entry.index + 1;
    out_.last_time = entry.time;
    out_.last = security::sha256(line);
    out_.tree.add(line);
    want_root();
    if (request_.on_entry) request_.on_entry(entry, line);
  }

  void note_dropped(const Entry& entry) {
    const int64_t first = json::integer(entry.payload, "first_segment").value_or(0);
    dropped_before_ = std::max(dropped_before_, static_cast<uint64_t>(std::max<int64_t>(first, 0)));
  }

  void check_head(const Entry& entry) {
    if (request_.key == nullptr) return;
    const auto head = open_note(json::text(entry.payload, "note").value_or(""), *request_.key);
    if (!head) return finding(entry.index, fmt::format("entry {}: {}", entry.index, head.error().message));
    if (entry.time != out_.last_time)  // nothing later vouches for the newest head's own time
      finding(entry.index, fmt::format("the time of the signed head {} was edited", entry.index));
    if (head->size != out_.tree.size() || head->root != out_.tree.root())
      return finding(entry.index,
                     fmt::format("the entries before the signed head {} are not those that it signed", entry.index));
    ++out_.heads;
    out_.signed_size = head->size + 1;  // the head is chained to what it signed
  }

  void check_blob(const Entry& entry) {
    const auto reference = blob_of(entry.payload);
    if (!reference) return;
    const auto content = read_whole(disk_, directory_ + "/blobs/" + reference->hash, blob_bytes_max);
    if (!content)
      finding(entry.index, fmt::format("the side file of entry {} is gone: {}", entry.index, content.error().message));
    else if (to_hex(security::view(security::sha256(*content))) != reference->hash)
      finding(entry.index, fmt::format("the side file of entry {} was edited", entry.index));
  }

  io::Disk& disk_;
  const std::string& directory_;
  const ScanRequest& request_;
  Scan out_;
  uint64_t next_index_ = 0;
  uint64_t dropped_before_ = 1;  // the first segment that we left when we dropped older ones
  bool unanchored_ = false;      // begins with whatever entry is the first
};

}  // namespace

std::string segment_name(uint64_t number) { return fmt::format("{}{:08}{}", segment_prefix, number, segment_suffix); }

Result<Scan> scan(io::Disk& disk, const std::string& directory, const ScanRequest& request) {
  return Scanner(disk, directory, request).run();
}

}  // namespace hs::ledger
