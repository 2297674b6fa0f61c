#include "loop/verify/goal.h"

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

stream::Outcome answer(double ms) { return {.service = "shop", .operation = "buy", .entry = true, .duration_ms = ms}; }

Incident slow(std::string objective) {
  Symptom s{.id = "s", .kind = SymptomKind::latency, .service = "shop", .operation = "buy"};
  s.objective = std::move(objective), s.baseline = 0.01, s.observed = 0.4, s.limit_ms = 80;
  Incident incident;
  incident.symptoms = {s};
  return incident;
}

TEST(Goal, a_learned_latency_counts_what_the_detector_counts) {
  Goal goal = goal_of(slow(""), {}, {});
  EXPECT_EQ(goal.judge(answer(79)), 0);
  EXPECT_EQ(goal.judge(answer(81)), 1);
  EXPECT_EQ(goal.measure, "latency");
  EXPECT_GE(goal.healthy, 0.01);
  EXPECT_LT(goal.healthy, 0.4);
}

TEST(Goal, a_declared_latency_counts_what_was_declared) {
  config::Declarations d;
  d.objectives.push_back({.name = "fast", .service = "shop", .operation = "buy"});
  d.objectives[0].kind = config::ObjectiveKind::latency, d.objectives[0].threshold_ms = 200;
  Goal goal = goal_of(slow("fast"), d, {});
  EXPECT_EQ(goal.judge(answer(199)), 0);
  EXPECT_EQ(goal.judge(answer(201)), 1);
}

}  // namespace
}  // namespace hs::loop
