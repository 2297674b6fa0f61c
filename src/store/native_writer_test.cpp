#include "store/native_writer.h"

#include <array>

#include <gtest/gtest.h>

#include "store/result.h"

namespace hs::store {
namespace {

std::vector<ResultBlock> read(std::string_view bytes, size_t piece) {
  NativeReader reader;
  std::vector<ResultBlock> blocks;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const Status fed = reader.feed(bytes.substr(at, piece), blocks);
    EXPECT_TRUE(fed) << fed.error().message;
  }
  EXPECT_TRUE(reader.finish(blocks));
  return blocks;
}

TEST(Words, FindsWordsOfAllLengths) {
  Words words;
  std::vector<std::string> texts;
  for (size_t size = 0; size < 200; ++size) {
    texts.emplace_back(size, 'x');
    for (const size_t at : {size_t{0}, size / 2, size - 1}) {
      if (size < 3) continue;
      texts.emplace_back(size, 'x');
      texts.back()[at] = 'y';
    }
  }
  std::vector<uint32_t> first;
  for (const std::string& t : texts) first.push_back(words.index(t));
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(words.index(texts[i]), first[i]);
    EXPECT_EQ(words.all()[first[i]], texts[i]);
  }
}

TEST(EqualText, IsExact) {
  for (size_t size = 0; size < 70; ++size) {
    const std::string a(size, 'q');
    EXPECT_TRUE(equal_text(a, std::string(size, 'q')));
    EXPECT_FALSE(equal_text(a, std::string(size + 1, 'q')));
    for (size_t at = 0; at < size; ++at) {
      std::string b = a;
      b[at] = 'r';
      EXPECT_FALSE(equal_text(a, b)) << size << " " << at;
    }
  }
}

TEST(Native, WhatIsWrittenIsReadInPiecesOfAnySize) {
  constexpr size_t rows = 300;
  NativeBlock block(rows);
  block.fixed<uint64_t>("u", "UInt64", [](size_t i) { return i * 1'000'000'007; });
  block.fixed<int32_t>("i", "Int32", [](size_t i) { return -static_cast<int32_t>(i); });
  block.fixed<double>("f", "Float64", [](size_t i) { return static_cast<double>(i) / 3; });
  std::vector<std::string> texts;
  for (size_t i = 0; i < rows; ++i) texts.emplace_back(i, static_cast<char>('a' + i % 26));
  block.text("t", [&](size_t i) { return std::string_view(texts[i]); });
  block.low_cardinality("w", [&](size_t i) { return std::string_view(texts[i % 280]); });  // two-byte indices
  const std::string bytes = block.finish();
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}, bytes.size()}) {
    const std::vector<ResultBlock> blocks = read(bytes, piece);
    ASSERT_EQ(blocks.size(), 1U);
    ASSERT_EQ(blocks[0].rows, rows);
    for (size_t i = 0; i < rows; ++i) {
      EXPECT_EQ(blocks[0].find("u")->u64(i), i * 1'000'000'007);
      EXPECT_EQ(blocks[0].find("i")->i64(i), -static_cast<int64_t>(i));
      EXPECT_EQ(blocks[0].find("f")->f64(i), static_cast<double>(i) / 3);
      EXPECT_EQ(blocks[0].find("t")->text(i), texts[i]);
      EXPECT_EQ(blocks[0].find("w")->text(i), texts[i % 280]);
    }
  }
  EXPECT_EQ(read(bytes + bytes, 1000).size(), 2U);
}

TEST(Native, OnlyWhatIsWantedIsRead) {
  NativeBlock block(3);
  block.fixed<uint64_t>("a", "UInt64", [](size_t i) { return i; });
  block.low_cardinality("w", [](size_t) { return "word"; });
  block.text("t", [](size_t) { return "text"; });
  block.fixed<uint32_t>("b", "UInt32", [](size_t i) { return static_cast<uint32_t>(10 * i); });
  const std::string bytes = block.finish();
  constexpr std::array<std::string_view, 2> wanted = {"b", "none"};
  const auto some = read_native(bytes, wanted);
  ASSERT_TRUE(some);
  EXPECT_EQ(some->columns.size(), 1U);
  EXPECT_EQ(some->find("b")->u64(2), 20U);
  EXPECT_EQ(read_native(bytes)->columns.size(), 4U);
  EXPECT_FALSE(read_native(bytes.substr(0, bytes.size() - 1), wanted));
  EXPECT_FALSE(read_native(bytes + "x", wanted));
}

TEST(Native, NothingThatIsDamagedCrashesTheReader) {
  NativeBlock block(20);
  block.text("t", [](size_t) { return "some text"; });
  block.low_cardinality("w", [](size_t i) { return i % 2 == 0 ? "a" : "b"; });
  const std::string good = block.finish();
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int change : {1, 128, 255}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ change);
      NativeReader reader(1 << 20);
      std::vector<ResultBlock> blocks;
      if (reader.feed(bad, blocks)) (void)reader.finish(blocks);
    }
    NativeReader cut_off;
    std::vector<ResultBlock> blocks;
    EXPECT_TRUE(cut_off.feed(good.substr(0, at), blocks));
    EXPECT_EQ(cut_off.finish(blocks).has_value(), at == 0);
  }
}

TEST(Native, UnknownTypesAreNamed) {
  NativeBlock block(1);
  block.column("x", "Variant(String, UInt64)");
  NativeReader reader;
  std::vector<ResultBlock> blocks;
  const Status refused = reader.feed(block.finish(), blocks);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("Variant"), std::string::npos);
}

}  // namespace
}  // namespace hs::store
