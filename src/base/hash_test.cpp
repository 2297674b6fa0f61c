#include "base/hash.h"

#include <gtest/gtest.h>

namespace hs {
namespace {

TEST(Hash, Crc32cMatchesThePublishedVectors) {  // RFC 3720 B.4
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), crc32c("123456789"));
}

TEST(Hash, BothWaysToSumAgree) {
  std::string bytes;
  for (size_t i = 0; i < 300; ++i) {
    EXPECT_EQ(crc32c(bytes, 7), crc32c_portable(bytes, 7)) << i;
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Hash, SeedsAndContentMatter) {
  EXPECT_NE(hash64("a"), hash64("b"));
  EXPECT_NE(hash64("a", 1), hash64("a", 2));
  EXPECT_EQ(hash128("abc"), hash128("abc"));
  EXPECT_NE(hash128("abc"), hash128("abd"));
}

}  // namespace
}  // namespace hs
