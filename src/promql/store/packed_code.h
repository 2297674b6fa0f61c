#pragma once
// How a value follows another in packed bytes, as docs/formats/store.md has it. Internal.

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace hs::promql::store {

inline uint64_t zigzag(int64_t v) { return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63); }
inline int64_t unzigzag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }
inline unsigned bytes_of(uint64_t v) { return (71 - static_cast<unsigned>(__builtin_clzll(v | 1))) / 8; }

inline void put_bytes(std::string& out, uint64_t value, unsigned bytes) {
  out.append(reinterpret_cast<const char*>(&value), bytes);
}
void put_varint(std::string& out, uint64_t value);

// Writes how the bits `before` became `now`, without the code that says so: that is returned, below 64.
unsigned put_value(std::string& out, uint64_t before, uint64_t now);

// Takes packed bytes apart. What is not there, or was never packed, is a false; nothing is read beyond the end.
class Unpacking {
 public:
  explicit Unpacking(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  size_t left() const { return static_cast<size_t>(end_ - at_); }
  bool byte(unsigned& value) {
    if (at_ == end_) return false;
    value = static_cast<unsigned char>(*at_++);
    return true;
  }
  // At most 8.
  bool number(unsigned bytes, uint64_t& value) {
    value = 0;
    if (left() >= 8) {  // nearly always: one load, not a copy of so many
      std::memcpy(&value, at_, 8);
      if (bytes < 8) value &= (1ULL << (8 * bytes)) - 1;
    } else {
      if (left() < bytes) return false;
      std::memcpy(&value, at_, bytes);
    }
    at_ += bytes;
    return true;
  }
  bool varint(uint64_t& value);
  // What put_value() wrote with this code; `bits` are those before, and then those that follow.
  bool value(unsigned code, uint64_t& bits);

 private:
  const char* at_;
  const char* end_;
};

// The largest integer up to which a double holds every one.
inline constexpr double whole_max = 9007199254740992.0;
inline constexpr unsigned first_xor_code = 9, last_code = first_xor_code + 35;

struct XorCodes {
  struct One {
    unsigned low, bytes;
  };
  std::array<One, 36> of{};
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
};
inline constexpr XorCodes xor_codes;

inline bool Unpacking::value(unsigned code, uint64_t& bits) {
  if (code == 0) return true;
  uint64_t change = 0;
  if (code >= first_xor_code) {
    if (code > last_code) return false;
    const XorCodes::One how = xor_codes.of[code - first_xor_code];
    if (!number(how.bytes, change)) return false;
    bits ^= change << (8 * how.low);
    return true;
  }
  const auto before = __builtin_bit_cast(double, bits);
  if (!(before >= -whole_max && before <= whole_max) || !number(code, change)) return false;
  const auto sum = static_cast<uint64_t>(static_cast<int64_t>(before)) + static_cast<uint64_t>(unzigzag(change));
  bits = __builtin_bit_cast(uint64_t, static_cast<double>(static_cast<int64_t>(sum)));
  return true;
}

}  // namespace hs::promql::store
