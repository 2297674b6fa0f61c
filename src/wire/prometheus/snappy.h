#pragma once
// Snappy's block format (https://github.com/google/snappy/blob/main/format_description.txt), which Prometheus' remote
// protocols compress their bodies with. Pure; thread-safe.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace hs::wire::prometheus {

// The length that a block declares stands before it and is believed only within `bytes_max` (too_large beyond it) and
// within what so many bytes can hold at most (invalid_argument): a lie allocates nothing. Truncated or corrupt blocks:
// invalid_argument.
Result<std::string> snappy_decompress(std::string_view block, size_t bytes_max);

// A block for receivers that take nothing else: repetitions within 64 KiB become references to what they repeat.
// `bytes` are fewer than 4 GiB.
std::string snappy_compress(std::string_view bytes);

}  // namespace hs::wire::prometheus
