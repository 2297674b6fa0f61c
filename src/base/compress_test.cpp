#include "base/compress.h"

#include <random>

#include <gtest/gtest.h>

namespace hs {
namespace {

constexpr size_t mib = 1024 * 1024;
constexpr Coding codings[] = {Coding::identity, Coding::gzip, Coding::deflate, Coding::zstd};
constexpr Coding compressing[] = {Coding::gzip, Coding::deflate, Coding::zstd};

std::string noise(size_t bytes) {
  std::mt19937 random(7);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

Code code_of(const Result<std::string>& r) { return r ? Code::internal : r.error().code; }

TEST(Compress, RoundTrips) {
  for (const Coding coding : codings)
    for (const std::string& text : {std::string(), std::string("x"), std::string(3 * mib, 'a'), noise(mib)}) {
      const auto packed = compress(coding, text);
      ASSERT_TRUE(packed);
      const auto back = decompress(coding, *packed, 4 * mib);
      ASSERT_TRUE(back) << back.error().message;
      EXPECT_EQ(*back, text);
    }
}

TEST(Compress, TheLimitIsExact) {
  const std::string text = noise(100'000);
  for (const Coding coding : codings) {
    const auto packed = compress(coding, text);
    EXPECT_TRUE(decompress(coding, *packed, text.size()));
    EXPECT_EQ(code_of(decompress(coding, *packed, text.size() - 1)), Code::too_large);
    EXPECT_EQ(code_of(decompress(coding, *packed, 0)), Code::too_large);
  }
}

TEST(Compress, EmptyOutputFitsALimitOfZero) {
  for (const Coding coding : codings) {
    const auto back = decompress(coding, *compress(coding, ""), 0);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, "");
  }
}

TEST(Compress, BombsStopAtTheLimit) {
  const std::string zeros(256 * mib, '\0');
  for (const Coding coding : compressing) {
    const auto bomb = compress(coding, zeros);
    ASSERT_LT(bomb->size(), mib);
    EXPECT_EQ(code_of(decompress(coding, *bomb, mib)), Code::too_large);
  }
}

TEST(Compress, ManyMembersAreOneBody) {
  const std::string gzip = *compress(Coding::gzip, "ab"), zstd = *compress(Coding::zstd, "ab");
  EXPECT_EQ(*decompress(Coding::gzip, gzip + gzip + gzip, 6), "ababab");
  EXPECT_EQ(*decompress(Coding::zstd, zstd + zstd, 4), "abab");
  EXPECT_EQ(code_of(decompress(Coding::gzip, gzip + gzip + gzip, 5)), Code::too_large);
  EXPECT_EQ(code_of(decompress(Coding::zstd, zstd + zstd, 3)), Code::too_large);
}

TEST(Compress, AMillionEmptyMembersAreNothing) {
  std::string bytes;
  const std::string member = *compress(Coding::gzip, "");
  for (int i = 0; i < 50'000; ++i) bytes += member;
  EXPECT_EQ(*decompress(Coding::gzip, bytes, 10), "");
}

TEST(Compress, EveryTruncationIsRefused) {
  const std::string text = noise(2000) + std::string(2000, 'z');
  for (const Coding coding : compressing) {
    const std::string packed = *compress(coding, text);
    for (size_t keep = 0; keep < packed.size(); keep += keep < 64 ? 1 : 37)
      EXPECT_EQ(code_of(decompress(coding, packed.substr(0, keep), mib)), Code::invalid_argument) << keep;
  }
}

TEST(Compress, WhatFollowsTheEndIsRefused) {
  for (const Coding coding : compressing)
    EXPECT_EQ(code_of(decompress(coding, *compress(coding, "abc") + "garbage", mib)), Code::invalid_argument);
}

TEST(Compress, ACorruptByteNeverPassesTheChecksum) {
  const std::string text = noise(5000);
  for (const Coding coding : {Coding::gzip, Coding::deflate}) {
    std::string packed = *compress(coding, text);
    packed[packed.size() / 2] = static_cast<char>(packed[packed.size() / 2] ^ 0x40);
    EXPECT_EQ(code_of(decompress(coding, packed, mib)), Code::invalid_argument);
  }
}

TEST(Compress, RawDeflateIsDeflateToo) {
  const std::string zlib = *compress(Coding::deflate, "hello hello hello");
  EXPECT_EQ(*decompress(Coding::deflate, zlib.substr(2, zlib.size() - 6), 100), "hello hello hello");
}

TEST(Compress, AHugeZstdWindowIsRefusedBeforeItIsAllocated) {
  // Magic, a frame header without single-segment flag, window descriptor 0xA0 (2^30 bytes), then a raw last block.
  const std::string frame("\x28\xB5\x2F\xFD\x00\xA0\x09\x00\x00X", 10);
  EXPECT_EQ(code_of(decompress(Coding::zstd, frame, mib)), Code::invalid_argument);
}

TEST(Compress, CodingNames) {
  EXPECT_EQ(*parse_coding(""), Coding::identity);
  EXPECT_EQ(*parse_coding("Identity"), Coding::identity);
  EXPECT_EQ(*parse_coding(" GZip "), Coding::gzip);
  EXPECT_EQ(*parse_coding("x-gzip"), Coding::gzip);
  EXPECT_EQ(*parse_coding("deflate"), Coding::deflate);
  EXPECT_EQ(*parse_coding("zstd"), Coding::zstd);
  for (const char* name : {"gzip, gzip", "gzip,zstd", "br", "snappy", "gzip;q=1"}) {
    const auto coding = parse_coding(name);
    ASSERT_FALSE(coding) << name;
    EXPECT_EQ(coding.error().code, Code::unsupported_media);
  }
}

}  // namespace
}  // namespace hs
