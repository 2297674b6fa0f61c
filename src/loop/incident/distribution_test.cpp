#include "loop/incident/distribution.h"

#include <cmath>

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

std::vector<Duration> of(std::initializer_list<double> seconds) {
  std::vector<Duration> out;
  for (const double s : seconds) out.push_back({s, false});
  return out;
}

TEST(Distribution, QuantilesAreValuesThatHappened) {
  const Distribution d = describe(of({5, 1, 4, 2, 3}));
  EXPECT_EQ(d.n, 5U);
  EXPECT_EQ(d.p50, 3);
  EXPECT_EQ(d.p90, 5);
  EXPECT_EQ(d.max, 5);
  EXPECT_FALSE(d.median_95);  // five values cannot bound a median with 95 %
  EXPECT_FALSE(d.mean);
}

TEST(Distribution, MedianIntervalIsThatOfTheTables) {  // binomial tables: n = 10 -> 2nd and 9th
  const Distribution d = describe(of({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  ASSERT_TRUE(d.median_95);
  EXPECT_EQ(d.median_95->low, 2);
  EXPECT_EQ(d.median_95->high, 9);
}

TEST(Distribution, OpenOnesAreCensoredNotMissing) {
  std::vector<Duration> durations = of({10, 20});
  durations.push_back({100, true});
  durations.push_back({200, true});
  const Distribution d = describe(durations);
  EXPECT_EQ(d.n, 2U);
  EXPECT_EQ(d.censored, 2U);
  ASSERT_TRUE(d.survival_median);
  EXPECT_EQ(*d.survival_median, 20);
  durations.push_back({300, true});
  EXPECT_FALSE(describe(durations).survival_median);  // fewer than half have ended
}

TEST(Distribution, TheMeanComesWithItsInterval) {
  std::vector<Duration> durations;
  for (int i = 0; i < 200; ++i) durations.push_back({std::exp(3 + 1.2 * (i % 20 - 9.5) / 5.8), false});
  const Distribution d = describe(durations);
  ASSERT_TRUE(d.mean && d.mean_95);
  EXPECT_LT(d.mean_95->low, *d.mean);
  EXPECT_GT(d.mean_95->high, *d.mean);
  EXPECT_GT(*d.mean, d.p50);
}

TEST(Distribution, NothingIsNothing) {
  const Distribution d = describe({});
  EXPECT_EQ(d.n, 0U);
  EXPECT_FALSE(d.survival_median);
}

}  // namespace
}  // namespace hs::loop
