#pragma once
// LZ4 frames, which ClickHouse's clients use for inserts unless told otherwise.

#include <string>
#include <string_view>

#include "base/error.h"

namespace hs::store {

// The bytes of one or more whole frames. too_large beyond `bytes_max`, invalid_argument when damaged or cut off.
Result<std::string> lz4_decompress(std::string_view bytes, size_t bytes_max);

}  // namespace hs::store
