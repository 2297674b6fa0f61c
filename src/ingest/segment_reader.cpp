#include "ingest/segment_reader.h"

#include <algorithm>

namespace hs::ingest {
namespace {

constexpr uint64_t read_bytes = 1 << 20;  // one read of the disk; larger no longer pays

}  // namespace

Result<SegmentReader> SegmentReader::open(io::Disk& disk, const std::string& path, std::optional<uint64_t> end) {
  HS_ASSIGN(std::unique_ptr<io::File> file, disk.open(path, io::Open::read));
  HS_ASSIGN(const std::string bytes, file->read(0, segment_header_bytes));
  HS_ASSIGN(const SegmentHeader header, parse_segment_header(bytes));
  HS_ASSIGN(const uint64_t size, file->size());
  return SegmentReader(std::move(file), header, end.value_or(size), end.has_value());
}

// The bytes at `offset`, fewer when the file ends.
Result<std::string_view> SegmentReader::load(uint64_t offset, uint64_t size) {
  const bool held = offset >= buffer_offset_ && offset + size <= buffer_offset_ + buffer_.size();
  if (!held) {
    HS_ASSIGN(buffer_, file_->read(offset, std::max(size, read_bytes)));
    buffer_offset_ = offset;
  }
  const std::string_view all = buffer_;
  return all.substr(offset - buffer_offset_, size);
}

Result<std::optional<SegmentReader::Record>> SegmentReader::next() {
  if (offset_ == end_ || finish_ != Finish::clean) return std::nullopt;
  HS_ASSIGN(const std::string_view head, load(offset_, record_header_bytes));
  const auto header = parse_record_header(head, header_.salt);
  if (header && offset_ + record_bytes(header->length) <= end_) {
    HS_ASSIGN(const std::string_view whole, load(offset_, record_bytes(header->length)));
    const std::string_view payload =
        whole.substr(std::min<size_t>(record_header_bytes, whole.size())).substr(0, header->length);
    if (payload.size() == header->length && crc32c(payload) == header->payload_crc) {
      Record record{*header, offset_, payload};
      offset_ += record_bytes(header->length);
      return record;
    }
  }
  HS_TRY(classify());
  return std::nullopt;
}

// A group is written only after the one before it is durable. So a header beyond the bad place whose group began beyond
// it too proves that the bad place was good once.
Result<bool> SegmentReader::later_group_exists(uint64_t damage) {
  for (uint64_t at = damage + record_alignment; at + record_header_bytes <= end_; at += record_alignment) {
    HS_ASSIGN(const std::string_view head, load(at, record_header_bytes));
    const auto header = parse_record_header(head, header_.salt);
    if (header && header->group > damage) return true;
  }
  return false;
}

Status SegmentReader::classify() {
  finish_ = Finish::damaged;
  if (end_is_known_) return {};
  HS_ASSIGN(const bool was_durable, later_group_exists(offset_));
  if (!was_durable) finish_ = Finish::torn;
  return {};
}

}  // namespace hs::ingest
