#include "sim/statistics.h"

#include <gtest/gtest.h>

namespace hs::sim {
namespace {

// Tables of Garwood (1936) and of the binomial distribution.
TEST(Statistics, a_rate_has_its_exact_interval) {
  EXPECT_NEAR(rate_interval(0, 1).second, 3.6889, 1e-3);
  EXPECT_EQ(rate_interval(0, 1).first, 0);
  EXPECT_NEAR(rate_interval(1, 1).first, 0.0253, 1e-3);
  EXPECT_NEAR(rate_interval(1, 1).second, 5.5716, 1e-3);
  EXPECT_NEAR(rate_interval(10, 2).first, 4.7954 / 2, 1e-3);
  EXPECT_NEAR(rate_interval(10, 2).second, 18.3904 / 2, 1e-3);
}

TEST(Statistics, rare_events) {
  EXPECT_NEAR(at_least(1, 10, 0.1), 0.6513, 1e-3);
  EXPECT_NEAR(at_least(5, 10, 0.5), 0.6230, 1e-3);
  EXPECT_NEAR(at_least(0, 10, 0.5), 1, 1e-9);
}

TEST(Statistics, quantiles) {
  EXPECT_EQ(quantile({}, 0.5), 0);
  EXPECT_EQ(quantile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(quantile({3, 1, 2}, 0.95), 3);
}

}  // namespace
}  // namespace hs::sim
