#include "wire/prometheus/snappy.h"

#include <gtest/gtest.h>

#include "wire/prometheus/test_bodies.h"

namespace hs::wire::prometheus {
namespace {

Code code_of(std::string_view block, size_t bytes_max = 1000) {
  const auto out = snappy_decompress(block, bytes_max);
  return out ? Code::internal : out.error().code;
}

TEST(Snappy, LiteralsAndCopies) {
  EXPECT_EQ(snappy_decompress(std::string_view("\0", 1), 10).value(), "");
  EXPECT_EQ(snappy_decompress("\x03\x08"
                              "abc",
                              10)
                .value(),
            "abc");
  // abc, then 9 bytes from 3 before (they overlap): one-byte offset, two-byte offset, four-byte offset.
  EXPECT_EQ(snappy_decompress("\x0c\x08"
                              "abc\x15\x03",
                              20)
                .value(),
            "abcabcabcabc");
  EXPECT_EQ(snappy_decompress(std::string_view("\x0c\x08"
                                               "abc\x22\x03\0",
                                               8),
                              20)
                .value(),
            "abcabcabcabc");
  EXPECT_EQ(snappy_decompress(std::string_view("\x0c\x08"
                                               "abc\x23\x03\0\0\0",
                                               10),
                              20)
                .value(),
            "abcabcabcabc");
  const std::string text(300, 'x');
  EXPECT_EQ(snappy_decompress(std::string("\xac\x02\xf4\x2b\x01", 5) + text, 300).value(), text);  // long literal
  EXPECT_EQ(snappy_decompress(test::snappy(text), 300).value(), text);
}

TEST(Snappy, WhatWasCompressedComesBack) {
  std::string counting;
  for (int i = 0; i < 20'000; ++i) counting += "sample " + std::to_string(i * 7919 % 1000) + ";";
  std::string noise(70'000, 0);
  for (uint32_t i = 0, x = 1; i < noise.size(); ++i) noise[i] = static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  const std::string texts[] = {"",
                               "a",
                               "abc",
                               "abcabcabcabcabc",
                               std::string(100'000, 'x'),
                               std::string(61, 'y') + "z",
                               counting,
                               noise,
                               noise + noise,
                               noise.substr(0, 60),
                               noise.substr(0, 61),
                               noise.substr(0, 256),
                               noise.substr(0, 257)};
  for (const std::string& text : texts) {
    const auto back = snappy_decompress(snappy_compress(text), 1 << 20);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, text);
  }
  EXPECT_LT(snappy_compress(counting).size(), counting.size() * 7 / 10);
  EXPECT_LT(snappy_compress(noise).size(), noise.size() + 50);
}

// What a block declares is not allocated because it says so.
TEST(Snappy, LiesAboutTheLength) {
  EXPECT_EQ(code_of("\xff\xff\xff\xff\x0f"
                    "abc"),
            Code::too_large);
  EXPECT_EQ(code_of("\xff\xff\xff\xff\x0f"
                    "abc",
                    SIZE_MAX),
            Code::invalid_argument);
  EXPECT_EQ(code_of("\xff\xff\xff\xff\xff\x7f"), Code::invalid_argument);
  EXPECT_EQ(code_of(""), Code::invalid_argument);
  EXPECT_EQ(code_of("\x05\x08"
                    "abc"),
            Code::invalid_argument);  // ends early
  EXPECT_EQ(code_of("\x02\x08"
                    "abc"),
            Code::invalid_argument);  // more than declared
}

TEST(Snappy, CorruptElements) {
  EXPECT_EQ(code_of("\x05\x10"
                    "abc"),
            Code::invalid_argument);  // literal beyond the end
  EXPECT_EQ(code_of("\x07\x08"
                    "abc\x01\x04"),
            Code::invalid_argument);  // offset before the beginning
  EXPECT_EQ(code_of(std::string_view("\x07\x08"
                                     "abc\x01\0",
                                     7)),
            Code::invalid_argument);  // offset 0
  EXPECT_EQ(code_of("\x07\x08"
                    "abc\x02"),
            Code::invalid_argument);                       // offset cut off
  EXPECT_EQ(code_of("\x07\xf0"), Code::invalid_argument);  // length cut off
}

}  // namespace
}  // namespace hs::wire::prometheus
