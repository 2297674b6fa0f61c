#include "ingest/record.h"

#include <gtest/gtest.h>

#include <cstring>

#include "ingest/segment_reader.h"
#include "io/disk_sim.h"

namespace hs::ingest {
namespace {

TEST(Record, SegmentHeaderReadsBack) {
  const SegmentHeader header{3, 1000, 2, 4096, 0xDEADBEEFCAFEF00D};
  std::string bytes = encode_segment_header(header);
  ASSERT_EQ(bytes.size(), segment_header_bytes);
  const auto read = parse_segment_header(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->number, 3U);
  EXPECT_EQ(read->base_sequence, 1000U);
  EXPECT_EQ(read->previous_number, 2U);
  EXPECT_EQ(read->previous_end, 4096U);
  EXPECT_EQ(read->salt, 0xDEADBEEFCAFEF00D);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= 1;
    EXPECT_FALSE(parse_segment_header(bytes)) << i;
    bytes[i] ^= 1;
  }
  EXPECT_FALSE(parse_segment_header(std::string_view(bytes).substr(0, 63)));
}

// The bytes of format 1, so that nobody changes them unawares.
TEST(Record, BytesAreTheFormat) {
  std::string bytes;
  RecordHeader header{RecordType::cut, 3, crc32c("abc"), 64, 7};
  append_record(bytes, header, 1, "a", "bc");
  EXPECT_EQ(bytes.size(), record_bytes(3));
  EXPECT_EQ(bytes.substr(0, 4), "HSR1");
  EXPECT_EQ(bytes.substr(8, 24), std::string("\xb7\x3f\x4b\x36\x03\0\0\0\x40\0\0\0\x02\0\0\0\x07\0\0\0\0\0\0\0", 24));
  EXPECT_EQ(bytes.substr(32), std::string("abc\0\0\0\0\0", 8));
}

TEST(Record, HeaderOfAnotherSegmentIsNone) {
  std::string bytes;
  append_record(bytes, {RecordType::request, 3, crc32c("abc"), 64, 7}, 1, "abc", "");
  ASSERT_TRUE(parse_record_header(bytes, 1));
  EXPECT_EQ(parse_record_header(bytes, 1)->sequence, 7U);
  EXPECT_FALSE(parse_record_header(bytes, 2));
  EXPECT_FALSE(parse_record_header(bytes.substr(0, 31), 1));
  bytes[20] ^= 1;
  EXPECT_FALSE(parse_record_header(bytes, 1));
}

TEST(Record, PayloadsReadBack) {
  Incoming incoming;
  incoming.signal = model::Signal::metrics;
  incoming.format = WireFormat::otlp_json;
  incoming.encoding = Encoding::zstd;
  incoming.tenant = "t";
  incoming.credential = "c1";
  incoming.received_at = 123;
  incoming.any_time = true;
  incoming.parse_text = true;
  incoming.refused = "\x05";
  incoming.item_limits = {.attributes = 64, .name_bytes = 7};
  const std::string prefix = encode_request_prefix(incoming, 5, 600);
  const auto request = parse_request(prefix + "body");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->incoming.signal, model::Signal::metrics);
  EXPECT_EQ(request->incoming.format, WireFormat::otlp_json);
  EXPECT_EQ(request->incoming.encoding, Encoding::zstd);
  EXPECT_EQ(request->incoming.tenant, "t");
  EXPECT_EQ(request->incoming.credential, "c1");
  EXPECT_EQ(request->incoming.received_at, 123);
  EXPECT_TRUE(request->incoming.any_time);
  EXPECT_TRUE(request->incoming.parse_text);
  EXPECT_EQ(request->incoming.refused, "\x05");
  EXPECT_EQ(request->incoming.item_limits, incoming.item_limits);
  EXPECT_EQ(request->incoming.body, "body");
  EXPECT_EQ(request->rows, 5U);
  EXPECT_EQ(request->memory_bytes, 600U);
  for (size_t cut = 0; cut < prefix.size(); ++cut) EXPECT_FALSE(parse_request(prefix.substr(0, cut))) << cut;

