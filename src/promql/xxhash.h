#pragma once
// XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): limit_ratio() picks the same series as
// Prometheus, which hashes labels with it.

#include <cstdint>
#include <string_view>

namespace hs::promql {

uint64_t xxhash64(std::string_view data);  // seed 0

}  // namespace hs::promql
