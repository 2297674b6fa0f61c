#include "stream/sketch.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace hs::stream {
namespace {

double exact(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))];
}

TEST(Sketch, quantiles_stay_within_one_percent) {
  std::mt19937_64 random(7);
  for (const double sigma : {0.1, 1.0, 3.0}) {
    std::lognormal_distribution<double> draw(3, sigma);
    std::vector<double> values(20'000);
    Sketch sketch;
    for (double& v : values) sketch.add(v = draw(random));
    std::sort(values.begin(), values.end());
    for (const double q : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999})
      EXPECT_NEAR(sketch.quantile(q) / exact(values, q), 1.0, 0.0125) << sigma << " " << q;
  }
}

TEST(Sketch, merging_equals_adding) {
  Sketch a, b, both;
  for (int i = 1; i <= 1000; ++i) {
    (i % 3 == 0 ? a : b).add(i * 1.7, 2);
    both.add(i * 1.7, 2);
  }
  a.merge(b);
  EXPECT_EQ(a.buckets(), both.buckets());
  EXPECT_DOUBLE_EQ(a.count(), 2000);
  EXPECT_NEAR(a.sum(), both.sum(), 1e-6);
}

TEST(Sketch, counts_at_most_a_limit) {
  Sketch sketch;
  for (int i = 1; i <= 1000; ++i) sketch.add(i);
  EXPECT_NEAR(sketch.count_at_most(300), 300, 4);
  EXPECT_EQ(sketch.count_at_most(0.5), 0);
  EXPECT_EQ(sketch.count_at_most(2000), 1000);
}

TEST(Sketch, zeros_and_nonsense_are_harmless) {
  Sketch sketch;
  EXPECT_EQ(sketch.quantile(0.5), 0);
  sketch.add(0);
  sketch.add(-5);
  sketch.add(std::nan(""));
  sketch.add(3, -1);
  sketch.add(1e308);
  EXPECT_EQ(sketch.count(), 3);
  EXPECT_EQ(sketch.quantile(0.5), 0);
  EXPECT_GT(sketch.quantile(1), 1e290);
}

TEST(Sketch, never_exceeds_its_buckets) {
  Sketch sketch;
  for (double v = 1e-5; v < 1e30; v *= 1.005) sketch.add(v);
  EXPECT_LE(sketch.buckets().size(), Sketch::buckets_max);
  EXPECT_GT(sketch.quantile(1), 9e29);
}

TEST(Sketch, is_rebuilt_from_its_record) {
  Sketch sketch;
  for (int i = 0; i < 50; ++i) sketch.add(i);
  const Sketch again = Sketch::from(sketch.buckets(), sketch.zeros(), sketch.sum());
  EXPECT_EQ(again.quantile(0.9), sketch.quantile(0.9));
  EXPECT_EQ(again.count(), sketch.count());
}

}  // namespace
}  // namespace hs::stream
