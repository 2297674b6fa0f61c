#include "ledger/ledger.h"

#include <sys/stat.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/text.h"
#include "io/files.h"

namespace hs::ledger {
namespace {

using json::Json;

constexpr size_t key_bytes_max = 1024;
constexpr size_t kind_bytes_max = 100;
constexpr std::string_view name_prefix = "homeostat-";

std::string without_newline(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Result<SignerKey> read_key(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) == 0 && (found.st_mode & 077) != 0)
    return fail(Code::permission_denied, fmt::format("{} may be read by others; chmod 600 it", path));
  HS_ASSIGN(const std::string text, io::read_file(path, key_bytes_max));
  return SignerKey::parse(without_newline(text));
}

}  // namespace

Result<SignerKey> ensure_key(const std::string& directory, io::Random& random) {
  const std::string path = directory + "/key";
  HS_TRY(io::make_directories(directory));
  auto key = read_key(path);
  if (!key && key.error().code == Code::not_found) {
    HS_ASSIGN(const SignerKey made, SignerKey::from_seed(fmt::format("{}{}", name_prefix, to_hex(random.bytes(8))),
                                                         random.bytes(security::ed25519_seed_bytes)));
    const Status created = io::create_file(path, made.text() + "\n", 0600);
    if (!created && created.error().code != Code::conflict) return tl::unexpected(created.error());
    key = read_key(path);
  }
  if (!key) return key;
  HS_TRY(io::replace_file(directory + "/vkey", key->verifier().text() + "\n", 0644, io::Durable::name));
  return key;
}

Result<VerifierKey> read_verifier_key(const std::string& directory) {
  HS_ASSIGN(const std::string text, io::read_file(directory + "/vkey", key_bytes_max));
  return VerifierKey::parse(without_newline(text));
}

Ledger::Ledger(std::string directory, io::Disk& disk, io::Clock& clock, SignerKey key, Options options)
    : directory_(std::move(directory)),
      disk_(disk),
      clock_(clock),
      key_(std::move(key)),
      options_(std::move(options)) {}

Result<std::unique_ptr<Ledger>> Ledger::open(std::string directory, io::Disk& disk, io::Clock& clock, SignerKey key,
                                             Options options) {
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(directory), disk, clock, std::move(key), std::move(options)));
  const std::lock_guard lock(ledger->mutex_);
  HS_TRY(ledger->load());
  return ledger;
}

Status Ledger::load() {
  HS_TRY(disk_.make_directories(directory_));
  ScanRequest request;
  request.key = &key_.verifier();
  request.only_last = true;
  request.on_entry = [&](const Entry& entry, std::string_view) {
    if (entry.kind != kind_head) return;
    const auto note = json::text(entry.payload, "note").value_or("");
    if (const auto head = open_note(note, key_.verifier())) head_ = {*head, std::string(note), entry.time};
  };
  request.check_blobs = false;  // a missing side file must not stop the record of what comes
  HS_ASSIGN(Scan found, scan(disk_, directory_, request));
  if (found.anchor && found.tree.size() == found.first_index) {  // nothing in it yet: what it is chained to lies before
    request.only_last = false;
    HS_ASSIGN(found, scan(disk_, directory_, request));
  }
  // Damage at the very end is what a crash leaves; anything else is not ours to continue.
  const bool only_torn = found.torn_bytes > 0 && found.findings.size() <= 1 &&
                         (found.findings.empty() || found.findings.front().index == found.tree.size());
  if (!found.findings.empty() && !only_torn)
    return fail(
        Code::conflict,
        fmt::format(
            "the ledger in {} was tampered with: {}. `homeostat ledger verify` tells more. Move the directory away "
            "as evidence and start serve again: a new ledger begins",
            directory_, found.findings.front().what));
  if (head_.note.empty() && found.anchor) head_ = {found.anchor->head, found.anchor->note, found.last_time};
  segments_ = std::move(found.segments);
  HS_TRY(count_blobs());
  written_ = {std::move(found.tree), found.last, found.last_time, found.last_segment_bytes};
  committed_ = written_;
  if (segments_.empty()) return begin_segment();
  // What was read may be in memory only, because a process that was killed had not synced it, or its sync had failed.
  HS_TRY(rewrite_last_segment(found.last_segment_bytes, ""));
  if (found.torn_bytes == 0) return {};
  log::warn("the ledger ended in a torn entry; it was cut off", {{"bytes", found.torn_bytes}});
  return write(kind_recovered,
               {{"torn_bytes", found.torn_bytes}, {"torn_sha256", to_hex(security::view(found.torn_hash))}},
               clock_.wall());
}

