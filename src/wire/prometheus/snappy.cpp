#include "wire/prometheus/snappy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace hs::wire::prometheus {
namespace {

constexpr size_t ratio_max = 22;  // the best that an element does: 64 bytes for 3

tl::unexpected<Error> corrupt(std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("the body is no snappy block: {}", what));
}

struct Input {
  std::string_view left;

  bool has(size_t n) const { return left.size() >= n; }
  uint8_t byte() {
    const auto b = static_cast<uint8_t>(left.front());
    left.remove_prefix(1);
    return b;
  }
  uint32_t little_endian(size_t bytes) {
    uint32_t v = 0;
    for (size_t i = 0; i < bytes; ++i) v |= static_cast<uint32_t>(byte()) << (8 * i);
    return v;
  }
};

// The declared length; false when there is none.
bool read_length(Input& in, uint64_t& length) {
  for (int shift = 0; shift < 35 && in.has(1); shift += 7) {
    const uint8_t b = in.byte();
    length |= static_cast<uint64_t>(b & 0x7F) << shift;
    if ((b & 0x80) == 0) return length <= UINT32_MAX;
  }
  return false;
}

struct Output {
  std::string bytes;
  size_t used = 0;

  size_t left() const { return bytes.size() - used; }
  // Source and target may overlap: then what was just written repeats.
  void repeat(size_t offset, size_t length) {
    char* to = bytes.data() + used;
    const char* from = to - offset;
    if (offset >= length)
      std::memcpy(to, from, length);
    else
      for (size_t i = 0; i < length; ++i) to[i] = from[i];
    used += length;
  }
};

bool literal(Input& in, uint8_t tag, Output& out) {
  size_t length = tag >> 2;
  if (length >= 60) {
    const size_t extra = length - 59;
    if (!in.has(extra)) return false;
    length = in.little_endian(extra);
  }
  ++length;
  if (!in.has(length) || out.left() < length) return false;
  std::memcpy(out.bytes.data() + out.used, in.left.data(), length);
  out.used += length;
  in.left.remove_prefix(length);
  return true;
}

bool copy(Input& in, uint8_t tag, Output& out) {
  const unsigned kind = tag & 3;
  const size_t more = kind == 3 ? 4 : kind;  // bytes of the offset that follow
  if (!in.has(more)) return false;
  const size_t length = kind == 1 ? 4 + ((tag >> 2) & 7) : (tag >> 2) + 1;
  size_t offset = in.little_endian(more);
  if (kind == 1) offset |= static_cast<size_t>(tag >> 5) << 8;
  if (offset == 0 || offset > out.used || out.left() < length) return false;
  out.repeat(offset, length);
  return true;
}

// What compression writes.
struct Elements {
  std::string bytes;

  void little_endian(uint64_t v, size_t n) {
    for (size_t i = 0; i < n; ++i) bytes.push_back(static_cast<char>(v >> (8 * i)));
  }
  void literal(std::string_view text) {
    if (text.empty()) return;
    const size_t n = text.size() - 1, extra = n < 60 ? 0 : n <= 0xFF ? 1 : n <= 0xFFFF ? 2 : 4;
    bytes.push_back(static_cast<char>((extra == 0 ? n : 59 + extra) << 2));
    little_endian(n, extra);
    bytes += text;
  }
  void copy(size_t offset, size_t length) {
    for (size_t part = 0; length > 0; length -= part) {
      part = std::min<size_t>(length, 64);
      bytes.push_back(static_cast<char>((part - 1) << 2 | 2));  // with an offset of two bytes
      little_endian(offset, 2);
    }
  }
};

}  // namespace

std::string snappy_compress(std::string_view bytes) {
  constexpr size_t least = 4, offset_max = 0xFFFF, table_bits = 14;
  std::vector<uint32_t> seen(size_t{1} << table_bits, UINT32_MAX);  // where these four bytes were last
  Elements out;
  size_t length = bytes.size();
  for (; length >= 0x80; length >>= 7) out.bytes.push_back(static_cast<char>(length | 0x80));
  out.bytes.push_back(static_cast<char>(length));
  size_t written = 0, at = 0;
  while (at + least <= bytes.size()) {
    uint32_t here = 0;
    std::memcpy(&here, bytes.data() + at, least);
    uint32_t& slot = seen[(here * 0x1e35a7bdU) >> (32 - table_bits)];
    const size_t before = std::exchange(slot, static_cast<uint32_t>(at));
    const bool repeats =
        before < at && at - before <= offset_max && bytes.substr(before, least) == bytes.substr(at, least);
    if (!repeats) {
      ++at;
      continue;
    }
    size_t n = least;
    while (at + n < bytes.size() && bytes[before + n] == bytes[at + n]) ++n;
    out.literal(bytes.substr(written, at - written));
    out.copy(at - before, n);
    at += n;
    written = at;
  }
  out.literal(bytes.substr(written));
  return std::move(out.bytes);
}

Result<std::string> snappy_decompress(std::string_view block, size_t bytes_max) {
  Input in{block};
  uint64_t length = 0;
  if (!read_length(in, length)) return corrupt("it does not begin with a length");
  if (length > bytes_max)
    return fail(Code::too_large, fmt::format("the body is {} bytes when decompressed, more than ingest.body_max ({}): "
                                             "send smaller requests",
                                             length, bytes_max));
  if (length > block.size() * ratio_max) return corrupt("it cannot hold what it declares");
  Output out;
  out.bytes.resize(length);
  while (!in.left.empty()) {
    const uint8_t tag = in.byte();
    const bool good = (tag & 3) == 0 ? literal(in, tag, out) : copy(in, tag, out);
    if (!good) return corrupt("an element is truncated or points outside of it");
  }
  if (out.left() != 0) return corrupt("it ends early");
  return std::move(out.bytes);
}

}  // namespace hs::wire::prometheus
