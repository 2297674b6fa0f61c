#include "promql/store/packed.h"

#include <bit>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace hs::promql::store {
namespace {

std::vector<FloatPoint> all(const Packed& packed) {
  std::vector<FloatPoint> out;
  packed.read(INT64_MIN, INT64_MAX, out);
  return out;
}

void expect_same(const std::vector<FloatPoint>& given, const std::vector<FloatPoint>& got) {
  ASSERT_EQ(given.size(), got.size());
  for (size_t i = 0; i < given.size(); ++i) {
    EXPECT_EQ(given[i].t_ms, got[i].t_ms);
    EXPECT_EQ(std::bit_cast<uint64_t>(given[i].v), std::bit_cast<uint64_t>(got[i].v)) << given[i].v;
  }
}

TEST(Packed, HoldsEveryBitPattern) {
  const double values[] = {0.0,
                           -0.0,
                           1,
                           -1,
                           0.1,
                           1e300,
                           5e-324,
                           HUGE_VAL,
                           -HUGE_VAL,
                           NAN,
                           stale_marker(),
                           2e15,
                           -2e15,
                           1 << 20,
                           3.25,
                           9007199254740992.0,
                           -9007199254740992.0,
                           9007199254740994.0};
  std::vector<FloatPoint> given;
  Packed packed;
  int64_t t = 1'700'000'000'000;
  for (const double a : values) {
    for (const double b : values) {
      for (const double v : {a, b}) {
        given.push_back({t, v});
        packed.add(t, v);
        t += 15'000;
      }
    }
  }
  expect_same(given, all(packed));
}

// What is read back from a disk is not believed.
TEST(Packed, BytesThatNobodyPackedAreRefused) {
  std::vector<FloatPoint> out;
  Packed packed;
  for (int i = 0; i < 100; ++i) packed.add(1'700'000'000'000 + i * 15'000, i * 0.1);
  const PackedView whole = packed.view();
  EXPECT_TRUE(unpack(whole, INT64_MIN, INT64_MAX, out));
  for (size_t size = 0; size < whole.bytes.size(); ++size)
    EXPECT_FALSE(unpack({whole.bytes.substr(0, size), whole.samples, whole.first_ms}, INT64_MIN, INT64_MAX, out));
  EXPECT_FALSE(unpack({whole.bytes, whole.samples + 1, whole.first_ms}, INT64_MIN, INT64_MAX, out));
  EXPECT_FALSE(unpack({whole.bytes, whole.samples - 1, whole.first_ms}, INT64_MIN, INT64_MAX, out));
  std::mt19937_64 random(1);
  for (int n = 0; n < 20'000; ++n) {  // no sanitizer finds anything here
    std::string bytes(1 + random() % 60, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    out.clear();
    unpack({bytes, static_cast<uint32_t>(random() % 40), static_cast<int64_t>(random())}, INT64_MIN, INT64_MAX, out);
    EXPECT_LE(out.size(), 40U);
  }
}

TEST(Packed, HoldsRandomTimesAndValues) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<FloatPoint> given;
    Packed packed;
    auto t = static_cast<int64_t>(random() >> 20);
    for (int i = 0; i < 150; ++i) {
      const auto bits = random();
      given.push_back({t, bits % 3 == 0 ? static_cast<double>(static_cast<int64_t>(bits) >> (bits % 60))
                                        : std::bit_cast<double>(bits << (bits % 64))});
      packed.add(t, given.back().v);
      t += 1 + static_cast<int64_t>(random() >> (20 + random() % 44));
    }
    expect_same(given, all(packed));
    EXPECT_EQ(given.front().t_ms, packed.first_ms());
    EXPECT_EQ(given.back().t_ms, packed.last_ms());
  }
}

TEST(Packed, ReadsAWindow) {
  Packed packed;
  for (int64_t t = 0; t < 100; ++t) packed.add(1000 * t, static_cast<double>(t));
  std::vector<FloatPoint> out;
  packed.read(10'000, 20'000, out);
  ASSERT_EQ(11u, out.size());
  EXPECT_EQ(10, out.front().v);
  EXPECT_EQ(20, out.back().v);
}

TEST(Packed, ACounterIsSmall) {
  Packed packed;
  for (int64_t t = 0; t < 1000; ++t) packed.add(15'000 * t, static_cast<double>(40 * t + t % 7));
  packed.shrink();
  EXPECT_LE(packed.memory_bytes(), 2200u);
}

}  // namespace
}  // namespace hs::promql::store