  const auto range = parse_cut(encode_cut({3, 9, 4, 40}));
  ASSERT_TRUE(range);
  EXPECT_EQ(range->last, 9U);
  EXPECT_FALSE(parse_cut(encode_cut({9, 3, 4, 40})));
  EXPECT_EQ(*parse_done(encode_done({1, 2})), (std::vector<uint64_t>{1, 2}));
  EXPECT_FALSE(parse_done("123"));
  EXPECT_EQ(parse_seen(encode_seen({{{1, 2}, 3}}))->at(0).hash, (Hash128{1, 2}));
  EXPECT_FALSE(parse_seen("123"));
}

TEST(Record, ARequestIsItsTenantSignalFormAndBytes) {
  Incoming a;
  a.body = "x";
  Incoming b = a;
  b.received_at = 5;
  b.credential = "renewed";
  EXPECT_EQ(request_hash(a), request_hash(b));
  b.tenant = "other";
  EXPECT_NE(request_hash(a), request_hash(b));
  b = a;
  b.signal = model::Signal::logs;
  EXPECT_NE(request_hash(a), request_hash(b));
  b = a;
  b.refused = "\x01";
  EXPECT_NE(request_hash(a), request_hash(b));
  b = a;
  b.body = "y";
  EXPECT_NE(request_hash(a), request_hash(b));
}

// Three groups of two records each.
struct Written {
  io::SimDisk disk{1};
  std::vector<uint64_t> ends{segment_header_bytes};  // after each group
  std::string bytes;

  explicit Written(size_t body_bytes = 100) {
    const SegmentHeader header{1, 1, 0, 0, 77};
    bytes = encode_segment_header(header);
    for (uint64_t i = 0; i < 6; ++i) {
      const std::string body(body_bytes + i, static_cast<char>('a' + i));
      const auto group = static_cast<uint32_t>(ends.back());
      append_record(bytes, {RecordType::request, static_cast<uint32_t>(body.size()), crc32c(body), group, i + 1}, 77,
                    body, "");
      if (i % 2 == 1) ends.push_back(bytes.size());
    }
  }
  void save(std::string_view content) {
    std::ignore = disk.remove("d/s");
    ASSERT_TRUE((*disk.open("d/s", io::Open::create))->append(content));
  }
  std::pair<int, SegmentReader::Finish> read(std::optional<uint64_t> end = {}) {
    auto reader = SegmentReader::open(disk, "d/s", end);
    EXPECT_TRUE(reader);
    int records = 0;
    while (*reader->next()) ++records;
    return {records, reader->finish()};
  }
};
using Finish = SegmentReader::Finish;

TEST(SegmentReader, ATailCutAnywhereIsTorn) {
  Written w;
  for (size_t size = w.ends[2]; size <= w.bytes.size(); ++size) {
    w.save(std::string_view(w.bytes).substr(0, size));
    const auto [records, finish] = w.read();
    EXPECT_EQ(records, size == w.bytes.size() ? 6 : size >= w.ends[2] + record_bytes(104) ? 5 : 4);
    const bool whole = size == w.ends[2] || size == w.ends[2] + record_bytes(104) || size == w.bytes.size();
    EXPECT_EQ(finish, whole ? Finish::clean : Finish::torn) << size;
  }
}

TEST(SegmentReader, DamageBeforeALaterGroupIsNotATornTail) {
  for (const size_t body_bytes : {100UL, 3UL << 20}) {  // larger than one read, too
    Written w(body_bytes);
    for (const uint64_t at : {w.ends[0] + 3, w.ends[0] + 40, w.ends[1] - 20, w.ends[1] + 9}) {
      std::string bytes = w.bytes;
      bytes[at] ^= 4;
      w.save(bytes);
      EXPECT_EQ(w.read().second, Finish::damaged) << at;
    }
    std::string bytes = w.bytes;  // in the last group a lost sector and a torn write look the same
    bytes[w.ends[2] + 9] ^= 4;
    w.save(bytes);
    EXPECT_EQ(w.read(), (std::pair{4, Finish::torn}));
    EXPECT_EQ(w.read(w.bytes.size()),
              (std::pair{4, Finish::damaged}));                   // unless the successor says how far it was good
    EXPECT_EQ(w.read(w.ends[2]), (std::pair{4, Finish::clean}));  // or that this was void
  }
}

