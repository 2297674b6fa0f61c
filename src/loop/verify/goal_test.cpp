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

// A gateway whose page is slow, above a service that is unusually slow.
struct Above {
  Past history;
  config::Declarations declarations;
  Incident incident = slow("");
  explicit Above(double page_ms) {
    incident.started = 990 * nanos_per_s;
    declarations.objectives = {{.name = "page", .service = "gate", .operation = "page", .target = 0.9},
                               {.name = "other", .service = "gate", .operation = "other", .target = 0.9}};
    for (auto& o : declarations.objectives) o.kind = config::ObjectiveKind::latency, o.threshold_ms = 300;
    for (int64_t second = 991; second < 1000; ++second) {
      stream::Frame frame{.tick = (second + 1) * nanos_per_s};
      frame.calls = {{.second = second, .service = "gate", .operation = "page", .callee = "shop"}};
      for (const char* operation : {"page", "other"}) {
        stream::Cell cell{.second = second, .service = "gate", .operation = operation, .count = 20};
        for (int i = 0; i < 20; ++i) cell.duration_ms.add(page_ms);
        frame.cells.push_back(cell);
      }
      history.add(frame);
    }
  }
};

TEST(Goal, a_missed_objective_above_comes_first) {
  Above above(900);
  Goal goal = goal_of(above.incident, above.declarations, above.history);
  EXPECT_TRUE(goal.owed);
  ASSERT_EQ(goal.requests.size(), 1U);  // the other operation never comes to the shop
  EXPECT_EQ(goal.requests.begin()->first, std::pair(std::string("gate"), std::string("page")));
  EXPECT_EQ(goal.requests.begin()->second.slow_ms, 300);
}

// Two faults at once: orders fail in the shop, and pages are slow elsewhere. A cure of the failures leaves them slow.
TEST(Goal, what_fails_is_measured_by_failures_where_those_are_owed) {
  Above above(900);
  above.incident.symptoms[0].kind = SymptomKind::errors;
  Goal goal = goal_of(above.incident, above.declarations, above.history);
  EXPECT_EQ(goal.measure, "latency") << "no other promise is broken";
  above.declarations.objectives.push_back({.name = "works", .service = "gate", .operation = "page"});
  stream::Frame frame{.tick = 1'000 * nanos_per_s};
  for (int64_t second = 993; second < 1'000; ++second)
    frame.cells.push_back({.second = second, .service = "gate", .operation = "page", .count = 10, .errors = 10});
  above.history.add(frame);
  goal = goal_of(above.incident, above.declarations, above.history);
  EXPECT_EQ(goal.measure, "errors");
  ASSERT_EQ(goal.requests.size(), 1U);
  EXPECT_EQ(goal.requests.begin()->second.slow_ms, 0);
}

// 15 % of a dozen requests a second: no six seconds of it say much, a quarter of a minute does.
TEST(Goal, a_promise_that_is_missed_by_a_little_is_missed) {
  for (const double failed : {0.0, 1.0, 2.0}) {
    Past history;
    for (int64_t second = 985; second < 1'000; ++second) {
      stream::Frame frame{.tick = (second + 1) * nanos_per_s};
      frame.calls = {{.second = second, .service = "gate", .operation = "page", .callee = "shop"}};
      const double bad = second % 3 == 0 || failed > 1 ? failed : 0;
      frame.cells = {{.second = second, .service = "gate", .operation = "page", .count = 12, .errors = bad}};
      history.add(frame);
    }
    config::Declarations declarations;
    declarations.objectives = {{.name = "works", .service = "gate", .operation = "page", .target = 0.97}};
    Incident incident = slow("");
    incident.symptoms[0].kind = SymptomKind::errors, incident.started = 985 * nanos_per_s;
    EXPECT_EQ(goal_of(incident, declarations, history).owed, failed > 1) << failed;
  }
}

// A doubling of load makes a fifth of the pages slow where a tenth may be.
TEST(Goal, a_little_slow_for_a_while_is_not_missed) {
  Past history;
  for (int64_t second = 975; second < 1'000; ++second) {
    stream::Frame frame{.tick = (second + 1) * nanos_per_s};
    frame.calls = {{.second = second, .service = "gate", .operation = "page", .callee = "shop"}};
    stream::Cell cell{.second = second, .service = "gate", .operation = "page", .count = 40};
    for (int i = 0; i < 40; ++i) cell.duration_ms.add(i < 10 ? 400 : 100);
    frame.cells = {cell};
    history.add(frame);
  }
  config::Declarations declarations;
  config::Objective fast{.name = "fast", .service = "gate", .operation = "page"};
  fast.kind = config::ObjectiveKind::latency, fast.target = 0.9, fast.threshold_ms = 250;
  declarations.objectives = {fast};
  Incident incident = slow("");
  incident.started = 975 * nanos_per_s;
  EXPECT_FALSE(goal_of(incident, declarations, history).owed);
}

// Calls that depart concern those who make them, not everybody who comes to the caller.
TEST(Goal, of_calls_that_depart_only_requests_that_make_them_are_counted) {
  Above above(900);
  above.incident.symptoms[0].service = "gate", above.incident.symptoms[0].operation = "";
  above.incident.symptoms[0].peer = "shop";
  Goal goal = goal_of(above.incident, above.declarations, above.history);
  ASSERT_EQ(goal.requests.size(), 1U);
  EXPECT_EQ(goal.requests.begin()->first.second, "page");
}

TEST(Goal, an_attack_is_measured_by_what_it_does_to_customers) {
  for (double page_ms : {900.0, 20.0}) {
    Above above(page_ms);
    above.incident.security = true, above.incident.symptoms[0].kind = SymptomKind::security;
    Goal goal = goal_of(above.incident, above.declarations, above.history);
    EXPECT_EQ(goal.measure, "security");
    EXPECT_EQ(goal.series.empty(), page_ms > 300) << page_ms;  // nobody suffers: the attack itself is to become less
  }
}

TEST(Goal, what_is_only_unusual_is_not_owed) {
  Above above(20);
  Goal goal = goal_of(above.incident, above.declarations, above.history);
  EXPECT_FALSE(goal.owed);
  EXPECT_EQ(goal.requests.begin()->first.first, "shop");
}

TEST(Goal, who_is_turned_away_is_not_served_unless_it_is_an_attack) {
  Past history;
  stream::Frame frame{.tick = 1'000 * nanos_per_s};
  frame.cells = {{.second = 998, .service = "shop", .operation = "login", .count = 40, .limited = 30}};
  history.add(frame);
  Incident incident;
  incident.symptoms = {{.id = "s", .kind = SymptomKind::latency, .service = "shop", .operation = "login"}};
  const auto share = [&] {
    const Goal goal = goal_of(incident, {}, history);
    return history.total({.service = "shop", .operation = "login"}, goal.requests.begin()->second, 990, 1'000).bad;
  };
  EXPECT_EQ(share(), 30);
  stream::Outcome o{.service = "shop", .operation = "login", .limited = true};
  EXPECT_EQ(goal_of(incident, {}, history).judge(o), 1);
  config::Declarations declared;
  declared.objectives = {{.name = "fast", .service = "shop", .operation = "login", .threshold_ms = 1}};
  declared.objectives[0].kind = config::ObjectiveKind::latency;
  for (int i = 0; i < 40; ++i) frame.cells[0].duration_ms.add(5);
  history.add(frame);
  incident.security = true;
  const Goal attacked = goal_of(incident, declared, history);
  ASSERT_FALSE(attacked.requests.empty());
  EXPECT_FALSE(attacked.requests.begin()->second.limited);
}

}  // namespace
}  // namespace hs::loop
