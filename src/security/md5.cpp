#include "security/md5.h"

#include <openssl/evp.h>

#include "base/assert.h"

namespace hs::security {

uint64_t md5_low64(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE] = {};
  unsigned size = 0;
  const bool ok = EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_md5(), nullptr) == 1;
  HS_ASSERT(ok && size == 16, "OpenSSL without MD5: a FIPS build cannot hash as Prometheus does");
  uint64_t out = 0;
  for (unsigned i = size - 8; i < size; ++i) out = out << 8 | digest[i];
  return out;
}

}  // namespace hs::security
