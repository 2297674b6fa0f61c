#pragma once
// The journal: a chain of append-only segment files. What commit() answered ok for survives a power cut; what it
// answered an error for is never seen again (docs/formats/journal.md).

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ingest/record.h"
#include "ingest/segment_reader.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/random.h"

namespace hs::ingest {

struct Location {
  uint64_t segment = 0, offset = 0;
};

// What opening found, besides records.
struct JournalReport {
  uint64_t segments = 0, records = 0;
  uint64_t torn_tails = 0;
  uint64_t corrupt_segments = 0;
  bool closed_in_order = false;
};

// begin(), add(), commit(), release(), close(): one thread. read(), bytes(), segments(): any thread.
class Journal {
 public:
  struct Options {
    std::string directory, quarantine_directory;
    uint64_t segment_bytes = 64ULL << 20;
  };
  using Visit = std::function<void(const SegmentReader::Record&, Location)>;
  // Makes the records with which each segment begins, so that older ones can go: type and payload.
  using Snapshot = std::function<std::vector<std::pair<RecordType, std::string>>()>;

  // Shows every record in order, then starts a new segment. Damage is reported, not an error.
  // Errors: the directory cannot be used, or a segment is of a newer format.
  static Result<std::unique_ptr<Journal>> open(Options options, io::Disk& disk, io::Clock& clock, io::Random& random,
                                               const Visit& visit, JournalReport& report);
  void set_snapshot(Snapshot snapshot) { snapshot_ = std::move(snapshot); }

  // Opens a group. Starts a new segment when the active one is full or has failed; an error says why it cannot.
  Status begin();
  struct Place {
    uint64_t sequence = 0;
    Location at;
  };
  // Adds a record to the open group; `payload_crc` is that of prefix and body together.
  Place add(RecordType type, std::string_view prefix, std::string_view body, uint32_t payload_crc);
  Place add(RecordType type, std::string_view payload) { return add(type, payload, {}, crc32c(payload)); }
  // One write, one fdatasync. After an error the segment is given up: its successor says where its good part ends, so
  // that a record of the failed group cannot come back.
  Status commit();

  // Deletes, oldest first, the segments whose requests are all below `needed`. Damaged ones move to the quarantine.
  void release(uint64_t needed);
  // Marks an orderly end. Nothing may be added after it.
  void close();

  // Shows the requests with sequences in [first, last], beginning at `at`, as far as they can be read.
  Status read(Location at, uint64_t first, uint64_t last,
              const std::function<void(const SegmentReader::Record&)>& visit);

  // Durable bytes at `at` or after it: the rest of its segment, or of the next one that has any. Nothing: none yet.
  struct Stretch {
    std::string path;
    Location begin;
    uint64_t end = 0;
  };
  std::optional<Stretch> stretch(Location at) const;

  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  uint64_t segments() const;
  bool failed() const { return failed_.load(std::memory_order_relaxed); }

 private:
  struct Segment {
    std::string path;
    uint64_t end = 0;           // records end here; what follows, if anything, never counted
    uint64_t last_request = 0;  // sequence of its last request; 0: none
    bool corrupt = false;
  };
  struct Found {
    SegmentHeader header;
    std::string path;
    std::optional<uint64_t> end;
    bool empty = false;
  };

  Journal(Options options, io::Disk& disk, io::Random& random)
      : options_(std::move(options)), disk_(disk), random_(random) {}
  std::string path_of(uint64_t number) const;
  Status recover(io::Clock& clock, const Visit& visit, JournalReport& report);
  Result<std::map<uint64_t, Found>> find_segments(JournalReport& report);
  Status scan(const Found& found, bool newest, const Visit& visit, JournalReport& report);
  static void tell(const Segment& segment, SegmentReader::Finish finish, JournalReport& report);
  Status make_durable(const Segment& segment, uint64_t last_group);
  Status put_aside(const std::string& path);
  Status start_segment();
  Status write_segment_header(const SegmentHeader& header, const std::string& path);
  Status remove(const Segment& segment);

  const Options options_;
  io::Disk& disk_;
  io::Random& random_;
  Snapshot snapshot_;

  mutable std::mutex mutex_;  // guards segments_
  std::map<uint64_t, Segment> segments_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<bool> failed_{true};

  // Of the one thread that writes.
  std::unique_ptr<io::File> file_;
  SegmentHeader active_;
  uint64_t active_end_ = 0;
  uint64_t last_number_ = 0;      // the highest ever used
  uint64_t previous_number_ = 0;  // the newest segment with records that count
  uint64_t previous_end_ = 0;
  uint64_t next_sequence_ = 1;
  uint64_t group_last_request_ = 0;
  std::string group_;
  bool has_group_ = false;         // the active segment holds a durable group
  uint64_t snapshot_segment_ = 0;  // the newest that does; its snapshot tells what older ones know
  bool removal_open_ = false;      // a removed name is not yet durably gone
};

}  // namespace hs::ingest
