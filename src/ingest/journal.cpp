#include "ingest/journal.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/metrics.h"

namespace hs::ingest {
namespace {

struct Metrics {
  metrics::Counter groups{"homeostat_journal_groups_total",
                          "Writes of the journal, each made durable by one fdatasync."};
  metrics::Counter bytes{"homeostat_journal_written_bytes_total", "Bytes written to the journal."};
  metrics::Counter failures{"homeostat_journal_failures_total", "Writes or syncs of the journal that failed."};
  metrics::Counter removed{"homeostat_journal_segments_removed_total", "Segments deleted because all is delivered."};
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

}  // namespace

std::string Journal::path_of(uint64_t number) const {
  return fmt::format("{}/{:016x}.seg", options_.directory, number);
}

uint64_t Journal::segments() const {
  const std::lock_guard lock(mutex_);
  return segments_.size();
}

std::optional<Journal::Stretch> Journal::stretch(Location at) const {
  const std::lock_guard lock(mutex_);
  for (auto one = segments_.lower_bound(at.segment); one != segments_.end(); ++one) {
    const uint64_t begin = one->first == at.segment ? std::max(at.offset, segment_header_bytes) : segment_header_bytes;
    if (begin < one->second.end) return Stretch{one->second.path, {one->first, begin}, one->second.end};
  }
  return std::nullopt;
}

Status Journal::begin() {
  group_.clear();
  group_last_request_ = 0;
  if (failed_ || active_end_ >= options_.segment_bytes) HS_TRY(start_segment());
  if (has_group_ || !snapshot_) return {};
  for (const auto& [type, payload] : snapshot_())
    if (!payload.empty()) add(type, payload);
  return {};
}

Journal::Place Journal::add(RecordType type, std::string_view prefix, std::string_view body, uint32_t payload_crc) {
  const Place place{next_sequence_++, {active_.number, active_end_ + group_.size()}};
  RecordHeader header;
  header.type = type;
  header.length = static_cast<uint32_t>(prefix.size() + body.size());
  header.payload_crc = payload_crc;
  header.group = static_cast<uint32_t>(active_end_);
  header.sequence = place.sequence;
  append_record(group_, header, active_.salt, prefix, body);
  if (type == RecordType::request) group_last_request_ = place.sequence;
  return place;
}

Status Journal::commit() {
  if (group_.empty()) return {};
  HS_ASSERT(!failed_, "a group of a segment that was given up");
  Status written = file_->append(group_);
  if (written) written = file_->sync();
  if (!written) {
    failed_ = true;
    std::ignore = file_->truncate(active_end_);  // room on a full disk; the next header makes the rest void anyway
    file_.reset();
    counters().failures.add();
    log::error("journal: write failed, giving the segment up",
               {{"segment", active_.number}, {"error", written.error().message}});
    return written;
  }
  active_end_ += group_.size();
  has_group_ = true;
  snapshot_segment_ = active_.number;
  counters().groups.add();
  counters().bytes.add(group_.size());
  bytes_ += group_.size();
  previous_end_ = active_end_;
  const std::lock_guard lock(mutex_);
  Segment& segment = segments_[active_.number];
  segment.end = active_end_;
  if (group_last_request_ != 0) segment.last_request = group_last_request_;
  return {};
}

// The header is durable, name included, before the first group is written: so a file without a good header holds
// nothing that was acknowledged.
Status Journal::start_segment() {
  SegmentHeader header;
  header.number = ++last_number_;
  header.base_sequence = next_sequence_;
  header.previous_number = previous_number_;
  header.previous_end = previous_end_;
  header.salt = random_.next();
  const std::string path = path_of(header.number);
  const Status written = write_segment_header(header, path);
  failed_ = !written;
  if (!written) {
    file_.reset();
    counters().failures.add();
    std::ignore = disk_.remove(path);  // best effort: opening ignores it too, it is no part of the chain
    return written;
  }
  active_ = header;
  active_end_ = segment_header_bytes;
  has_group_ = false;
  previous_number_ = header.number;
  previous_end_ = active_end_;
  bytes_ += segment_header_bytes;
  const std::lock_guard lock(mutex_);
  segments_[header.number] = {path, active_end_, 0, false};
  return {};
}

Status Journal::write_segment_header(const SegmentHeader& header, const std::string& path) {
  HS_ASSIGN(file_, disk_.open(path, io::Open::create));
  HS_TRY(file_->append(encode_segment_header(header)));
  HS_TRY(file_->sync());
  return disk_.sync_directory(options_.directory);
}

// Strictly oldest first, each durably gone before the next: what comes back after a power cut is a suffix of the chain,
// so a request never outlives the record of its cut.
void Journal::release(uint64_t needed) {
  for (;;) {
    Segment oldest;
    uint64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      if (segments_.empty()) return;
      number = segments_.begin()->first;
      oldest = segments_.begin()->second;
    }
    if (number >= snapshot_segment_ || oldest.last_request >= needed) return;
    if (const Status gone = remove(oldest); !gone) {
      log::warn("journal: a delivered segment stays", {{"path", oldest.path}, {"error", gone.error().message}});
      return;
    }
    bytes_ -= oldest.end;
    counters().removed.add();
    const std::lock_guard lock(mutex_);
    segments_.erase(number);
  }
}

Status Journal::remove(const Segment& segment) {
  if (!removal_open_) {
    const Status gone = segment.corrupt ? put_aside(segment.path) : disk_.remove(segment.path);
    if (!gone && gone.error().code != Code::not_found) return gone;
  }
  removal_open_ = true;
  HS_TRY(disk_.sync_directory(options_.directory));
  removal_open_ = false;
  return {};
}

Status Journal::put_aside(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  HS_TRY(disk_.make_directories(options_.quarantine_directory));
  HS_TRY(disk_.rename(path, options_.quarantine_directory + "/segment-" + name));
  return disk_.sync_directory(options_.quarantine_directory);
}

void Journal::close() {
  if (failed_ || !begin()) return;
  add(RecordType::end, "");
  std::ignore = commit();  // an error is logged there; replay does without it
}

Status Journal::read(Location at, uint64_t first, uint64_t last,
                     const std::function<void(const SegmentReader::Record&)>& visit) {
  std::vector<std::pair<uint64_t, Segment>> chain;
  {
    const std::lock_guard lock(mutex_);
    chain.assign(segments_.lower_bound(at.segment), segments_.end());
  }
  for (const auto& [number, segment] : chain) {
    HS_ASSIGN(SegmentReader reader, SegmentReader::open(disk_, segment.path, segment.end));
    if (number == at.segment) reader.seek(at.offset);
    for (;;) {
      HS_ASSIGN(const auto record, reader.next());
      if (!record) break;
      if (record->header.sequence > last) return {};
      if (record->header.type == RecordType::request && record->header.sequence >= first) visit(*record);
    }
    if (reader.finish() == SegmentReader::Finish::clean) continue;
    log::error("journal: a segment is damaged", {{"path", segment.path}, {"offset", reader.offset()}});
    const std::lock_guard lock(mutex_);
    if (const auto known = segments_.find(number); known != segments_.end()) known->second.corrupt = true;
  }
  return {};
}

}  // namespace hs::ingest
