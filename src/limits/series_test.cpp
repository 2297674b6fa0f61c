#include "limits/series.h"

#include <gtest/gtest.h>

#include "limits/gate.h"
#include "model/rows.h"

namespace hs::limits {
namespace {

struct World {
  io::SimClock clock{UnixNanos{1'700'000'000'000'000'000}};
  Policy policy;
  Gate gate{clock, policy, [](std::string_view credential) { return credential == "own"; }};
  ingest::Incoming last;

  void configure() { gate.set_policy(policy); }
  // Points of series `first` to `first + count` of a metric; how many were taken?
  uint64_t send(const std::string& tenant, const std::string& metric, uint64_t first, uint64_t count,
                std::string* why = nullptr, const std::string& credential = "") {
    model::Batch batch;
    batch.signal = model::Signal::metrics;
    batch.resources.push_back({.id = 1, .service = "shop"});
    batch.scopes.emplace_back();
    batch.points.metrics.push_back({.name = batch.arena.copy(metric)});
    for (uint64_t i = first; i < first + count; ++i) push(batch, std::to_string(i));
    last = {};
    last.tenant = tenant;
    last.credential = credential;
    gate.settle(last, batch);
    if (why != nullptr) *why = batch.rejected_why;
    EXPECT_EQ(batch.points.size() + batch.rejected, count);
    return batch.points.size();
  }
  static void push(model::Batch& batch, const std::string& user) {
    model::Points& p = batch.points;
    p.metric.push_back(0);
    p.time.push_back(1);
    p.start_time.push_back(0);
    p.flags.push_back(0);
    p.value.push_back(1);
    p.int_value.push_back(0);
    p.is_int.push_back(0);
    p.distribution.push_back(model::Points::no_distribution);
    p.attributes.push({"user", batch.arena.copy(user)});
    p.attributes.push({"region", "eu"});
    p.attributes.end_row();
  }
  CensusPage page(const std::string& tenant, CensusAsk ask = {}) { return gate.census(tenant, ask); }
  void pass(int64_t minutes) { clock.advance(minutes * 60 * nanos_per_s); }
};

TEST(ActiveSeries, ThoseThatAreActiveGoOnWhenThereIsNoRoom) {
  World w;
  w.policy.each.active_series = 100;
  w.configure();
  EXPECT_EQ(w.send("a", "m", 0, 60), 60U);
  std::string why;
  EXPECT_EQ(w.send("a", "n", 0, 60, &why), 40U);
  EXPECT_EQ(why,
            "20 data points of new series rejected: tenant 'a' has 100 active series, as many as it may "
            "(limits.active_series); the first is of 'n'");
  EXPECT_EQ(w.last.refused.size(), 8U);
  EXPECT_EQ(w.send("a", "m", 0, 60), 60U);
  EXPECT_EQ(w.send("b", "m", 0, 60), 60U);
  EXPECT_EQ(w.send("a", "x", 0, 5, nullptr, "own"), 5U);  // what rules make is not refused for what others send
}

TEST(ActiveSeries, OneBadLabelDoesNotTakeTheRoomOfAll) {
  World w;
  w.policy.each = {.active_series = 1000, .series_per_metric = 50};
  w.configure();
  std::string why;
  EXPECT_EQ(w.send("a", "bomb", 0, 100'000, &why), 50U);
  EXPECT_NE(why.find("99950 data points of new series rejected: metric 'bomb' has 50 active series, as many as one may "
                     "(limits.series_per_metric)"),
            why.npos)
      << why;
  EXPECT_EQ(w.send("a", "other", 0, 40), 40U);
}

TEST(ActiveSeries, WhatEndsMakesRoom) {
  World w;
  w.policy.each.active_series = 10;
  w.policy.total_active_series = 15;
  w.configure();
  EXPECT_EQ(w.send("a", "m", 0, 10), 10U);
  w.pass(59);
  EXPECT_EQ(w.send("a", "m", 5, 10), 5U);  // five go on
  w.pass(2);
  EXPECT_EQ(w.send("a", "m", 10, 5), 5U);  // the first five have ended
  EXPECT_EQ(w.send("b", "m", 0, 10), 5U);
  w.pass(61);
  EXPECT_EQ(w.send("b", "m", 20, 10), 10U);  // nobody holds anything any more
  EXPECT_EQ(w.page("b").series_of_all, 10U);
  w.pass(65536);  // minutes come round
  EXPECT_EQ(w.send("b", "m", 40, 10), 10U);
}

TEST(ActiveSeries, ABombOfAMillionStaysSmall) {
  World w;
  w.policy.each.active_series = 1000;
  w.configure();
  EXPECT_EQ(w.send("steady", "requests", 0, 200), 200U);
  uint64_t taken = 0;
  for (uint64_t i = 0; i < 100; ++i) taken += w.send("noisy", "bomb", i * 10'000, 10'000);
  for (uint64_t i = 0; i < 1000; ++i) taken += w.send("noisy", "bomb_" + std::to_string(i), 0, 10);  // names, too
  EXPECT_EQ(taken, 1000U);
  EXPECT_EQ(w.send("steady", "requests", 0, 200), 200U);
  const CensusPage page = w.page("noisy");
  EXPECT_EQ(page.series, 1000U);
  EXPECT_EQ(page.rows[0].refused_points, 999'000U);
}

TEST(Census, TellsWhichMetricWhichLabelWhichService) {
  World w;
  w.policy.each.active_series = 5000;
  w.configure();
  w.send("a", "wide", 0, 4000);
  w.send("a", "narrow", 0, 10);
  const CensusPage metrics = w.page("a");
  ASSERT_EQ(metrics.rows.size(), 2U);
  EXPECT_EQ(metrics.rows[0].name, "wide");
  EXPECT_EQ(metrics.rows[0].series, 4000U);
  EXPECT_EQ(metrics.rows[0].labels[0].first, "user");
  EXPECT_NEAR(static_cast<double>(metrics.rows[0].labels[0].second), 4000, 600);
  EXPECT_EQ(metrics.rows[0].labels[1], (std::pair<std::string, uint64_t>("region", 1)));
  const CensusPage labels = w.page("a", {.by = CensusAsk::By::label, .metric = "narrow"});
  EXPECT_EQ(labels.rows[0].values, 10U);
  EXPECT_EQ(w.page("a", {.by = CensusAsk::By::service}).rows[0].name, "shop");
  const CensusPage first = w.page("a", {.limit = 1});
  EXPECT_TRUE(first.more);
  EXPECT_EQ(w.page("a", {.offset = 1, .limit = 1}).rows[0].name, "narrow");
  EXPECT_TRUE(w.page("nobody").rows.empty());
}

TEST(Census, GrowthIsOfTheLastHourAndValuesThatEndAreForgotten) {
  World w;
  w.send("a", "m", 0, 30);
  w.pass(50);
  w.send("a", "m", 0, 40);
  EXPECT_EQ(w.page("a").rows[0].new_last_hour, 40U);
  w.pass(30);
  w.send("a", "m", 0, 40);
  EXPECT_EQ(w.page("a").rows[0].new_last_hour, 10U);
  for (int hour = 0; hour < 3; ++hour) {
    w.pass(60);
    w.send("a", "m", 0, 5);
  }
  const CensusPage page = w.page("a");
  EXPECT_EQ(page.series, 5U);
  EXPECT_EQ(page.rows[0].labels[0].second, 5U);
}

TEST(Sketch, IsCloseAtAnySize) {
  for (const uint64_t n : {1UL, 64UL, 65UL, 500UL, 5'000UL, 200'000UL}) {
    Sketch a, b;
    for (uint64_t i = 0; i < n; ++i) (i % 2 == 0 ? a : b).add(i), a.add(i % 7 % n);
    a.merge(b);
    EXPECT_NEAR(a.estimate(), static_cast<double>(n), n <= 64 ? 0 : static_cast<double>(n) * 0.15) << n;
  }
}

TEST(RemovePoints, KeepsWhatBelongsTogether) {
  model::Batch batch;
  for (int i = 0; i < 20; ++i) World::push(batch, std::to_string(i));
  model::Points& p = batch.points;
  for (const uint32_t point : {0U, 3U, 3U, 12U}) {
    p.exemplars.point.push_back(point);
    p.exemplars.time.push_back(point);
    p.exemplars.value.push_back(0);
    p.exemplars.int_value.push_back(0);
    p.exemplars.is_int.push_back(0);
    p.exemplars.trace_id.emplace_back();
    p.exemplars.span_id.push_back(0);
    p.exemplars.attributes.end_row();
  }
  model::remove_points(p, std::string("\x07\x01", 2));  // points 0, 1, 2 and 8
  ASSERT_EQ(p.size(), 16U);
  EXPECT_EQ(p.attributes.begin(0)->value, "3");
  EXPECT_EQ(p.attributes.begin(5)->value, "9");
  EXPECT_EQ(p.attributes.rows(), 16U);
  EXPECT_EQ(p.exemplars.point, (std::vector<uint32_t>{0, 0, 8}));
  EXPECT_EQ(p.exemplars.time, (std::vector<UnixNanos>{3, 3, 12}));
}

}  // namespace
}  // namespace hs::limits