Status Ledger::begin_segment() {
  const uint64_t number = segments_.empty() ? 1 : segments_.back().number + 1;
  const std::string name = segment_name(number);
  if (number > 1) HS_TRY(write_anchor(number));
  HS_ASSIGN(file_, disk_.open(path(name), io::Open::create));
  if (!segments_.empty()) segments_.back().bytes = written_.segment_bytes;
  segments_.push_back({.number = number, .name = name, .first_index = written_.tree.size()});
  names_synced_ = false;
  written_.segment_bytes = segment_blob_bytes_ = 0;
  return {};
}

Status Ledger::write_anchor(uint64_t segment) {
  const std::string name = path(anchor_name(segment));
  const std::string temporary = name + ".new";
  (void)disk_.remove(temporary);  // of a crash
  HS_ASSIGN(const auto file, disk_.open(temporary, io::Open::create));
  HS_TRY(file->append(encode_anchor(key_, written_.tree)));
  HS_TRY(file->sync());
  HS_TRY(disk_.rename(temporary, name));
  return disk_.sync_directory(directory_);
}

Status Ledger::count_blobs() {
  const auto names = disk_.list(directory_ + "/blobs");
  if (!names) return {};  // there are none yet
  for (const std::string& name : *names) {
    HS_ASSIGN(const auto file, disk_.open(directory_ + "/blobs/" + name, io::Open::read));
    HS_ASSIGN(const uint64_t bytes, file->size());
    blob_bytes_ += bytes;
  }
  return {};
}

// Makes room for the segment that has just begun. What is dropped is recorded and signed before it is gone.
Status Ledger::drop_old() {
  uint64_t bytes = blob_bytes_ + options_.segment_bytes;
  for (const SegmentInfo& segment : segments_) bytes += segment.bytes;
  size_t drop = 0;
  while (bytes > options_.max_bytes && drop + 1 < segments_.size()) bytes -= segments_[drop++].bytes;
  if (drop == 0) return {};
  const SegmentInfo& first = segments_[drop];
  const std::string words =
      fmt::format("the entries before {} were dropped: the ledger had reached its bound of {} bytes", first.first_index,
                  options_.max_bytes);
  HS_TRY(write(kind_dropped, {{"first_segment", first.number}, {"first_index", first.first_index}, {"words", words}},
               clock_.wall()));
  HS_TRY(commit_locked());
  for (; drop > 0; --drop) {
    HS_TRY(remove_segment(segments_.front()));
    segments_.erase(segments_.begin());
  }
  return {};
}

// Side files that no other segment names: two payloads of the same bytes share one.
Result<std::vector<std::string>> Ledger::blobs_only_in(const SegmentInfo& segment) {
  std::vector<std::string> hashes;
  HS_ASSIGN(const auto file, disk_.open(path(segment.name), io::Open::read));
  HS_ASSIGN(const std::string text, file->read(0, segment_bytes_max));
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (const auto entry = decode_entry(std::string_view(text).substr(at, end - at)))
      if (const auto blob = blob_of(entry->payload)) hashes.push_back(blob->hash);
    at = end + 1;
  }
  for (const SegmentInfo& other : segments_) {
    if (hashes.empty() || other.number == segment.number) continue;
    HS_ASSIGN(const auto another, disk_.open(path(other.name), io::Open::read));
    HS_ASSIGN(const std::string content, another->read(0, segment_bytes_max));
    std::erase_if(hashes, [&](const std::string& hash) { return content.find(hash) != std::string::npos; });
  }
  return hashes;
}

Status Ledger::remove_segment(const SegmentInfo& segment) {
  HS_ASSIGN(const std::vector<std::string> blobs, blobs_only_in(segment));
  HS_TRY(disk_.remove(path(segment.name)));
  HS_TRY(disk_.sync_directory(directory_));               // so that a power cut leaves no hole between segments
  (void)disk_.remove(path(anchor_name(segment.number)));  // the first one has none
  for (const std::string& hash : blobs) {
    const std::string name = directory_ + "/blobs/" + hash;
    const auto file = disk_.open(name, io::Open::read);
    const uint64_t bytes = file ? (*file)->size().value_or(0) : 0;
    if (disk_.remove(name)) blob_bytes_ -= std::min(blob_bytes_, bytes);
  }
  return {};
}