TEST(SegmentReader, ABodyCannotPassForARecord) {
  // The body holds a valid record of another salt, and the last write is torn inside it.
  std::string inner;
  append_record(inner, {RecordType::request, 3, crc32c("abc"), 1 << 20, 9}, 78, "abc", "");
  std::string body = std::string(96, 'x') + inner + inner;
  std::string bytes = encode_segment_header({1, 1, 0, 0, 77});
  append_record(bytes, {RecordType::request, static_cast<uint32_t>(body.size()), crc32c(body), 64, 1}, 77, body, "");
  Written w;
  w.save(std::string_view(bytes).substr(0, bytes.size() - 8));
  EXPECT_EQ(w.read(), (std::pair{0, Finish::torn}));
}

TEST(Record, ShipmentsReadBackBetweenLimitsAndRefusals) {
  Incoming incoming;
  incoming.shipment = {{1, UINT64_MAX}, 70, 69};
  incoming.item_limits.attributes = 5;
  incoming.refused = "r";
  incoming.body = "spans";
  const auto request = parse_request(encode_request_prefix(incoming, 3, 100) + incoming.body);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->incoming.shipment, incoming.shipment);
  EXPECT_EQ(request->incoming.item_limits, incoming.item_limits);
  EXPECT_EQ(request->incoming.refused, "r");
  EXPECT_EQ(request->incoming.body, "spans");
  // Another number is another request, whatever its bytes; what is open beside it does not matter.
  Incoming other = incoming;
  other.shipment.oldest = 70;
  EXPECT_EQ(request_hash(other), request_hash(incoming));
  other.shipment.number = 71;
  EXPECT_NE(request_hash(other), request_hash(incoming));
}

TEST(Record, HeldRequestsAndWhatWasDecidedOfThem) {
  Incoming incoming;
  incoming.held = true;
  incoming.body = "spans";
  const auto request = parse_request(encode_request_prefix(incoming, 3, 100) + incoming.body);
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->incoming.held);
  EXPECT_EQ(request->incoming.body, "spans");
  CutRange range{5, 9, 2, 7};
  EXPECT_FALSE(parse_cut(encode_cut(range))->held);
  range.held = true;
  EXPECT_TRUE(parse_cut(encode_cut(range))->held);

  Decided decided{12, {{5, 3}, {9, 1}}, {{0, 1, 2, 3}, {1ULL << 55, 7}}};
  const std::string payload = encode_decided(decided);
  EXPECT_EQ(parse_decided_cut(payload).value_or(0), 12U);
  const auto back = parse_decided(payload);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->requests.size(), 2U);
  EXPECT_EQ(back->requests[1].sequence, 9U);
  EXPECT_EQ(back->verdicts.codes, decided.verdicts.codes);
  EXPECT_EQ(back->verdicts.thresholds, decided.verdicts.thresholds);
  decided.verdicts.codes.push_back(1);  // of no request
  EXPECT_FALSE(parse_decided(encode_decided(decided)));
  decided.verdicts.codes = {0, 1, 2, 4};  // of no threshold
  EXPECT_FALSE(parse_decided(encode_decided(decided)));
}

TEST(Record, TheFormatBeforeHeldRequestsIsRead) {
  std::string header = encode_segment_header({3, 1, 2, 64, 5});
  header[8] = 1;
  const uint32_t crc = crc32c(std::string_view(header).substr(0, 60));
  std::memcpy(header.data() + 60, &crc, 4);
  EXPECT_EQ(parse_segment_header(header)->number, 3U);
}

}  // namespace
}  // namespace hs::ingest
