#include "promql/store/packed_code.h"

#include <bit>
#include <cmath>

namespace hs::promql::store {
namespace {

// An integer that a double holds exactly, and that is not -0.
bool whole(double v) { return v >= -whole_max && v <= whole_max && v == std::trunc(v) && !(v == 0 && std::signbit(v)); }

}  // namespace

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 128; value >>= 7) out.push_back(static_cast<char>(value | 128));
  out.push_back(static_cast<char>(value));
}

bool Unpacking::varint(uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    unsigned next = 0;
    if (!byte(next)) return false;
    value |= static_cast<uint64_t>(next & 127) << shift;
    if (next < 128) return true;
  }
  return false;
}

unsigned put_value(std::string& out, uint64_t before, uint64_t now) {
  if (now == before) return 0;
  const uint64_t change = now ^ before;
  const unsigned low = static_cast<unsigned>(std::countr_zero(change)) / 8;
  const unsigned xor_bytes = bytes_of(change >> (8 * low));
  const auto from = std::bit_cast<double>(before), to = std::bit_cast<double>(now);
  if (whole(from) && whole(to)) {
    const uint64_t difference = zigzag(static_cast<int64_t>(to) - static_cast<int64_t>(from));
    const unsigned bytes = bytes_of(difference);
    if (bytes <= xor_bytes) {
      put_bytes(out, difference, bytes);
      return bytes;
    }
  }
  put_bytes(out, change >> (8 * low), xor_bytes);
  return first_xor_code + xor_codes.index[low][xor_bytes];
}

}  // namespace hs::promql::store
