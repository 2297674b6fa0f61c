#include "loop/verify/guards.h"

#include <random>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "loop/verify/canary.h"

namespace hs::loop {
namespace {

constexpr int64_t begin_s = 1'000'000, onset_s = 60, change_s = 80;
constexpr UnixNanos t0 = begin_s * nanos_per_s;

bool says(const std::optional<std::string>& what, const std::string& part) {
  return what && what->find(part) != std::string::npos;
}

// ---- arm against arm ----

// A change that repairs `buy`, and what it does to `sell`.
struct Arms2 {
  double sell_treated = 0.01, sell_control = 0.01, buy_treated = 0.01, buy_control = 0.3;
  bool limited = false, security = false;
  double regular = 0;  // share of the requests of `sell` that are of regulars
  int64_t sell_ms = 10;
  config::Declarations declarations;
  std::mt19937_64 random{11};

  stream::Outcome request(int second, bool sell) {
    std::uniform_real_distribution<> uniform;
    stream::Outcome o{.second = begin_s + second, .trace = random(), .unit = random() % 400, .knob = "k"};
    o.revision = 7, o.service = "shop", o.operation = sell ? "sell" : "buy", o.entry = true;
    o.started = o.second * nanos_per_s;
    const bool treated = o.unit % 10 < 4;
    o.variant = treated ? "candidate" : "base";
    const double share = sell ? (treated ? sell_treated : sell_control) : treated ? buy_treated : buy_control;
    const bool bad = uniform(random) < share;
    (limited && sell ? o.limited : o.error) = bad;
    o.regular = uniform(random) < regular;
    o.duration_ms = treated && sell ? static_cast<double>(sell_ms) : 10;
    return o;
  }
  Verdict run(int seconds = 45) {
    Goal goal;
    goal.requests[{"shop", "buy"}] = Bad{};
    ArmsSetup setup{.knob = "k", .revision = 7, .exposure = 0.4, .start = t0};
    setup.bad = [goal](const stream::Outcome& o, Aspect m) {
      return m == Aspect::objective ? goal.judge(o) : m == errors_guard ? o.error : -1;
    };
    Canary canary(setup, {.trusting = true}, 0.01);
    canary.guard(declarations, security);
    for (int s = 0; s < seconds; ++s) {
      stream::Frame f{.tick = t0 + (s + 1) * nanos_per_s};
      for (int i = 0; i < 20; ++i) f.outcomes.push_back(request(s, false));
      for (int i = 0; i < 10; ++i) f.outcomes.push_back(request(s, true));
      canary.add(f);
      if (auto v = canary.judge(f.tick)) return *v;
    }
    return {.why = "never"};
  }
};

config::Objective selling(config::ObjectiveKind kind = config::ObjectiveKind::availability) {
  return {.name = "selling", .service = "shop", .operation = "sell", .kind = kind, .target = 0.97, .threshold_ms = 200};
}

TEST(ArmGuards, what_repairs_its_goal_and_breaks_another_objective_fails_and_names_it) {
  Arms2 world{.sell_treated = 0.5};
  EXPECT_EQ(Arms2(world).run().kind, VerdictKind::pass);  // nobody declared it: the errors of all became fewer
  world.declarations.objectives = {selling()};
  const Verdict v = world.run();
  EXPECT_EQ(v.kind, VerdictKind::fail);
  EXPECT_TRUE(says(v.why, "objective selling got worse")) << v.why;
}

TEST(ArmGuards, what_becomes_slow_counts_for_an_objective_of_latency) {
  Arms2 world{.sell_ms = 400};
  world.declarations.objectives = {selling(config::ObjectiveKind::latency)};
  EXPECT_TRUE(says(world.run().why, "objective selling got worse"));
}

TEST(ArmGuards, an_objective_that_is_missed_in_both_arms_is_no_harm) {
  Arms2 world{.sell_treated = 0.3, .sell_control = 0.3};
  world.declarations.objectives = {selling()};
  EXPECT_EQ(world.run().kind, VerdictKind::pass);
}

TEST(ArmGuards, customers_who_are_turned_away_count_unless_they_may_be_attackers) {
  Arms2 world{.sell_treated = 0.5, .limited = true};
  world.declarations.objectives = {selling()};
  EXPECT_EQ(Arms2(world).run().kind, VerdictKind::fail);
  world.security = true;
  EXPECT_EQ(Arms2(world).run().kind, VerdictKind::pass);
  world.regular = 0.5;  // of those who are turned away, half are known to be customers
  EXPECT_EQ(world.run().kind, VerdictKind::fail);
}

// However many objectives are declared, they fail a change that does nothing with a chance of alpha_fail at most.
TEST(ArmGuards, many_of_them_share_one_error_budget) {
  int failed = 0;
  constexpr int runs = 40;
  for (unsigned seed = 1; seed <= runs; ++seed) {
    Arms2 world{.sell_treated = 0.1, .sell_control = 0.1, .buy_treated = 0.1, .buy_control = 0.1};
    world.random.seed(seed);
    for (int i = 0; i < 12; ++i) {
      world.declarations.objectives.push_back(selling());
      if (i % 2 == 0) world.declarations.objectives.back().operation = "buy";
    }
    failed += world.run(25).kind == VerdictKind::fail;
  }
  EXPECT_LE(failed, 3);
}

// ---- against their own state ----

struct Shop {
  Past history;
  config::Declarations declarations;
  Goal goal;
  int second = 0;
  double buy_bad = 0.6, sell_bad = 0, orders = 30, of_orders = 30, slow_ms = 50;
  double slowest_ms = 0;                // of one value in 30
  double regular = 0, turned_away = 0;  // of `sell`, a second

