#include "stream/sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace hs::stream {
namespace {

TEST(Sketch, QuantilesStayWithinOnePercentAndMerge) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latency(3, 1.2);
  std::vector<double> values;
  Sketch halves[2];
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(latency(random));
    halves[i % 2].add(values.back());
  }
  halves[0].merge(halves[1]);
  std::sort(values.begin(), values.end());
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = values[static_cast<size_t>(q * 20'000) - 1];
    EXPECT_NEAR(halves[0].quantile(q), exact, exact * 0.0101) << q;
  }
  EXPECT_DOUBLE_EQ(halves[0].count(), 20'000);
}

TEST(Sketch, ZerosWeightsAndEmptiness) {
  Sketch s;
  EXPECT_EQ(s.quantile(0.5), 0);
  s.add(0, 3);
  s.add(100, 1);
  EXPECT_EQ(s.quantile(0.5), 0);
  EXPECT_NEAR(s.quantile(1), 100, 1);
  EXPECT_DOUBLE_EQ(s.count_at_most(50), 3);
  const Sketch copy = Sketch::from(s.buckets(), s.zeros(), s.sum());
  EXPECT_DOUBLE_EQ(copy.count(), s.count());
  EXPECT_DOUBLE_EQ(copy.quantile(1), s.quantile(1));
}

}  // namespace
}  // namespace hs::stream
