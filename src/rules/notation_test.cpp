#include "rules/notation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hs::rules {
namespace {

TEST(Notation, InfiniteValuesMayHaveASign) {
  const auto values = parse_values("Inf +Inf -Inf NaN 1-Infx1 _ stale");
  ASSERT_TRUE(values) << values.error().message;
  ASSERT_EQ(values->size(), 8U);
  EXPECT_EQ((*values)[0].f, HUGE_VAL);
  EXPECT_EQ((*values)[1].f, HUGE_VAL);
  EXPECT_EQ((*values)[2].f, -HUGE_VAL);
  EXPECT_TRUE(std::isnan((*values)[3].f));
  EXPECT_EQ((*values)[4].f, 1);
  EXPECT_EQ((*values)[5].f, -HUGE_VAL);
  EXPECT_TRUE((*values)[6].missing);
  EXPECT_FALSE(parse_values("+NaN"));
  EXPECT_FALSE(parse_values("--Inf"));
}

}  // namespace
}  // namespace hs::rules
