#include "model/sampling.h"

#include <array>

#include <gtest/gtest.h>

namespace hs::model {
namespace {

TEST(Sampling, ThresholdsAndProbabilities) {
  EXPECT_EQ(threshold_for(1), 0U);
  EXPECT_EQ(threshold_for(2), 0U);
  EXPECT_EQ(threshold_for(0.25), 0xc0000000000000U);
  EXPECT_DOUBLE_EQ(probability_of(threshold_for(0.125)), 0.125);
  EXPECT_NEAR(probability_of(threshold_for(0)), 1e-4, 1e-12) << "what is kept must not stand for infinity";
}

TEST(Sampling, ReadsWhatATracestateSays) {
  EXPECT_EQ(stated_threshold("a=b, ot=rv:00000000000001;th:c ,x=y"), 0xc0000000000000U);
  EXPECT_EQ(stated_randomness("a=b, ot=rv:00000000000001;th:c ,x=y"), 1U);
  EXPECT_EQ(stated_randomness("ot=rv:1"), std::nullopt) << "randomness has all its digits";
  for (const char* bad : {"", "ot=", "ot=th:", "ot=th:xyz", "ot=th:123456789012345", "other=th:c"})
    EXPECT_EQ(stated_threshold(bad), std::nullopt) << bad;
}

TEST(Sampling, WritesAThreshold) {
  constexpr uint64_t half = threshold_end / 2, quarter = threshold_end / 4 * 3;
  EXPECT_EQ(with_threshold("", half), "ot=th:8");
  EXPECT_EQ(with_threshold("a=b,c=d", half), "ot=th:8,a=b,c=d");
  EXPECT_EQ(with_threshold("a=b, ot=rv:00000000000001;th:8;p:3", quarter), "ot=th:c;rv:00000000000001;p:3,a=b");
  EXPECT_EQ(with_threshold("ot=th:c", half), "ot=th:c") << "it stands for as many already";
  EXPECT_EQ(stated_threshold(with_threshold("ot=rv:ffffffffffffff", quarter)), quarter);
}

TEST(Sampling, Kept) {
  EXPECT_TRUE(Kept{}.has(7));
  EXPECT_EQ(Kept{}.threshold(7), 0U);
  const std::array<uint8_t, 3> codes = {Kept::dropped, Kept::whole, Kept::first_threshold};
  const std::array<uint64_t, 1> thresholds = {5};
  const Kept kept{codes, thresholds};
  EXPECT_FALSE(kept.has(0));
  EXPECT_TRUE(kept.has(1) && kept.has(2));
  EXPECT_EQ(kept.threshold(1), 0U);
  EXPECT_EQ(kept.threshold(2), 5U);
}

}  // namespace
}  // namespace hs::model