  stream::Cell cell(const char* operation, double n, double bad) const {
    stream::Cell c{.second = begin_s + second, .service = "shop", .operation = operation};
    c.count = n, c.spans = static_cast<uint32_t>(n), c.errors = n * bad;
    for (int i = 0; i < static_cast<int>(n); ++i) c.duration_ms.add(10);
    return c;
  }
  void next() {
    stream::Frame f{.tick = (begin_s + second + 1) * nanos_per_s};
    f.cells = {cell("buy", 40, second < onset_s ? 0 : buy_bad), cell("sell", 20, sell_bad)};
    f.cells[1].regular = regular, f.cells[1].regular_limited = f.cells[1].limited = turned_away;
    stream::KpiPoint kpi{.second = begin_s + second, .name = "k", .numerator = orders, .denominator = of_orders};
    for (int i = 0; i < 30; ++i) kpi.values.add(i == 0 ? std::max(slow_ms, slowest_ms) : slow_ms);
    f.kpis = {kpi};
    history.add(f);
    ++second;
  }
  UnixNanos now() const { return (begin_s + second) * nanos_per_s; }
  StateGuards begin(int at = change_s) {
    goal.requests[{"shop", "buy"}] = Bad{};
    goal.started = (begin_s + onset_s) * nanos_per_s;
    while (second < at) next();
    return StateGuards(goal, now(), history, {}, declarations);
  }
  std::optional<std::string> after(const StateGuards& guards, int seconds = 15, bool repaired = false) {
    const int from = second;
    for (int i = 0; i < seconds; ++i) {
      next();
      if (auto why = guards.harm(goal, history, {}, {begin_s + from + 1, history.last_second(), repaired})) return why;
    }
    return std::nullopt;
  }
};

TEST(StateGuards, an_objective_that_was_met_and_is_missed_since_is_harm) {
  Shop shop;
  shop.declarations.objectives = {selling()};
  const StateGuards guards = shop.begin();
  shop.buy_bad = 0, shop.sell_bad = 0.2;
  const auto why = shop.after(guards);
  EXPECT_TRUE(says(why, "objective selling is missed since the change")) << why.value_or("");
}

TEST(StateGuards, what_was_missed_before_or_belongs_to_the_incident_is_no_guard) {
  Shop shop;
  shop.declarations.objectives = {selling()};
  shop.sell_bad = 0.2;
  const StateGuards guards = shop.begin();
  shop.buy_bad = 0;
  EXPECT_FALSE(shop.after(guards));
  Shop other;
  other.declarations.objectives = {selling()}, other.goal.ill = {"selling"};
  const StateGuards none = other.begin();
  other.buy_bad = 0, other.sell_bad = 0.2;
  EXPECT_FALSE(other.after(none));
}

TEST(StateGuards, an_incident_that_still_grows_is_not_the_changes_doing) {
  Shop shop;
  shop.declarations.objectives = {selling()};
  shop.buy_bad = 0.2;
  const StateGuards guards = shop.begin(onset_s + 3);
  shop.buy_bad = 0.8, shop.sell_bad = 0.2;
  EXPECT_FALSE(shop.after(guards));
}

TEST(StateGuards, customers_whom_a_limit_turns_away_are_harm_in_an_attack) {
  Shop shop;
  shop.declarations.objectives = {selling()};
  shop.goal.measure = "security", shop.regular = 10;
  const StateGuards guards = shop.begin();
  shop.buy_bad = 0, shop.turned_away = 2;
  const auto why = shop.after(guards);
  EXPECT_TRUE(says(why, "are turned away")) << why.value_or("");
}

TEST(StateGuards, attackers_whom_a_limit_turns_away_are_none) {
  Shop shop;
  shop.declarations.objectives = {selling()};
  shop.goal.measure = "security", shop.regular = 10;
  const StateGuards guards = shop.begin();
  for (shop.buy_bad = 0; shop.second < change_s + 15; shop.next()) {
  }
  EXPECT_FALSE(shop.after(guards));
}

TEST(StateGuards, a_ratio_below_its_target_is_harm_only_when_it_met_it_before) {
  const config::Kpi ratio{.name = "k", .kind = config::KpiKind::ratio, .target = 0.95};
  Shop shop;
  shop.declarations.kpis = {ratio};
  const StateGuards guards = shop.begin();
  shop.buy_bad = 0, shop.orders = 24;
  EXPECT_TRUE(says(shop.after(guards), "KPI k"));
  Shop ill;
  ill.declarations.kpis = {ratio}, ill.orders = 24;
  const StateGuards none = ill.begin();
  ill.buy_bad = 0;
  EXPECT_FALSE(ill.after(none));
}

TEST(StateGuards, a_ratio_falls_with_the_incident_and_that_is_no_harm) {
  Shop shop;
  shop.declarations.kpis = {{.name = "k", .kind = config::KpiKind::ratio, .target = 0.95}};
  const StateGuards guards = shop.begin(onset_s + 2);
  shop.orders = 13;  // as the requests that fail
  EXPECT_FALSE(shop.after(guards));
}

TEST(StateGuards, a_quantile_beyond_its_limit_is_harm) {
  for (const bool has_target : {true, false}) {
    Shop shop;
    config::Kpi kpi{.name = "k", .kind = config::KpiKind::quantile, .direction = config::KpiDirection::lower_is_better};
    if (has_target) kpi.target = 100;
    shop.declarations.kpis = {kpi};
    const StateGuards guards = shop.begin();
    shop.buy_bad = 0, shop.slow_ms = 70, shop.slowest_ms = 900;  // the quantile is 70
    EXPECT_FALSE(shop.after(guards)) << has_target;
    shop.slow_ms = 200;
    EXPECT_TRUE(says(shop.after(guards), "KPI k")) << has_target;
  }
}

// Half of ten a second is more than ten seconds of an incident can tell of; the minute before it can.
TEST(StateGuards, a_counter_that_stays_low_when_the_incident_is_over_is_harm) {
  for (const double events : {10.0, 5.0}) {
    Shop shop;
    shop.declarations.kpis = {{.name = "k"}};
    shop.orders = 10;
    while (shop.second < onset_s) shop.next();
    shop.orders = 4;  // as the requests that fail
    const StateGuards guards = shop.begin();
    shop.buy_bad = 0, shop.orders = events;
    const auto why = shop.after(guards, 50, true);
    EXPECT_EQ(why.has_value(), events < 10) << why.value_or("");
  }
}

TEST(StateGuards, are_the_same_after_a_restart) {
  Shop shop;
  shop.declarations.objectives = {selling()};
  shop.declarations.kpis = {{.name = "k", .kind = config::KpiKind::ratio, .target = 0.95}};
  const StateGuards guards = shop.begin();
  const auto saved = guards.snapshot();
  const StateGuards again = StateGuards::restore(saved, shop.declarations);
  EXPECT_EQ(again.snapshot(), saved);
  EXPECT_EQ(StateGuards::restore(saved, {}).snapshot()["objectives"].size(), 0u);
  shop.buy_bad = 0, shop.sell_bad = 0.3;
  EXPECT_TRUE(shop.after(again));
}

}  // namespace
}  // namespace hs::loop
