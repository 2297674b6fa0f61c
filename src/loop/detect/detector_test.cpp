#include "loop/detect/detector.h"

#include <algorithm>
#include <functional>
#include <iterator>

#include <gtest/gtest.h>

#include "loop/testing/healthy.h"

namespace hs::loop {
namespace {

using testing::Healthy;
using testing::HealthyOptions;

struct Trial {
  Detector detector;
  Healthy system;
  config::Declarations declarations;
  std::vector<Turn> turns;
  explicit Trial(const HealthyOptions& options) : system(options) {}
  void run(int seconds) {
    for (int i = 0; i < seconds; ++i)
      for (Turn& t : detector.step(system.next(), declarations)) turns.push_back(t);
  }
  // Seconds of data until the first symptom of `kind` at `service`; -1: none within `limit`.
  int until(SymptomKind kind, const std::string& service, int limit) {
    for (int s = 1; s <= limit; ++s)
      for (const Turn& t : detector.step(system.next(), declarations))
        if (t.started && t.symptom.kind == kind && t.symptom.service == service) return s;
    return -1;
  }
};

// The false-alarm rate itself is measured by `loop_eval false-alarms` over days (evals/loop/README.md).
TEST(Detector, a_healthy_half_hour_raises_nothing) {
  HealthyOptions options{.seed = 3, .services = 6, .edges = 6, .requests_per_s = 6, .day_s = 1'800};
  options.bursts_per_hour = 0;
  options.surges_per_hour = 8;
  Trial trial(options);
  trial.run(1'800);
  for (const Turn& t : trial.turns) ADD_FAILURE() << t.symptom.evidence;
  EXPECT_GT(trial.detector.watches(), 50u);
}

TEST(Detector, errors_are_noticed_within_seconds_of_the_data) {
  for (const uint64_t seed : {1, 2}) {
    Trial trial(
        {.seed = seed, .services = 4, .edges = 4, .requests_per_s = 10, .bursts_per_hour = 0, .surges_per_hour = 0});
    trial.system.set(4, 30, 25);
    trial.run(200);
    trial.system.disturb(4, 0.10, 1);
    const int delay = trial.until(SymptomKind::errors, trial.system.service_of(4), 60);
    EXPECT_GT(delay, 0);
    EXPECT_LE(delay, 12) << seed;
  }
}

TEST(Detector, tripled_latency_is_noticed_within_seconds_of_the_data) {
  for (const uint64_t seed : {1, 2}) {
    Trial trial({.seed = seed, .services = 4, .edges = 4, .requests_per_s = 10, .surges_per_hour = 0});
    trial.system.set(4, 30, 25);
    trial.run(200);
    trial.system.disturb(4, 0, 3);
    const int delay = trial.until(SymptomKind::latency, trial.system.service_of(4), 60);
    EXPECT_GT(delay, 0);
    EXPECT_LE(delay, 8) << seed;
  }
}

// What an application tells when its services export every `every_s` seconds, each at its own moments.
struct Batched {
  Healthy system;
  int64_t every_s;
  std::vector<stream::Cell> waiting = {};
  stream::Frame next() {
    stream::Frame frame = system.next();
    waiting.insert(waiting.end(), frame.cells.begin(), frame.cells.end());
    frame.cells.clear();
    const auto leaves = [&](const stream::Cell& c) {
      const auto phase = static_cast<int64_t>(std::hash<std::string>{}(c.service) % static_cast<size_t>(every_s));
      return (system.second() + phase) % every_s == 0;
    };
    std::copy_if(waiting.begin(), waiting.end(), std::back_inserter(frame.cells), leaves);
    std::erase_if(waiting, leaves);
    return frame;
  }
};

TEST(Detector, batches_of_ten_seconds_are_no_silence) {
  HealthyOptions options{.seed = 3, .services = 6, .edges = 6, .requests_per_s = 8, .bursts_per_hour = 0};
  options.surges_per_hour = 0;
  for (const int64_t every_s : {5, 10}) {
    Batched late{Healthy(options), every_s};
    Detector detector;
    for (int i = 0; i < 900; ++i)
      for (const Turn& t : detector.step(late.next(), {})) ADD_FAILURE() << every_s << " " << t.symptom.evidence;
  }
}

// As the stream tells of a counter whose metric is exported each minute.
TEST(Detector, a_kpi_that_is_told_each_minute_is_followed_a_minute_later) {
  Detector detector;
  config::Declarations declarations;
  declarations.kpis.push_back({.name = "orders", .source = "metric", .metric = "orders", .target = 60 * 5});
  std::vector<stream::KpiPoint> waiting;
  constexpr int64_t begin = 1'800'000'000, falls = 600, minute = 60;
  int64_t noticed = 0;
  for (int64_t s = 0; s < 900 && noticed == 0; ++s) {
    stream::Frame frame{.tick = (begin + s + 1) * nanos_per_s};
    waiting.push_back({.second = begin + s, .name = "orders", .numerator = s < falls ? 8.0 : 0.5});
    if (s % minute == minute - 1) std::swap(frame.kpis, waiting);
    for (const Turn& t : detector.step(frame, declarations))
      if (t.started) noticed = s;
  }
  EXPECT_GT(noticed, falls) << "what did not come yet is no fall";
  EXPECT_LE(noticed, falls + 2 * minute);
}

TEST(Detector, a_batch_of_ten_seconds_says_as_much_as_ten_frames) {
  Batched late{Healthy({.seed = 1, .services = 4, .edges = 4, .requests_per_s = 10, .bursts_per_hour = 0}), 10};
  late.system.set(4, 30, 25);
  Detector detector;
  for (int i = 0; i < 300; ++i) detector.step(late.next(), {});
  late.system.disturb(4, 0.3, 1);
  int noticed = 0;
  for (int s = 1; s <= 40 && noticed == 0; ++s)
    for (const Turn& t : detector.step(late.next(), {}))
      if (t.started && t.symptom.service == late.system.service_of(4)) noticed = s;
  EXPECT_GT(noticed, 0);
  EXPECT_LE(noticed, 15) << "one batch may be too short, the next is enough";
}

TEST(Detector, a_symptom_ends_when_the_measure_is_back) {
  Trial trial({.seed = 5, .services = 4, .edges = 4, .requests_per_s = 10, .bursts_per_hour = 0, .surges_per_hour = 0});
  trial.system.set(4, 30, 25);
  trial.run(200);
  trial.system.disturb(4, 0.4, 1);
  trial.run(30);
  ASSERT_FALSE(trial.turns.empty());
  const int64_t repaired = trial.system.second();
  trial.system.disturb(-1, 0, 1);
  trial.run(40);
  EXPECT_TRUE(trial.detector.active().empty());
  const Turn& last = trial.turns.back();
  EXPECT_FALSE(last.started);
  EXPECT_NEAR(static_cast<double>(last.symptom.ended / nanos_per_s), static_cast<double>(repaired), 2);
  EXPECT_NEAR(last.symptom.observed, 0.4, 0.12);
}

// The most likely onset of the second lies in the first one, if the half minute between them is short beside it.
TEST(Detector, a_second_departure_does_not_begin_before_the_first_one_ended) {
  Trial trial({.seed = 5, .services = 4, .edges = 4, .requests_per_s = 10, .bursts_per_hour = 0, .surges_per_hour = 0});
  trial.system.set(4, 30, 25);
  trial.run(200);
  trial.system.disturb(4, 0.5, 1);
  trial.run(30);
  trial.system.disturb(-1, 0, 1);
  trial.run(18);
  ASSERT_TRUE(trial.detector.active().empty());
  const int64_t again = trial.system.second();
  trial.turns.clear();
  trial.system.disturb(4, 0.1, 1);
  ASSERT_GT(trial.until(SymptomKind::errors, trial.system.service_of(4), 60), 0);
  for (const Symptom* s : trial.detector.active())
    EXPECT_NEAR(static_cast<double>(s->started / nanos_per_s), static_cast<double>(again), 8) << s->evidence;
}

TEST(Detector, a_declared_objective_is_watched_from_the_first_second) {
  Trial trial({.seed = 6, .services = 4, .edges = 4, .requests_per_s = 10, .error_rate = 0.3});
  config::Objective o;
  o.name = "availability";
  o.service = "s0";
  o.operation = "op0";
  trial.declarations.objectives = {o};
  trial.run(15);
  ASSERT_FALSE(trial.turns.empty());
  EXPECT_EQ(trial.turns[0].symptom.objective, "availability");
}

TEST(Detector, what_was_learned_survives_a_restart) {
  Trial trial({.seed = 5, .services = 4, .edges = 4, .requests_per_s = 10, .bursts_per_hour = 0, .surges_per_hour = 0});
  trial.system.set(4, 30, 25);
  trial.run(300);
  const std::string learned = trial.detector.baselines();
  const int64_t now = trial.system.second();
  Detector knows_nothing;
  EXPECT_FALSE(knows_nothing.restore(learned, now + baselines_age_max_s + 60)) << "too old";
  std::string damaged = learned;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  EXPECT_FALSE(knows_nothing.restore(damaged, now));
  EXPECT_FALSE(knows_nothing.restore(learned.substr(0, learned.size() - 1), now));
  EXPECT_FALSE(knows_nothing.restore("", now));
  EXPECT_TRUE(knows_nothing.history().operations.empty());

  const auto slow_after_restart = [&](std::string_view baselines) {
    Trial after(
        {.seed = 5, .services = 4, .edges = 4, .requests_per_s = 10, .bursts_per_hour = 0, .surges_per_hour = 0});
    after.system.set(4, 30, 25);
    if (!baselines.empty()) EXPECT_TRUE(after.detector.restore(baselines, after.system.second()));
    after.run(15);
    EXPECT_TRUE(after.turns.empty()) << "nothing is wrong yet";
    after.system.disturb(4, 0, 4);
    return after.until(SymptomKind::latency, after.system.service_of(4), 15);
  };
  EXPECT_GT(slow_after_restart(learned), 0);
  EXPECT_LE(slow_after_restart(""), 0) << "without them there is nothing to depart from";
}

TEST(Detector, what_was_sick_is_not_learned_as_usual) {
  Trial trial({.seed = 8, .services = 4, .edges = 4, .requests_per_s = 10, .bursts_per_hour = 0, .surges_per_hour = 0});
  trial.system.set(4, 30, 25);
  trial.run(200);
  trial.system.disturb(4, 0.3, 1);
  trial.run(300);
  EXPECT_EQ(trial.detector.active().size(), 2u) << "the operation and its service, still";
}

}  // namespace
}  // namespace hs::loop
