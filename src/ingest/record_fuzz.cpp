// The journal's reader against any bytes: it never crashes, never shows a record that was not written, and never takes
// damage in the middle for a torn tail when a later group proves otherwise.

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "base/assert.h"
#include "base/compress.h"
#include "ingest/record.h"
#include "ingest/segment_reader.h"
#include "ingest/shipments.h"
#include "io/disk_sim.h"

namespace hs::ingest {
namespace {

constexpr uint64_t salt = 42;

struct Read {
  std::vector<std::string> payloads;
  SegmentReader::Finish finish = SegmentReader::Finish::clean;
};

Read read_all(const std::string& bytes) {
  io::SimDisk disk(1);
  std::ignore = (*disk.open("d/s", io::Open::create))->append(bytes);
  Read out;
  auto reader = SegmentReader::open(disk, "d/s", std::nullopt);
  if (!reader) return out;
  for (;;) {
    const auto record = reader->next();
    HS_ASSERT(record.has_value(), "a disk in memory cannot fail");
    if (!*record) break;
    out.payloads.emplace_back((*record)->payload);
  }
  out.finish = reader->finish();
  return out;
}

// Any bytes as payloads, headers, and as a segment behind a good header.
void raw(const std::string& bytes) {
  std::ignore = parse_segment_header(bytes);
  std::ignore = parse_record_header(bytes, salt);
  std::ignore = parse_cut(bytes);
  std::ignore = parse_done(bytes);
  std::ignore = parse_seen(bytes);
  std::ignore = parse_decided(bytes);
  std::ignore = parse_shipment(bytes);
  Shipments known(4), again(4);
  known.restore(bytes);
  again.restore(known.snapshot());
  HS_ASSERT(known.snapshot() == again.snapshot(), "what is known of shipments reads back");
  // The same behind a good compression, where the fields are.
  if (const auto content = compress(Coding::zstd, bytes)) {
    if (const auto decided = parse_decided(std::string(8, 'c') + *content))
      HS_ASSERT(parse_decided(encode_decided(*decided))->verdicts.codes == decided->verdicts.codes,
                "a decision reads back as it was");
  }
  if (const auto request = parse_request(bytes)) {
    const std::string again =
        encode_request_prefix(request->incoming, request->rows, request->memory_bytes) + request->incoming.body;
    HS_ASSERT(again.size() == bytes.size(), "a request reads back as long as it was");
  }
  read_all(encode_segment_header({1, 1, 0, 0, salt}) + bytes);
}

// A good segment made of the input, then one byte changed or the end cut off.
void damaged(const std::string& input) {
  std::string segment = encode_segment_header({1, 1, 0, 0, salt});
  std::vector<std::string> written;
  std::vector<uint64_t> group_starts;
  size_t at = 3;
  while (at < input.size() && written.size() < 40) {
    const size_t length = static_cast<uint8_t>(input[at]);
    const std::string payload = input.substr(at + 1, length);
    if (group_starts.empty() || length % 3 != 0) group_starts.push_back(segment.size());
    append_record(segment,
                  {RecordType::request, static_cast<uint32_t>(payload.size()), crc32c(payload),
                   static_cast<uint32_t>(group_starts.back()), written.size() + 1},
                  salt, payload, "");
    written.push_back(payload);
    at += 1 + length;
  }
  const size_t where =
      (static_cast<uint8_t>(input[0]) * 256U + static_cast<uint8_t>(input[1])) % std::max<size_t>(segment.size(), 1);
  if (where < segment_header_bytes) return;
  const bool cut = input[2] % 2 == 0;
  if (cut)
    segment.resize(where);
  else
    segment[where] ^= static_cast<char>(input[2]);
  const Read read = read_all(segment);
  HS_ASSERT(read.payloads.size() <= written.size(), "more records than were written");
  for (size_t i = 0; i < read.payloads.size(); ++i) HS_ASSERT(read.payloads[i] == written[i], "another record");
  HS_ASSERT(!cut || read.finish != SegmentReader::Finish::damaged, "a cut end is no damage");
  const bool later_group = !group_starts.empty() && group_starts.back() > where;
  if (!cut && later_group && read.payloads.size() < written.size())
    HS_ASSERT(read.finish == SegmentReader::Finish::damaged, "durable records lost without a word");
}

}  // namespace
}  // namespace hs::ingest

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  hs::ingest::raw(bytes);
  if (size > 3) hs::ingest::damaged(bytes);
  return 0;
}
