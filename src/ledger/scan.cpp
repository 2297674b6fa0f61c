#include "ledger/scan.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace hs::ledger {
namespace {

constexpr std::string_view segment_prefix = "entries-";
constexpr std::string_view segment_suffix = ".log";

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
    want_root();
    for (const std::string& name : names_) {
      HS_ASSIGN(const std::string text, read_whole(disk_, path(name), segment_bytes_max));
      out_.segments.push_back({name, out_.tree.size()});
      segment(text, name == names_.back());
    }
    return std::move(out_);
  }

 private:
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  void finding(uint64_t index, std::string what) {
    if (out_.findings.size() < findings_max) out_.findings.push_back({index, std::move(what)});
  }

  Status list_segments() {
    HS_ASSIGN(const std::vector<std::string> names, disk_.list(directory_));
    for (const std::string& name : names)
      if (name.starts_with(segment_prefix) && name.ends_with(segment_suffix)) names_.push_back(name);
    for (size_t i = 0; i < names_.size(); ++i)
      if (names_[i] != segment_name(i + 1)) {
        finding(0, fmt::format("the segment {} is missing (there is {})", segment_name(i + 1), names_[i]));
        break;
      }
    return {};
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
    const uint64_t expected = next_index_;
    if (entry.index > expected)
      finding(expected, fmt::format("entries {} to {} are missing", expected, entry.index - 1));
    else if (entry.index < expected)
      finding(expected, fmt::format("entry {} stands where entry {} belongs", entry.index, expected));
    else if (entry.previous != out_.last)
      finding(expected, expected == 0 ? "entry 0 is not a first entry: what came before it is missing"
                                      : fmt::format("entry {} is not the one that entry {} was chained to",
                                                    expected - 1, expected));
    if (entry.kind == kind_head) check_head(entry);
    if (entry.kind == kind_recovered) ++out_.recoveries;
    if (request_.check_blobs) check_blob(entry);
    if (encode(entry) != line) finding(expected, fmt::format("entry {} is not as it was written", expected));
    next_index_ = entry.index + 1;
    out_.last_time = entry.time;
    out_.last = security::sha256(line);
    out_.tree.add(line);
    want_root();
    if (request_.on_entry) request_.on_entry(entry, line);
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
  std::vector<std::string> names_;
  Scan out_;
  uint64_t next_index_ = 0;
};

}  // namespace

std::string segment_name(uint64_t number) { return fmt::format("{}{:08}{}", segment_prefix, number, segment_suffix); }

Result<Scan> scan(io::Disk& disk, const std::string& directory, const ScanRequest& request) {
  return Scanner(disk, directory, request).run();
}

}  // namespace hs::ledger
