#include "promql/xxhash.h"

#include <bit>
#include <cstring>

namespace hs::promql {
namespace {

constexpr uint64_t p1 = 0x9e3779b185ebca87;
constexpr uint64_t p2 = 0xc2b2ae3d27d4eb4f;
constexpr uint64_t p3 = 0x165667b19e3779f9;
constexpr uint64_t p4 = 0x85ebca77c2b2ae63;
constexpr uint64_t p5 = 0x27d4eb2f165667c5;

template <class T>
T read(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

uint64_t round(uint64_t acc, uint64_t lane) { return std::rotl(acc + lane * p2, 31) * p1; }
uint64_t merge(uint64_t acc, uint64_t lane) { return (acc ^ round(0, lane)) * p1 + p4; }

}  // namespace

uint64_t xxhash64(std::string_view data) {
  const char* at = data.data();
  const char* end = at + data.size();
  uint64_t h = p5;
  if (data.size() >= 32) {
    uint64_t v[4] = {p1 + p2, p2, 0, 0 - p1};
    for (; end - at >= 32; at += 32) {
      for (int i = 0; i < 4; ++i) v[i] = round(v[i], read<uint64_t>(at + 8 * i));
    }
    h = std::rotl(v[0], 1) + std::rotl(v[1], 7) + std::rotl(v[2], 12) + std::rotl(v[3], 18);
    for (const uint64_t lane : v) h = merge(h, lane);
  }
  h += data.size();
  for (; end - at >= 8; at += 8) h = std::rotl(h ^ round(0, read<uint64_t>(at)), 27) * p1 + p4;
  for (; end - at >= 4; at += 4) h = std::rotl(h ^ (uint64_t{read<uint32_t>(at)} * p1), 23) * p2 + p3;
  for (; at != end; ++at) h = std::rotl(h ^ (static_cast<unsigned char>(*at) * p5), 11) * p1;
  h = (h ^ (h >> 33)) * p2;
  h = (h ^ (h >> 29)) * p3;
  return h ^ (h >> 32);
}

}  // namespace hs::promql
