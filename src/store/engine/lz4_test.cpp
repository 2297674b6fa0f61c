#include "store/engine/lz4.h"

#include <gtest/gtest.h>
#include <lz4frame.h>

namespace {

std::string compress(const std::string& text) {
  std::string out(LZ4F_compressFrameBound(text.size(), nullptr), '\0');
  out.resize(LZ4F_compressFrame(out.data(), out.size(), text.data(), text.size(), nullptr));
  return out;
}

}  // namespace

TEST(Lz4, ReadsBackWhatWasCompressed) {
  const std::string text(1'000'000, 'x');
  EXPECT_EQ(hs::store::lz4_decompress(compress(text), text.size()).value(), text);
  EXPECT_EQ(hs::store::lz4_decompress(compress("a") + compress("b"), 2).value(), "ab");
}

TEST(Lz4, RefusesBombsAndDamage) {
  const std::string frame = compress(std::string(1'000'000, 'x'));
  EXPECT_EQ(hs::store::lz4_decompress(frame, 999'999).error().code, hs::Code::too_large);
  EXPECT_EQ(hs::store::lz4_decompress(frame.substr(0, frame.size() / 2), 1 << 24).error().code,
            hs::Code::invalid_argument);
  EXPECT_EQ(hs::store::lz4_decompress("garbage garbage", 100).error().code, hs::Code::invalid_argument);
}
