#pragma once
// How many distinct client addresses or users: linear counting in a fixed bitmap.

#include <array>
#include <cstdint>
#include <string_view>

namespace hs::stream {

// Within about 10 % up to a thousand subjects; beyond some thousands it saturates at count_max.
class Subjects {
 public:
  static constexpr uint32_t count_max = 5'000;
  void add(uint64_t hash);
  uint32_t count() const;

 private:
  std::array<uint64_t, 16> bits_{};  // 1024 bits
};

// The first IPv4 or IPv6 address in a text, else "".
std::string_view address_in(std::string_view text);

}  // namespace hs::stream
