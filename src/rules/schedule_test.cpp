#include "rules/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rules/state.h"

namespace hs::rules {
namespace {

constexpr int64_t interval = 15'000, minute = 60'000;

Group group() {
  GroupSpec spec;
  spec.file = "f", spec.name = "g", spec.interval_ms = interval;
  return {spec, {}};
}

TEST(Schedule, ANewGroupWaitsForItsSlotAndDoesNotDrift) {
  const Group g = group();
  const int64_t now = g.slot_before(1'790'000'000'000) + 4'000;
  int64_t skipped = -1, missed = -1;
  Schedule s = Schedule::start(g, 0, now, 10 * minute, skipped);
  EXPECT_EQ(s.next_ms, now + 11'000);
  EXPECT_FALSE(s.due(now));
  for (int i = 1; i <= 100; ++i) {  // each evaluated 300 ms late
    EXPECT_EQ(s.take(s.next_ms + 300, interval, missed), now - 4'000 + i * interval);
    EXPECT_EQ(missed, 0);
  }
}

TEST(Schedule, WhatWasMissedIsCountedNotRepeated) {
  const Group g = group();
  const int64_t slot = g.slot_before(1'790'000'000'000);
  Schedule s{.next_ms = slot, .catch_up_until_ms = 0};
  int64_t missed = 0;
  EXPECT_EQ(s.take(slot + 3 * interval + 1, interval, missed), slot + 3 * interval);
  EXPECT_EQ(missed, 3);
  EXPECT_EQ(s.next_ms, slot + 4 * interval);
}

TEST(Schedule, ARestartCatchesUpWithinItsBound) {
  const Group g = group();
  const int64_t last = g.slot_before(1'790'000'000'000), now = last + 5 * interval + 2'000;
  int64_t skipped = -1, missed = -1;
  Schedule s = Schedule::start(g, last, now, 10 * minute, skipped);
  EXPECT_EQ(skipped, 0);
  for (int i = 1; i <= 5; ++i) {
    EXPECT_TRUE(s.due(now));
    EXPECT_EQ(s.take(now, interval, missed), last + i * interval);
    EXPECT_EQ(missed, 0);
  }
  EXPECT_FALSE(s.due(now));
  s = Schedule::start(g, last, now, 2 * interval, skipped);  // only the last two
  EXPECT_EQ(s.next_ms, last + 4 * interval);
  EXPECT_EQ(skipped, 3 * interval);
  s = Schedule::start(g, last, now, 0, skipped);
  EXPECT_EQ(s.next_ms, last + 6 * interval);
  s = Schedule::start(g, now + minute, now, 10 * minute, skipped);  // the clock went back
  EXPECT_EQ(s.next_ms, last + 6 * interval);
}

TEST(State, IsReadBackAsItWas) {
  Alert alert;
  alert.labels = promql::Labels::from({{"alertname", "A"}, {"job", "\x01\"x"}});
  alert.annotations = {{"summary", "s"}};
  alert.state = AlertState::firing;
  alert.value = NAN;
  alert.active_at_ms = 5, alert.fired_at_ms = 6, alert.keep_firing_since_ms = 7, alert.last_sent_ms = 8;
  Memories before;
  before[{"f", "g"}].evaluated_ms = 42;
  before[{"f", "g"}].alerts["A,\"x\"=\"y\""] = {alert};
  const auto after = decode_state(encode_state(before));
  ASSERT_TRUE(after);
  const Group::Memory& memory = after->at({"f", "g"});
  EXPECT_EQ(memory.evaluated_ms, 42);
  const Alert& one = memory.alerts.at("A,\"x\"=\"y\"").at(0);
  EXPECT_EQ(one.labels, alert.labels);
  EXPECT_EQ(one.annotations, alert.annotations);
  EXPECT_EQ(one.state, AlertState::firing);
  EXPECT_TRUE(std::isnan(one.value));
  EXPECT_EQ(one.keep_firing_since_ms, 7);
  EXPECT_FALSE(decode_state("{}"));
  EXPECT_FALSE(decode_state("no json"));
}

}  // namespace
}  // namespace hs::rules
