// What a detector that starts with another's memory knows, and what it is silent about.

#include <gtest/gtest.h>

#include "loop/detect/detector.h"

namespace hs::loop {
namespace {

constexpr int64_t t0 = 1'800'000'000;

config::Declarations declared(double target = 0.99) {
  config::Declarations d;
  config::Objective o;
  o.name = "buys succeed", o.service = "shop", o.operation = "buy", o.target = target;
  d.objectives = {o};
  config::Kpi paid;
  paid.name = "paid", paid.kind = config::KpiKind::ratio;
  d.kpis = {paid};
  return d;
}

struct Second {
  double errors = 0, unpaid = 0, denied = 0, warnings = 0, subjects = 0;
};

// A shop with 30 buys a second of 10 to 12 ms, 30 payments, and some warnings.
stream::Frame frame(int64_t second, const Second& is) {
  stream::Frame out;
  out.tick = (t0 + second + 1) * nanos_per_s;
  stream::Cell cell{.second = t0 + second, .service = "shop", .operation = "buy", .instance = "1"};
  cell.count = cell.spans = 30;
  cell.errors = cell.own_errors = is.errors;
  cell.denied = is.denied;
  for (int i = 0; i < 30; ++i) cell.duration_ms.add(10 + i % 3);
  out.cells.push_back(cell);
  out.kpis.push_back({.second = t0 + second, .name = "paid", .numerator = 30 - is.unpaid, .denominator = 30});
  out.logs.push_back({.second = t0 + second, .service = "shop", .severity = 13, .count = is.warnings});
  out.logs.back().subjects = static_cast<uint64_t>(is.subjects);
  return out;
}

std::vector<Turn> run(Detector& detector, const config::Declarations& d, int64_t from, int64_t to, const Second& is) {
  std::vector<Turn> turns;
  for (int64_t s = from; s < to; ++s)
    for (Turn& t : detector.step(frame(s, is), d)) turns.push_back(std::move(t));
  return turns;
}

double burned_in_an_hour(const Detector& detector, const std::string& objective) {
  for (const Detector::Burning& b : detector.burning())
    if (b.objective == objective) return b.last_1h;
  return -1;
}

TEST(Restart, error_budgets_go_on_burning_where_they_were) {
  const auto d = declared();
  Detector before, after, much_later;
  run(before, d, 0, 1'200, {.errors = 0.2, .unpaid = 0.1});
  const double burned = burned_in_an_hour(before, "buys succeed"), paid = burned_in_an_hour(before, "paid");
  ASSERT_GT(burned, 0);
  ASSERT_GT(paid, 0);
  ASSERT_TRUE(after.restore(before.baselines(), t0 + 1'260));
  run(after, d, 1'260, 1'262, {});
  EXPECT_NEAR(burned_in_an_hour(after, "buys succeed"), burned, 0.02 * burned);
  EXPECT_NEAR(burned_in_an_hour(after, "paid"), paid, 0.02 * paid);
  // Of another hour of the day, what is usual is not used; a budget has a month.
  EXPECT_FALSE(much_later.restore(before.baselines(), t0 + 2 * 3'600));
  run(much_later, d, 2 * 3'600, 2 * 3'600 + 2, {});
  EXPECT_TRUE(much_later.history().operations.at({"shop", "buy"}).usual.seconds < 60);
  for (const Detector::Burning& b : much_later.burning())
    if (b.objective == "buys succeed") {
      EXPECT_EQ(b.last_1h, 0);
      EXPECT_GT(b.last_6h, 0.9 * burned);
    }
}

TEST(Restart, a_new_target_forgets_no_budget_and_another_limit_does) {
  Detector detector;
  run(detector, declared(0.99), 0, 600, {.errors = 0.3});
  const double burned = burned_in_an_hour(detector, "buys succeed");
  run(detector, declared(0.95), 600, 602, {});
  EXPECT_NEAR(burned_in_an_hour(detector, "buys succeed"), burned / 5, 0.05 * burned);
}

TEST(Restart, what_is_usual_for_a_kpi_is_known) {
  const auto d = declared();
  Detector before, after;
  run(before, d, 0, 400, {.unpaid = 0.06});
  ASSERT_TRUE(after.restore(before.baselines(), t0 + 405));
  run(after, d, 405, 410, {.unpaid = 0.06});
  const std::vector<Turn> turns = run(after, d, 410, 425, {.unpaid = 15});
  ASSERT_EQ(turns.size(), 1U);
  EXPECT_NEAR(turns[0].symptom.baseline, 0.06 / 30, 0.0005) << "not the share that the team allows";
}

TEST(Restart, an_attack_is_measured_against_the_warnings_of_before) {
  const Second usual{.denied = 1, .warnings = 40, .subjects = 40};
  const Second more{.denied = 12, .warnings = 60, .subjects = 60};  // of denials, but hardly of warnings
  Detector before, after;
  run(before, {}, 0, 400, usual);
  ASSERT_TRUE(after.restore(before.baselines(), t0 + 405));
  for (const Turn& t : run(after, {}, 405, 440, more)) EXPECT_NE(t.symptom.kind, SymptomKind::security);
}

TEST(Restart, what_a_repair_may_cost_is_not_told_again) {
  const auto d = declared(0.5);
  Detector before, after;
  run(before, d, 0, 400, {});
  run(before, d, 400, 420, {.errors = 9});
  ASSERT_EQ(before.active().size(), 2U);  // of the operation, and of its service
  for (const Symptom* s : before.active()) before.accept(s->id, (t0 + 420) * nanos_per_s);
  run(before, d, 420, 422, {.errors = 9});
  ASSERT_TRUE(before.active().empty());
  ASSERT_TRUE(after.restore(before.baselines(), t0 + 430));
  EXPECT_TRUE(run(after, d, 430, 460, {.errors = 9}).empty()) << "it is silent until the measure is back";
  EXPECT_TRUE(run(after, d, 460, 500, {}).empty());
  EXPECT_FALSE(run(after, d, 500, 520, {.errors = 9}).empty()) << "and then no longer";
}

TEST(Restart, what_was_learned_is_saved_again_by_one_that_saw_nothing) {
  const auto d = declared();
  Detector before, idle, after;
  run(before, d, 0, 1'200, {.errors = 0.2});
  const double burned = burned_in_an_hour(before, "buys succeed");
  ASSERT_TRUE(idle.restore(before.baselines(), t0 + 1'210));
  stream::Frame nothing;
  nothing.tick = (t0 + 1'211) * nanos_per_s;
  idle.step(nothing, d);
  ASSERT_TRUE(after.restore(idle.baselines(), t0 + 1'220));
  run(after, d, 1'220, 1'222, {});
  EXPECT_NEAR(burned_in_an_hour(after, "buys succeed"), burned, 0.02 * burned);
}

}  // namespace
}  // namespace hs::loop
