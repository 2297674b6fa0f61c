#include "loop/learn/effects.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace hs::loop {
namespace {

constexpr UnixNanos day = 86'400LL * nanos_per_s;
Effect key(std::string knob, std::string to, std::string kind = "slow") {
  return {.knob = std::move(knob), .to = std::move(to), .cause_kind = std::move(kind), .measure = "latency"};
}

TEST(Effects, knows_nothing_at_first) {
  Effect e = Effects().estimate(key("timeout", "lowered"), 0);
  EXPECT_EQ(e.mean, 0);
  EXPECT_EQ(e.n, 0);
  EXPECT_GT(e.deviation, 1);
}

TEST(Effects, learns_from_both_kinds_of_verdict) {
  Effects effects;
  for (int i = 0; i < 5; ++i) effects.observe(key("timeout", "lowered"), true, 1, 0);
  for (int i = 0; i < 5; ++i) effects.observe(key("timeout", "raised"), false, 1, 0);
  EXPECT_GT(effects.estimate(key("timeout", "lowered"), 0).mean, 1);
  EXPECT_LT(effects.estimate(key("timeout", "raised"), 0).mean, -1);
  EXPECT_EQ(effects.estimate(key("pool", "raised"), 0).n, 0);
}

TEST(Effects, other_kinds_of_cause_are_relatives) {
  Effects effects;
  for (int i = 0; i < 4; ++i) effects.observe(key("timeout", "lowered", "slow"), true, 1, 0);
  Effect same = effects.estimate(key("timeout", "lowered", "slow"), 0);
  Effect other = effects.estimate(key("timeout", "lowered", "errors"), 0);
  EXPECT_GT(other.mean, 0);
  EXPECT_LT(other.mean, same.mean);
  EXPECT_DOUBLE_EQ(other.n, 1);
}

TEST(Effects, fades) {
  Effects effects;
  for (int i = 0; i < 8; ++i) effects.observe(key("timeout", "lowered"), true, 1, 0);
  Effect later = effects.estimate(key("timeout", "lowered"), static_cast<UnixNanos>(effect_half_life_days) * day);
  EXPECT_NEAR(later.n, 4, 1e-9);
  EXPECT_GT(later.deviation, effects.estimate(key("timeout", "lowered"), 0).deviation);
}

TEST(Effects, survives_a_restart) {
  Effects effects;
  effects.observe(key("timeout", "lowered"), true, 0.5, 7 * day);
  effects.observe(key("mode", "fast"), false, 1, 8 * day);
  auto again = Effects::restore(nlohmann::json::parse(effects.snapshot().dump()));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->snapshot(), effects.snapshot());
  EXPECT_FALSE(Effects::restore(nlohmann::json::parse(R"([["a","b"]])")));
  EXPECT_FALSE(Effects::restore(nlohmann::json::parse(R"({"a":1})")));
}

TEST(Effects, stays_bounded) {
  Effects effects;
  effects.observe(key("kept", "raised"), true, 1, 0);
  effects.observe(key("kept", "raised"), true, 1, 0);
  for (size_t i = 0; i < effects_max + 10; ++i) effects.observe(key("k" + std::to_string(i), "raised"), true, 1, 0);
  EXPECT_LE(effects.snapshot().size(), effects_max);
  EXPECT_GT(effects.estimate(key("kept", "raised"), 0).n, 1);
}

}  // namespace
}  // namespace hs::loop