// Replaces the last segment by its first `bytes` and `more`, in a new file: nobody knows what of an old one is on the
// disk.
Status Ledger::rewrite_last_segment(uint64_t bytes, std::string_view more) {
  const std::string name = path(segments_.back().name);
  const std::string temporary = name + ".new";
  std::string content;
  if (const auto old = disk_.open(name, io::Open::read)) {
    HS_ASSIGN(content, (*old)->read(0, bytes));
  }
  if (content.size() != bytes) return fail(Code::unavailable, fmt::format("{} is shorter than it was", name));
  (void)disk_.remove(temporary);  // of a crash
  HS_ASSIGN(auto file, disk_.open(temporary, io::Open::create));
  HS_TRY(file->append(content.append(more)));
  HS_TRY(file->sync());
  HS_TRY(disk_.rename(temporary, name));
  HS_TRY(disk_.sync_directory(directory_));
  names_synced_ = true;
  file_ = std::move(file);
  return {};
}

// After a failed write or sync: what is certain, and what is still owed.
Status Ledger::repair() {
  if (!broken_) return {};
  HS_TRY(rewrite_last_segment(committed_.segment_bytes, uncommitted_));
  broken_ = false;
  return {};
}

Status Ledger::write(std::string_view kind, Json payload, UnixNanos at) {
  const std::string line = encode({written_.tree.size(), at, std::string(kind), written_.last, std::move(payload)});
  HS_ASSERT(line.size() <= entry_bytes_max, "an entry is larger than its bound");
  if (const Status ok = file_->append(line + '\n'); !ok) {
    broken_ = true;
    return ok;
  }
  if (written_.tree.size() == committed_.tree.size()) first_uncommitted_ = clock_.mono();
  uncommitted_ += line + '\n';
  written_.segment_bytes += line.size() + 1;
  written_.last = security::sha256(line);
  written_.last_time = at;
  written_.tree.add(line);
  return {};
}

Result<Json> Ledger::to_payload(std::string_view text) {
  if (text.size() > blob_bytes_max) return fail(Code::too_large, "a payload of the ledger is too large");
  if (text.size() <= payload_bytes_max) {
    // A payload must never be the reason why a decision cannot be recorded: what is no JSON is kept as text.
    Json value = Json::parse(text, nullptr, false);
    if (value.is_discarded()) value = Json(printable(text, payload_bytes_max));
    const std::string line = json::dump(value);
    if (line.size() <= payload_bytes_max) return value;
  }
  Json reference = blob_reference(text);
  HS_TRY(store_blob(text, blob_of(reference)->hash));
  return reference;
}

Status Ledger::store_blob(std::string_view content, const std::string& hash) {
  const std::string directory = directory_ + "/blobs";
  const std::string temporary = directory + "/new-" + hash;
  HS_TRY(disk_.make_directories(directory));
  (void)disk_.remove(temporary);  // of a crash
  HS_ASSIGN(const auto file, disk_.open(temporary, io::Open::create));
  HS_TRY(file->append(content));
  HS_TRY(file->sync());
  HS_TRY(disk_.rename(temporary, directory + "/" + hash));
  blob_bytes_ += content.size();
  segment_blob_bytes_ += content.size();
  return disk_.sync_directory(directory);
}

Result<uint64_t> Ledger::append(std::string_view kind, std::string_view payload) {
  const std::lock_guard lock(mutex_);
  HS_TRY(repair());
  HS_ASSIGN(Json value, to_payload(payload));
  if (uncommitted_.size() > uncommitted_bytes_max) HS_TRY(commit_locked());
  // Room for a last head; and side files count, so that the bound on all of them holds to within one payload.
  const uint64_t used = written_.segment_bytes + std::min(segment_blob_bytes_, options_.segment_bytes);
  if (written_.segment_bytes > 0 && used > options_.segment_bytes - 2 * (entry_bytes_max + 1)) {
    HS_TRY(commit_locked());
    HS_TRY(begin_segment());
    committed_.segment_bytes = 0;
    if (const Status ok = drop_old(); !ok)
      log::warn("old entries of the ledger could not be dropped", {{"why", ok.error().message}});
  }
  const uint64_t index = written_.tree.size();
  HS_TRY(write(printable(kind, kind_bytes_max), std::move(value), clock_.wall()));
  return index;
}

