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

  void next() {
    with_s = treated ? with_s + 1 : 0;
    const double bad = second < onset_s ? 0 : !treated ? 0.6 : with_s < 6 ? 0.5 : 0;
    stream::Cell cell{.second = begin_s + second, .service = "shop", .operation = "buy"};
    cell.count = 40, cell.spans = 40, cell.errors = 40 * bad;
    for (int i = 0; i < 40; ++i) cell.duration_ms.add(10);
    stream::Frame frame{.tick = (begin_s + second + 1) * nanos_per_s};
    frame.cells = {cell};
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
  Ramp ramp(shop.goal, {}, shop.now(), shop.history, shop.declarations);
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

}  // namespace
}  // namespace hs::loop
