#pragma once
// Fast hashes for tables and deduplication (XXH3). Not for security: the ledger uses SHA-256 (ledger/).

#include <cstdint>
#include <functional>
#include <string_view>

namespace hs {

struct Hash128 {
  uint64_t high = 0, low = 0;
  bool operator==(const Hash128&) const = default;
  auto operator<=>(const Hash128&) const = default;
};

uint64_t hash64(std::string_view bytes, uint64_t seed = 0);
Hash128 hash128(std::string_view bytes, uint64_t seed = 0);
// CRC-32C (Castagnoli) of `bytes`, continuing from `crc`.
uint32_t crc32c(std::string_view bytes, uint32_t crc = 0);
// The same without the processor's own instruction: what machines without it use.
uint32_t crc32c_portable(std::string_view bytes, uint32_t crc = 0);

}  // namespace hs

template <>
struct std::hash<hs::Hash128> {
  size_t operator()(const hs::Hash128& h) const noexcept { return h.low; }
};
