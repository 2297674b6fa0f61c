// Opening a journal: which files count, how far, and what to do about those that are damaged.

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"
#include "ingest/journal.h"

namespace hs::ingest {
namespace {

// Sequences after a restart begin this far beyond the last one seen: a torn or damaged tail may have used some, and a
// segment cannot hold more records than this.
constexpr uint64_t sequence_gap = 1ULL << 24;

struct Metrics {
  metrics::Counter torn{"homeostat_journal_torn_tails_total", "Unfinished last writes found at start (a crash)."};
  metrics::Counter corrupt{"homeostat_journal_corrupt_segments_total",
                           "Segments with damage in what was durable; put aside in the quarantine."};
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

bool is_segment_name(std::string_view name) {
  constexpr std::string_view suffix = ".seg";
  return name.size() == 20 && name.ends_with(suffix) &&
         name.find_first_not_of("0123456789abcdef") == name.size() - suffix.size();
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(Options options, io::Disk& disk, io::Clock& clock, io::Random& random,
                                               const Visit& visit, JournalReport& report) {
  std::unique_ptr<Journal> journal(new Journal(std::move(options), disk, random));
  HS_TRY(journal->recover(clock, visit, report));
  return journal;
}

Status Journal::recover(io::Clock& clock, const Visit& visit, JournalReport& report) {
  HS_TRY(disk_.make_directories(options_.directory));
  HS_ASSIGN(const auto found, find_segments(report));
  uint64_t number_before = 0;
  for (const auto& [number, segment] : found) {
    if (number_before != 0 && segment.header.previous_number != number_before) {
      counters().corrupt.add();
      ++report.corrupt_segments;
      log::error("journal: a segment is missing, what it held is lost",
                 {{"before", segment.path}, {"missing", path_of(segment.header.previous_number)}});
    }
    HS_TRY(scan(segment, number == found.rbegin()->first, visit, report));
    number_before = number;
    ++report.segments;
  }
  // The wall clock keeps sequences (and so the cuts' names in the engine) apart from those of a journal that was
  // deleted.
  next_sequence_ = std::max(next_sequence_ + sequence_gap, static_cast<uint64_t>(std::max<int64_t>(clock.wall(), 1)));
  if (const Status started = start_segment(); !started)
    log::error("journal: cannot be written yet, requests are refused", {{"error", started.error().message}});
  return {};
}

// The chain of segments that count: from the newest one with a good header back to where it ends. Older ones beyond a
// hole in the chain count too (the hole is damage); anything else is a start of a segment that failed.
Result<std::map<uint64_t, Journal::Found>> Journal::find_segments(JournalReport& report) {
  HS_ASSIGN(const std::vector<std::string> names, disk_.list(options_.directory));
  std::map<uint64_t, Found> all;
  for (const std::string& name : names) {
    if (!is_segment_name(name)) continue;
    const std::string path = options_.directory + "/" + name;
    const uint64_t number = std::stoull(name.substr(0, 16), nullptr, 16);
    last_number_ = std::max(last_number_, number);
    HS_ASSIGN(const auto file, disk_.open(path, io::Open::read));
    HS_ASSIGN(const uint64_t size, file->size());
    HS_ASSIGN(const std::string head, file->read(0, segment_header_bytes));
    const auto header = parse_segment_header(head);
    if (!header && header.error().code == Code::unsupported_media) return tl::unexpected(header.error());
    if (header) {
      all[number] = {*header, path, std::nullopt, size <= segment_header_bytes};
    } else if (size <= segment_header_bytes) {
      HS_TRY(disk_.remove(path));
    } else {
      counters().corrupt.add();
      ++report.corrupt_segments;
      log::error("journal: the header of a segment is damaged, putting the segment aside", {{"path", path}});
      HS_TRY(put_aside(path));
    }
  }
  std::set<uint64_t> chain;
  uint64_t lowest = 0;
  for (auto at = all.empty() ? all.end() : std::prev(all.end()); at != all.end();) {
    chain.insert(lowest = at->first);
    const auto previous = all.find(at->second.header.previous_number);
    if (previous != all.end()) previous->second.end = at->second.header.previous_end;
    at = previous;
  }
  for (auto at = all.begin(); at != all.end();) {
    const bool beyond_a_hole = at->first < lowest && !at->second.empty;
    if (chain.contains(at->first) || beyond_a_hole) {
      ++at;
      continue;
    }
    HS_TRY(disk_.remove(at->second.path));
    at = all.erase(at);
  }
  return all;
}

Status Journal::scan(const Found& found, bool newest, const Visit& visit, JournalReport& report) {
  HS_ASSIGN(SegmentReader reader, SegmentReader::open(disk_, found.path, found.end));
  Segment segment{found.path, 0, 0, false};
  uint64_t last_group = 0;  // without records it is the header that may not be durable yet
  report.closed_in_order = false;
  for (;;) {
    const auto record = reader.next();
    segment.corrupt = !record;
    if (!record || !*record) break;
    const RecordHeader& header = (*record)->header;
    next_sequence_ = std::max(next_sequence_, header.sequence + 1);
    if (header.type == RecordType::request) segment.last_request = header.sequence;
    last_group = header.group;
    report.closed_in_order = header.type == RecordType::end;
    ++report.records;
    visit(**record, {found.header.number, (*record)->offset});
  }
  segment.end = reader.offset();
  segment.corrupt |= reader.finish() == SegmentReader::Finish::damaged;
  tell(segment, reader.finish(), report);
  previous_number_ = found.header.number;
  previous_end_ = segment.end;
  if (newest) HS_TRY(make_durable(segment, last_group));
  const std::lock_guard lock(mutex_);
  bytes_ += segment.end;
  segments_[found.header.number] = segment;
  return {};
}

void Journal::tell(const Segment& segment, SegmentReader::Finish finish, JournalReport& report) {
  if (segment.corrupt) {
    counters().corrupt.add();
    ++report.corrupt_segments;
    log::error("journal: a segment is damaged, what follows in it is not delivered; it will be put aside",
               {{"path", segment.path}, {"offset", segment.end}});
  } else if (finish == SegmentReader::Finish::torn) {
    counters().torn.add();
    ++report.torn_tails;
    log::info("journal: the last write was cut short, it was never acknowledged",
              {{"path", segment.path}, {"offset", segment.end}});
  }
}

// What was read may be in the page cache alone: the process was killed, not the machine, perhaps just after a sync that
// failed. Before anything is built on it, its last group is written once more and synced; all before it was durable.
Status Journal::make_durable(const Segment& segment, uint64_t last_group) {
  HS_ASSIGN(const auto file, disk_.open(segment.path, io::Open::append));
  HS_TRY(file->rewrite(last_group));
  HS_TRY(file->sync());
  if (!segment.corrupt) return {};
  HS_ASSIGN(previous_end_, file->size());  // so that the next start finds the damage again, not a torn tail
  return {};
}

}  // namespace hs::ingest
