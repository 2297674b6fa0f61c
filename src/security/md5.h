#pragma once
// MD5, for what others fixed to it (Prometheus' hashmod). Not for security.

#include <cstdint>
#include <string_view>

namespace hs::security {

// The last eight bytes of the digest, big-endian.
uint64_t md5_low64(std::string_view bytes);

}  // namespace hs::security
