#pragma once
// The journal's bytes: segment headers, records, payloads. Pure functions; docs/formats/journal.md has the prose.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "ingest/incoming.h"

namespace hs::ingest {

// Persistent: do not change numbers, only add.
enum class RecordType : uint8_t {
  request = 1,    // a request as received
  cut = 2,        // the requests of a range of sequences are one delivery to the engine
  done = 3,       // cuts that the engine has
  seen = 4,       // hashes of earlier requests, for recognising retries
  end = 5,        // the journal was closed in order
  decided = 6,    // which spans of a held cut are stored
  shipments = 7,  // of agents, that are durable
};

inline constexpr uint32_t format_version = 2;         // written; 1 had no held requests
inline constexpr uint32_t oldest_format_version = 1;  // read
inline constexpr size_t segment_header_bytes = 64;
inline constexpr size_t record_header_bytes = 32;
inline constexpr size_t record_alignment = 8;  // of records, so that a search after damage has few places to look at

struct SegmentHeader {
  uint64_t number = 0;           // names the file; grows
  uint64_t base_sequence = 0;    // all sequences in here are at least this
  uint64_t previous_number = 0;  // 0: the first
  uint64_t previous_end = 0;     // what the previous segment holds beyond this was never acknowledged
  uint64_t salt = 0;             // random: bytes of a sender or of an older file cannot pass for a record of this one
};

std::string encode_segment_header(const SegmentHeader& header);
Result<SegmentHeader> parse_segment_header(std::string_view bytes);

struct RecordHeader {
  RecordType type = RecordType::request;
  uint32_t length = 0;  // of the payload, without padding
  uint32_t payload_crc = 0;
  uint32_t group = 0;  // offset at which the write that carried this record began: all before it was durable by then
  uint64_t sequence = 0;
};

// Header, payload and padding.
inline uint64_t record_bytes(uint64_t payload_bytes) {
  return record_header_bytes + (payload_bytes + record_alignment - 1) / record_alignment * record_alignment;
}
// Appends a whole record; the payload is given in two parts, `header.length` and `payload_crc` say what they hold.
void append_record(std::string& out, const RecordHeader& header, uint64_t salt, std::string_view prefix,
                   std::string_view body);
// Nothing when these bytes are no record header of a segment with this salt.
std::optional<RecordHeader> parse_record_header(std::string_view bytes, uint64_t salt);

// Payload of a request. `rows` and `memory_bytes` (of the decoded batch) let replay plan without decoding.
struct Request {
  Incoming incoming;
  uint32_t rows = 0;
  uint64_t memory_bytes = 0;
};
// All but the body, which follows it.
std::string encode_request_prefix(const Incoming& incoming, uint32_t rows, uint64_t memory_bytes);
Result<Request> parse_request(std::string_view payload);

struct CutRange {
  // Sequences of requests, inclusive; all between that are held, or all that are not, belong to it.
  uint64_t first = 0, last = 0;
  uint64_t requests = 0, rows = 0;
  bool held = false;
};
std::string encode_cut(const CutRange& range);
Result<CutRange> parse_cut(std::string_view payload);

std::string encode_done(const std::vector<uint64_t>& cuts);
Result<std::vector<uint64_t>> parse_done(std::string_view payload);

struct SeenRequest {
  Hash128 hash;
  UnixNanos at = 0;
};
std::string encode_seen(const std::vector<SeenRequest>& seen);
Result<std::vector<SeenRequest>> parse_seen(std::string_view payload);

// A held cut's verdicts, and whose they are.
struct Decided {
  struct Of {
    uint64_t sequence = 0;  // of the request
    uint32_t rows = 0;
  };
  uint64_t cut = 0;
  std::vector<Of> requests;
  Verdicts verdicts;
};
std::string encode_decided(const Decided& decided);
// The name of the cut alone; the rest is read when it is delivered.
Result<uint64_t> parse_decided_cut(std::string_view payload);
Result<Decided> parse_decided(std::string_view payload);

// What makes a request the same request: tenant, signal, form, bytes, and what of it was refused; of an agent: tenant,
// stream and number.
Hash128 request_hash(const Incoming& incoming);

}  // namespace hs::ingest