Status Ledger::commit_locked() {
  HS_TRY(repair());
  if (written_.tree.size() == committed_.tree.size()) return {};
  const Head head{key_.verifier().name, written_.tree.size(), written_.tree.root()};
  const std::string note = key_.sign(head);
  const Position before = written_;
  const size_t before_bytes = uncommitted_.size();
  HS_TRY(write(kind_head, {{"note", note}}, written_.last_time));  // so that the note vouches for its time too
  Status synced = file_->sync();
  if (synced && !names_synced_) synced = disk_.sync_directory(directory_);
  if (!synced) {
    broken_ = true;
    written_ = before;
    uncommitted_.resize(before_bytes);
    return synced;
  }
  names_synced_ = true;
  committed_ = written_;
  uncommitted_.clear();
  head_ = {head, note, clock_.wall()};
  if (options_.on_head) options_.on_head(head_);
  return {};
}

Status Ledger::commit() {
  const std::lock_guard lock(mutex_);
  return commit_locked();
}

Status Ledger::tick() {
  const std::lock_guard lock(mutex_);
  const uint64_t waiting = written_.tree.size() - committed_.tree.size();
  if (waiting == 0 && !broken_) return {};
  const bool due = waiting >= options_.head_every_entries ||
                   clock_.mono() - first_uncommitted_ >= options_.head_every_ms * nanos_per_ms;
  return due || broken_ ? commit_locked() : Status{};
}

SignedHead Ledger::head() const {
  const std::lock_guard lock(mutex_);
  return head_;
}

uint64_t Ledger::size() const {
  const std::lock_guard lock(mutex_);
  return written_.tree.size();
}

uint64_t Ledger::first() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? 0 : segments_.front().first_index;
}

std::optional<int64_t> Ledger::newest(const std::function<std::optional<int64_t>(const Entry&)>& f) const {
  std::vector<SegmentInfo> segments;
  {
    const std::lock_guard lock(mutex_);
    segments = segments_;
  }
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    const auto file = disk_.open(path(segment->name), io::Open::read);
    const auto text = file ? (*file)->read(0, segment_bytes_max) : tl::unexpected(file.error());
    std::optional<int64_t> greatest;
    for (size_t at = 0; text && at < text->size();) {
      const size_t end = std::min(text->find('\n', at), text->size());
      const auto entry = decode_entry(std::string_view(*text).substr(at, end - at));
      const auto value = entry ? f(*entry) : std::nullopt;
      if (value && (!greatest || *value > *greatest)) greatest = value;
      at = end + 1;
    }
    if (greatest) return greatest;
  }
  return std::nullopt;
}

Result<std::string> Ledger::blob(const BlobReference& reference) const {
  HS_ASSIGN(const auto file, disk_.open(directory_ + "/blobs/" + reference.hash, io::Open::read));
  return file->read(0, blob_bytes_max);
}

Result<std::vector<Entry>> Ledger::read(uint64_t from, size_t limit) const {
  std::vector<SegmentInfo> segments;
  uint64_t size = 0;
  {
    const std::lock_guard lock(mutex_);
    segments = segments_;
    size = written_.tree.size();
  }
  std::vector<Entry> out;
  if (!segments.empty()) from = std::max(from, segments.front().first_index);
  for (size_t i = 0; i < segments.size() && out.size() < limit; ++i) {
    if (i + 1 < segments.size() && segments[i + 1].first_index <= from) continue;
    HS_ASSIGN(const auto file, disk_.open(path(segments[i].name), io::Open::read));
    HS_ASSIGN(const std::string text, file->read(0, segment_bytes_max));
    const uint64_t end = i + 1 < segments.size() ? segments[i + 1].first_index : size;
    for (size_t at = 0; at < text.size() && out.size() < limit;) {
      const size_t newline = text.find('\n', at);
      if (newline == std::string::npos) break;
      auto entry = decode_entry(std::string_view(text).substr(at, newline - at));
      at = newline + 1;
      if (entry && entry->index >= from && entry->index < end && entry->index == from + out.size())
        out.push_back(std::move(*entry));
    }
  }
  return out;
}

}  // namespace hs::ledger
