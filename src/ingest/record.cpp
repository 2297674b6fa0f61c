#include "ingest/record.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/compress.h"

namespace hs::ingest {
namespace {

constexpr std::string_view segment_magic = "HSJRNL\r\n";
constexpr uint32_t record_magic = 0x31525348;  // "HSR1"

// Integers are little-endian, fixed width (the machines that we build for are; a static check keeps it honest).
static_assert(std::endian::native == std::endian::little, "byte order of the journal");

// Of a request; persistent.
constexpr uint8_t flag_any_time = 1;     // Incoming::any_time
constexpr uint8_t flag_parse_text = 2;   // Incoming::parse_text
constexpr uint8_t flag_refused = 4;      // Incoming::refused follows
constexpr uint8_t flag_item_limits = 8;  // Incoming::item_limits follow
constexpr uint8_t flag_held = 16;        // Incoming::held
constexpr uint8_t flag_shipment = 32;    // Incoming::shipment follows

constexpr size_t decided_bytes_max = 256ULL << 20;  // decompressed: a byte a span, 12 a request, of one cut

template <class T>
void put(std::string& out, T value) {
  static_assert(std::is_integral_v<T>);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

// Reads from the front of a view; after the first lack of bytes everything reads as zero and good() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  template <class T>
  T get() {
    T value{};
    const std::string_view bytes = take(sizeof value);
    if (good_) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string_view take(size_t size) {
    if (size > left_.size()) good_ = false;
    if (!good_) return {};
    const std::string_view out = left_.substr(0, size);
    left_.remove_prefix(size);
    return out;
  }
  std::string_view rest() const { return left_; }
  bool good() const { return good_; }

 private:
  std::string_view left_;
  bool good_ = true;
};

tl::unexpected<Error> malformed(std::string_view what) {
  return fail(Code::internal, fmt::format("the journal holds a malformed {}", what));
}

uint32_t header_crc(std::string_view bytes, uint64_t salt) {
  return crc32c(bytes, crc32c({reinterpret_cast<const char*>(&salt), sizeof salt}));
}

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  std::string out(segment_magic);
  put(out, format_version);
  put<uint32_t>(out, 0);  // flags
  put(out, header.number);
  put(out, header.base_sequence);
  put(out, header.previous_number);
  put(out, header.previous_end);
  put(out, header.salt);
  put<uint32_t>(out, 0);
  put(out, crc32c(out));
  return out;
}

Result<SegmentHeader> parse_segment_header(std::string_view bytes) {
  if (bytes.size() < segment_header_bytes) return malformed("segment header: too short");
  bytes = bytes.substr(0, segment_header_bytes);
  Reader in(bytes);
  if (in.take(segment_magic.size()) != segment_magic) return malformed("segment header: no journal of ours");
  const auto version = in.get<uint32_t>();
  in.get<uint32_t>();
  SegmentHeader header;
  header.number = in.get<uint64_t>();
  header.base_sequence = in.get<uint64_t>();
  header.previous_number = in.get<uint64_t>();
  header.previous_end = in.get<uint64_t>();
  header.salt = in.get<uint64_t>();
  in.get<uint32_t>();
  if (in.get<uint32_t>() != crc32c(bytes.substr(0, segment_header_bytes - 4)))
    return malformed("segment header: checksum");
  if (version < oldest_format_version || version > format_version)
    return fail(Code::unsupported_media,
                fmt::format("the journal has format {}, this program reads {}: let the version "
                            "that wrote it deliver it first",
                            version, format_version));
  return header;
}

void append_record(std::string& out, const RecordHeader& header, uint64_t salt, std::string_view prefix,
                   std::string_view body) {
  std::string fields;
  put(fields, header.payload_crc);
  put(fields, header.length);
  put(fields, header.group);
  put(fields, static_cast<uint8_t>(header.type));
  fields.append(3, '\0');
  put(fields, header.sequence);
  put(out, record_magic);
  put(out, header_crc(fields, salt));
  out += fields;
  out += prefix;
  out += body;
  out.append(record_bytes(header.length) - record_header_bytes - header.length, '\0');
}

std::optional<RecordHeader> parse_record_header(std::string_view bytes, uint64_t salt) {
  Reader in(bytes);
  const auto magic = in.get<uint32_t>();
  const auto crc = in.get<uint32_t>();
  if (magic != record_magic || bytes.size() < record_header_bytes) return std::nullopt;
  if (crc != header_crc(bytes.substr(8, record_header_bytes - 8), salt)) return std::nullopt;
  RecordHeader header;
  header.payload_crc = in.get<uint32_t>();
  header.length = in.get<uint32_t>();
  header.group = in.get<uint32_t>();
  header.type = static_cast<RecordType>(in.get<uint8_t>());
  in.take(3);
  header.sequence = in.get<uint64_t>();
  return header;
}

std::string encode_request_prefix(const Incoming& incoming, uint32_t rows, uint64_t memory_bytes) {
  std::string out;
  put(out, static_cast<uint8_t>(incoming.signal));
  put(out, static_cast<uint8_t>(incoming.format));
  put(out, static_cast<uint8_t>(incoming.encoding));
  put<uint8_t>(out, (incoming.any_time ? flag_any_time : 0) | (incoming.parse_text ? flag_parse_text : 0) |
                        (incoming.refused.empty() ? 0 : flag_refused) |
                        (incoming.item_limits == ItemLimits{} ? 0 : flag_item_limits) |
                        (incoming.held ? flag_held : 0) | (incoming.shipment.known() ? flag_shipment : 0));
  put(out, rows);
  put(out, memory_bytes);
  put(out, incoming.received_at);
  put(out, static_cast<uint32_t>(incoming.tenant.size()));
  put(out, static_cast<uint32_t>(incoming.credential.size()));
  out += incoming.tenant;
  out += incoming.credential;
  if (const ItemLimits& l = incoming.item_limits; l != ItemLimits{})
    for (const uint32_t limit : {l.attributes, l.nesting, l.key_bytes, l.value_bytes, l.name_bytes}) put(out, limit);
  if (const Shipment& s = incoming.shipment; s.known())
    for (const uint64_t part : {s.stream.high, s.stream.low, s.number, s.oldest}) put(out, part);
  if (incoming.refused.empty()) return out;
  put(out, static_cast<uint32_t>(incoming.refused.size()));
  return out += incoming.refused;
}

Result<Request> parse_request(std::string_view payload) {
  Reader in(payload);
  Request request;
  request.incoming.signal = static_cast<model::Signal>(in.get<uint8_t>());
  request.incoming.format = static_cast<WireFormat>(in.get<uint8_t>());
  request.incoming.encoding = static_cast<Encoding>(in.get<uint8_t>());
  const auto flags = in.get<uint8_t>();
  request.incoming.any_time = (flags & flag_any_time) != 0;
  request.incoming.parse_text = (flags & flag_parse_text) != 0;
  request.incoming.held = (flags & flag_held) != 0;
  request.rows = in.get<uint32_t>();
  request.memory_bytes = in.get<uint64_t>();
  request.incoming.received_at = in.get<int64_t>();
  const auto tenant_bytes = in.get<uint32_t>();
  const auto credential_bytes = in.get<uint32_t>();
  request.incoming.tenant = in.take(tenant_bytes);
  request.incoming.credential = in.take(credential_bytes);
  if ((flags & flag_item_limits) != 0) {
    ItemLimits& l = request.incoming.item_limits;
    for (uint32_t* limit : {&l.attributes, &l.nesting, &l.key_bytes, &l.value_bytes, &l.name_bytes})
      *limit = in.get<uint32_t>();
    if (l == ItemLimits{}) return malformed("request");
  }
  if ((flags & flag_shipment) != 0) {
    Shipment& s = request.incoming.shipment;
    for (uint64_t* part : {&s.stream.high, &s.stream.low, &s.number, &s.oldest}) *part = in.get<uint64_t>();
    if (!s.known()) return malformed("request");
  }
  if ((flags & flag_refused) != 0) {
    const auto refused_bytes = in.get<uint32_t>();
    request.incoming.refused = in.take(refused_bytes);
    if (request.incoming.refused.empty()) return malformed("request");
  }
  if (!in.good()) return malformed("request");
  request.incoming.body = in.rest();
  return request;
}

std::string encode_cut(const CutRange& range) {
  std::string out;
  put(out, range.first);
  put(out, range.last);
  put(out, range.requests);
  put(out, range.rows);
  if (range.held) put<uint8_t>(out, 1);
  return out;
}

Result<CutRange> parse_cut(std::string_view payload) {
  Reader in(payload);
  CutRange range;
  range.first = in.get<uint64_t>();
  range.last = in.get<uint64_t>();
  range.requests = in.get<uint64_t>();
  range.rows = in.get<uint64_t>();
  if (in.good() && !in.rest().empty()) range.held = in.get<uint8_t>() == 1;
  if (!in.good() || !in.rest().empty() || range.last < range.first) return malformed("cut");
  return range;
}

std::string encode_done(const std::vector<uint64_t>& cuts) {
  std::string out;
  for (const uint64_t cut : cuts) put(out, cut);
  return out;
}

Result<std::vector<uint64_t>> parse_done(std::string_view payload) {
  if (payload.size() % sizeof(uint64_t) != 0) return malformed("list of done cuts");
  Reader in(payload);
  std::vector<uint64_t> cuts(payload.size() / sizeof(uint64_t));
  for (uint64_t& cut : cuts) cut = in.get<uint64_t>();
  return cuts;
}

std::string encode_seen(const std::vector<SeenRequest>& seen) {
  std::string out;
  out.reserve(seen.size() * 24);
  for (const SeenRequest& s : seen) {
    put(out, s.hash.high);
    put(out, s.hash.low);
    put(out, s.at);
  }
  return out;
}

Result<std::vector<SeenRequest>> parse_seen(std::string_view payload) {
  if (payload.size() % 24 != 0) return malformed("list of seen requests");
  Reader in(payload);
  std::vector<SeenRequest> seen(payload.size() / 24);
  for (SeenRequest& s : seen) {
    s.hash.high = in.get<uint64_t>();
    s.hash.low = in.get<uint64_t>();
    s.at = in.get<int64_t>();
  }
  return seen;
}

std::string encode_decided(const Decided& decided) {
  std::string content;
  put(content, static_cast<uint32_t>(decided.requests.size()));
  for (const Decided::Of& of : decided.requests) {
    put(content, of.sequence);
    put(content, of.rows);
  }
  put(content, static_cast<uint32_t>(decided.verdicts.thresholds.size()));
  for (const uint64_t threshold : decided.verdicts.thresholds) put(content, threshold);
  content.append(decided.verdicts.codes.begin(), decided.verdicts.codes.end());
  std::string out;
  put(out, decided.cut);
  const auto compressed = compress(Coding::zstd, content);
  HS_ASSERT(compressed.has_value(), "zstd compresses what is in memory");
  return out += *compressed;
}

Result<uint64_t> parse_decided_cut(std::string_view payload) {
  Reader in(payload);
  const auto cut = in.get<uint64_t>();
  if (!in.good()) return malformed("decision");
  return cut;
}

Result<Decided> parse_decided(std::string_view payload) {
  Decided decided;
  HS_ASSIGN(decided.cut, parse_decided_cut(payload));
  HS_ASSIGN(const std::string content, decompress(Coding::zstd, payload.substr(sizeof decided.cut), decided_bytes_max));
  Reader in(content);
  const auto requests = in.get<uint32_t>();
  if (requests > content.size()) return malformed("decision");
  decided.requests.resize(requests);
  uint64_t rows = 0;
  for (Decided::Of& of : decided.requests) {
    of.sequence = in.get<uint64_t>();
    of.rows = in.get<uint32_t>();
    rows += of.rows;
  }
  const auto thresholds = in.get<uint32_t>();
  if (thresholds > UINT8_MAX) return malformed("decision");
  decided.verdicts.thresholds.resize(thresholds);
  for (uint64_t& threshold : decided.verdicts.thresholds) threshold = in.get<uint64_t>();
  const std::string_view codes = in.rest();
  if (!in.good() || codes.size() != rows) return malformed("decision");
  decided.verdicts.codes.assign(codes.begin(), codes.end());
  for (const uint8_t code : decided.verdicts.codes)
    if (code >= model::Kept::first_threshold + thresholds) return malformed("decision");
  return decided;
}

Hash128 request_hash(const Incoming& incoming) {
  if (const Shipment& s = incoming.shipment; s.known())
    return hash128(text_of({s.stream, s.number, 0}), hash64(incoming.tenant));
  const char form[3] = {static_cast<char>(incoming.signal), static_cast<char>(incoming.format),
                        static_cast<char>(incoming.encoding)};
  // The same bytes of which other points are refused now are no retry: what was refused then is not stored.
  const uint64_t whose = hash64(incoming.tenant, hash64({form, sizeof form}));
  return hash128(incoming.body, incoming.refused.empty() ? whose : hash64(incoming.refused, whose));
}

}  // namespace hs::ingest
