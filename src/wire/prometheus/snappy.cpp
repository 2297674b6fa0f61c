#include "wire/prometheus/snappy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

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

}  // namespace

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
