#pragma once
// Reads one segment of the journal, record by record, and tells a torn tail from damage.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "ingest/record.h"
#include "io/disk.h"

namespace hs::ingest {

// One thread.
class SegmentReader {
 public:
  // `end`: where the records are known to end (the next segment's header says), or nothing: the file's end.
  // Errors: as Disk::open; internal when the header is damaged.
  static Result<SegmentReader> open(io::Disk& disk, const std::string& path, std::optional<uint64_t> end);

  struct Record {
    RecordHeader header;
    uint64_t offset = 0;
    std::string_view payload;  // valid until the next call
  };
  // The next record; nothing at the end, whose kind finish() tells. Errors: the device cannot be read.
  Result<std::optional<Record>> next();

  enum class Finish : uint8_t {
    clean,    // the records end where they should
    torn,     // the last write was cut short: it was never acknowledged
    damaged,  // what follows was durable once and cannot be read any more
  };
  Finish finish() const { return finish_; }
  // Where the next record would begin: after the end, what is good ends here.
  uint64_t offset() const { return offset_; }
  void seek(uint64_t offset) { offset_ = offset; }
  const SegmentHeader& header() const { return header_; }

 private:
  SegmentReader(std::unique_ptr<io::File> file, SegmentHeader header, uint64_t end, bool end_is_known)
      : file_(std::move(file)), header_(header), end_(end), end_is_known_(end_is_known) {}
  Result<std::string_view> load(uint64_t offset, uint64_t size);
  Result<bool> later_group_exists(uint64_t damage);
  Status classify();

  std::unique_ptr<io::File> file_;
  SegmentHeader header_;
  uint64_t end_;
  bool end_is_known_;
  uint64_t offset_ = segment_header_bytes;
  Finish finish_ = Finish::clean;
  std::string buffer_;
  uint64_t buffer_offset_ = 0;
};

}  // namespace hs::ingest
