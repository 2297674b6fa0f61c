#include "loop/verify/ramp.h"

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

constexpr int64_t begin_s = 1'000'000, onset_s = 60, change_s = 75;

// Requests of one operation, second by second: 60 % are bad without the change, and slowly fewer with it.
struct Shop {
  Past history;
  config::Declarations declarations;
  Goal goal;
  int second = 0;
  int with_s = 0;  // for so many seconds everybody has had the change
  bool treated = false;
  double kpi = 30;  // orders in the next second, if it reports any
  int kpi_every_s = 1;

  void next() {
    with_s = treated ? with_s + 1 : 0;
    const double bad = second < onset_s ? 0 : !treated ? 0.6 : with_s < 6 ? 0.5 : 0;
    stream::Cell cell{.second = begin_s + second, .service = "shop", .operation = "buy"};
    cell.count = 40, cell.spans = 40, cell.errors = 40 * bad;
    for (int i = 0; i < 40; ++i) cell.duration_ms.add(10);
    stream::Frame frame{.tick = (begin_s + second + 1) * nanos_per_s};
    frame.cells = {cell};
    if (second % kpi_every_s == 0)
      frame.kpis = {{.second = begin_s + second, .name = "orders", .numerator = kpi * kpi_every_s}};
    history.add(frame);
    ++second;
  }
  UnixNanos now() const { return (begin_s + second) * nanos_per_s; }
};

TEST(Ramp, a_slow_fall_passes_when_the_incident_came_back_without_the_change) {
  Shop shop;
  while (shop.second < change_s) shop.next();
  shop.goal.requests[{"shop", "buy"}] = Bad{};
  shop.goal.started = (begin_s + onset_s) * nanos_per_s;
  Ramp ramp(shop.goal, {}, shop.now(), shop.history, {}, shop.declarations);
  ramp.on(shop.now());
  shop.treated = true;
  int switches = 0;
  while (shop.second < 180) {
    shop.next();
    const auto step = ramp.step(shop.history, {}, shop.now());
    if (step.ask != Ramp::Ask::nothing) ++switches;
    if (step.ask == Ramp::Ask::off) ramp.off(shop.now()), shop.treated = false;
    if (step.ask == Ramp::Ask::on) ramp.on(shop.now()), shop.treated = true;
    if (!step.verdict) continue;
    EXPECT_EQ(step.verdict->kind, VerdictKind::pass) << step.verdict->why;
    EXPECT_EQ(step.verdict->evidence, Evidence::switchback);
    EXPECT_EQ(switches, 2);
    return;
  }
  FAIL() << "no verdict";
}

// The verdict on a change that does nothing, made two seconds after the onset, as the orders fall with the requests.
std::optional<Verdict> verdict_while_orders_fall(Shop& shop, double orders_ill, int kpi_every_s = 1) {
  shop.kpi_every_s = kpi_every_s;
  shop.declarations.kpis.push_back({.name = "orders"});
  while (shop.second < onset_s + 2) shop.next();
  shop.goal.requests[{"shop", "buy"}] = Bad{};
  shop.goal.started = (begin_s + onset_s) * nanos_per_s;
  Ramp ramp(shop.goal, {}, shop.now(), shop.history, {}, shop.declarations);
  ramp.on(shop.now());
  shop.kpi = orders_ill;
  while (shop.second < 180) {
    shop.next();
    const auto step = ramp.step(shop.history, {}, shop.now());
    if (step.verdict) return step.verdict;
  }
  return std::nullopt;
}

TEST(Ramp, a_kpi_that_falls_with_the_incident_is_no_harm_of_the_change) {
  Shop shop;
  const auto verdict = verdict_while_orders_fall(shop, 12);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, VerdictKind::inconclusive) << verdict->why;
}

TEST(Ramp, a_kpi_that_falls_more_than_the_incident_makes_it_is_harm) {
  Shop shop;
  const auto verdict = verdict_while_orders_fall(shop, 0);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, VerdictKind::fail) << verdict->why;
}

TEST(Ramp, a_kpi_that_comes_in_lumps_is_no_guard) {
  Shop shop;
  const auto verdict = verdict_while_orders_fall(shop, 0, 10);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, VerdictKind::inconclusive) << verdict->why;
}

}  // namespace
}  // namespace hs::loop
