#include "promql/store/packed.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/assert.h"

namespace hs::promql::store {
namespace {

// The control byte: bits 0-1 how many bytes the change of the distance takes (0, 1, 4, 8), bits 2-7 the value's code:
// 0 the same; 1-8 an integer's difference in so many bytes; 9-44 a XOR without `low` zero bytes at its lower end.
constexpr unsigned distance_bytes[] = {0, 1, 4, 8};
constexpr unsigned first_xor_code = 9;

struct XorCode {
  unsigned low, bytes;
};
constexpr struct XorCodes {
  XorCode of[36] = {};
  unsigned index[8][9] = {};
  constexpr XorCodes() {
    unsigned n = 0;
    for (unsigned low = 0; low < 8; ++low) {
      for (unsigned bytes = 1; bytes + low <= 8; ++bytes, ++n) {
        of[n] = {low, bytes};
        index[low][bytes] = n;
      }
    }
  }
} xor_codes;

uint64_t zigzag(int64_t v) { return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63); }
int64_t unzigzag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }
unsigned bytes_of(uint64_t v) { return (71 - static_cast<unsigned>(std::countl_zero(v | 1))) / 8; }

constexpr double whole_max = 9007199254740992.0;

// An integer that a double holds exactly, and that is not -0.
bool whole(double v) { return v >= -whole_max && v <= whole_max && v == std::trunc(v) && !(v == 0 && std::signbit(v)); }

// The largest sample: control byte, distance, value.
constexpr ptrdiff_t sample_bytes_max = 1 + 8 + 8;

// `bytes` of at most 8 at `at`, where 8 can be read.
uint64_t get(const char*& at, unsigned bytes) {
  uint64_t v = 0;
  std::memcpy(&v, at, 8);
  at += bytes;
  return bytes == 8 ? v : v & ((1ULL << (8 * bytes)) - 1);
}

constexpr unsigned last_code = first_xor_code + 35;

// Goes through packed samples, one at a time. Bytes that nobody packed wrap around, and harm nobody.
struct Unpacker {
  uint64_t t = 0, distance = 0, bits = 0;

  // The sample at `at`, after which as many bytes as the largest takes can be read. False: no packed sample.
  bool next(const char*& at, bool first) {
    const auto control = static_cast<unsigned char>(*at++);
    if (!first) {
      if ((control & 3) != 0) distance += static_cast<uint64_t>(unzigzag(get(at, distance_bytes[control & 3])));
      t += distance;
    }
    const unsigned code = control >> 2;
    if (code >= first_xor_code) {
      if (code > last_code) return false;
      const XorCode change = xor_codes.of[code - first_xor_code];
      bits ^= get(at, change.bytes) << (8 * change.low);
    } else if (code > 0) {
      const auto before = std::bit_cast<double>(bits);
      if (!(before >= -whole_max && before <= whole_max)) return false;
      const auto change = static_cast<uint64_t>(unzigzag(get(at, code)));
      const auto now = static_cast<int64_t>(static_cast<uint64_t>(static_cast<int64_t>(before)) + change);
      bits = std::bit_cast<uint64_t>(static_cast<double>(now));
    }
    return true;
  }
};

}  // namespace

void Packed::put(uint64_t value, unsigned bytes) { bytes_.append(reinterpret_cast<const char*>(&value), bytes); }

// Writes how the value changed; the code that says so.
unsigned Packed::put_value(uint64_t bits) {
  if (bits == last_bits_) return 0;
  const auto now = std::bit_cast<double>(bits), before = std::bit_cast<double>(last_bits_);
  const uint64_t change = bits ^ last_bits_;
  const unsigned low = static_cast<unsigned>(std::countr_zero(change)) / 8;
  const unsigned xor_bytes = bytes_of(change >> (8 * low));
  if (whole(now) && whole(before)) {
    const uint64_t difference = zigzag(static_cast<int64_t>(now) - static_cast<int64_t>(before));
    const unsigned bytes = bytes_of(difference);
    if (bytes <= xor_bytes) {
      put(difference, bytes);
      return bytes;
    }
  }
  put(change >> (8 * low), xor_bytes);
  return first_xor_code + xor_codes.index[low][xor_bytes];
}

void Packed::add(int64_t t_ms, double v) {
  const size_t control = bytes_.size();
  bytes_.push_back('\0');
  unsigned code = 0;
  if (size_ == 0) {
    first_ms_ = t_ms;
  } else {
    const int64_t distance = t_ms - last_ms_;
    const uint64_t change = zigzag(distance - distance_ms_);
    code = change == 0 ? 0 : change <= UINT8_MAX ? 1 : change <= UINT32_MAX ? 2 : 3;
    put(change, distance_bytes[code]);
    distance_ms_ = distance;
  }
  const auto bits = std::bit_cast<uint64_t>(v);
  code |= put_value(bits) << 2;
  bytes_[control] = static_cast<char>(code);
  last_ms_ = t_ms;
  last_bits_ = bits;
  ++size_;
}

bool unpack(const PackedView& packed, int64_t start_ms, int64_t end_ms, std::vector<FloatPoint>& out) {
  Unpacker of;
  of.t = static_cast<uint64_t>(packed.first_ms);
  const char* at = packed.bytes.data();
  const char* const end = at + packed.bytes.size();
  std::array<char, sample_bytes_max> last{};
  for (uint32_t i = 0; i < packed.samples; ++i) {
    if (at == end) return false;
    if (end - at >= sample_bytes_max) {
      if (!of.next(at, i == 0)) return false;
    } else {  // near the end: from a copy that is long enough
      const auto left = static_cast<size_t>(end - at);
      std::memcpy(last.data(), at, left);
      const char* copy = last.data();
      if (!of.next(copy, i == 0) || copy - last.data() > static_cast<ptrdiff_t>(left)) return false;
      at += copy - last.data();
    }
    const auto t = static_cast<int64_t>(of.t);
    if (t > end_ms) return true;
    if (t >= start_ms) out.push_back({t, std::bit_cast<double>(of.bits)});
  }
  return at == end;
}

void Packed::read(int64_t start_ms, int64_t end_ms, std::vector<FloatPoint>& out) const {
  if (size_ == 0 || last_ms_ < start_ms || first_ms_ > end_ms) return;
  HS_ASSERT(unpack(view(), start_ms, end_ms, out), "memory is as it was written");
}

}  // namespace hs::promql::store
