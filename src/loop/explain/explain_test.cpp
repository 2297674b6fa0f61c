#include "loop/explain/explain.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "loop/testing/application.h"
#include "stream/stream.h"

namespace hs::loop {
namespace {

using testing::Application;
using testing::Disturbance;

// An application, the stream that reads its telemetry, and detection.
struct World {
  Application application;
  stream::Stream stream;
  Detector detector;
  config::Declarations declarations;
  std::vector<stream::RecentChange> recent;
  UnixNanos now = 0;
  int64_t second = 0;

  explicit World(uint64_t seed) : application({.seed = seed, .services = 7, .requests_per_s = 25}) {}
  std::vector<Turn> step() {
    now = (Application::epoch_s + second + 1) * nanos_per_s;
    for (const testing::Delivery& d : application.run(second)) stream.add(d.batch, d.at, "one");
    ++second;
    const stream::Frame frame = stream.tick(now);
    recent.insert(recent.end(), frame.changes.begin(), frame.changes.end());
    return detector.step(frame, declarations);
  }
  void run(int seconds) {
    for (int i = 0; i < seconds; ++i) step();
  }
  std::vector<Explanation> why() const { return explain(detector, detector.active(), recent, now); }
};

bool is_any(const std::string& entity, const std::vector<std::string>& truth) {
  return std::find(truth.begin(), truth.end(), entity) != truth.end();
}

TEST(Explain, nothing_to_explain_when_healthy) {
  World world(11);
  world.run(100);
  EXPECT_TRUE(world.why().empty());
}

TEST(Explain, a_slow_service_is_blamed_and_not_its_callers) {
  int right = 0, all = 0;
  for (uint64_t seed = 20; seed < 23; ++seed) {
    World world(seed);
    auto c = world.application.draw(Disturbance::service_slow, 120);
    if (!c.visible) continue;
    c.fault.strength = 4;
    world.application.inject(c.fault);
    world.run(120);
    for (int i = 0; i < 40 && world.detector.active().empty(); ++i) world.step();
    world.run(4);
    const auto why = world.why();
    ++all;
    if (why.empty()) continue;  // too few requests pass there
    const auto& most = *std::max_element(
        why.begin(), why.end(), [](const auto& a, const auto& b) { return a.symptoms.size() < b.symptoms.size(); });
    right += is_any(most.causes.front().entity, c.truth);
    EXPECT_GE(most.causes.size(), 20u) << "everything known is a candidate";
    EXPECT_FALSE(most.causes.front().evidence.empty());
  }
  EXPECT_GE(right, all - 1);
}

// front calls shop for one of its two operations, shop asks a database, and the database never answers: nobody tells of
// calls that do not end. The entry is the last that should be blamed.
TEST(Explain, a_hang_is_looked_for_where_the_silence_begins) {
  Detector detector;
  UnixNanos now = 0;
  for (int64_t second = 1'000; second < 1'215; ++second) {
    const bool hangs = second >= 1'200;
    stream::Frame frame{.tick = (second + 2) * nanos_per_s};
    const auto cell = [&](const char* service, const char* operation, uint8_t kind, const char* peer, double n) {
      stream::Cell c{.second = second, .service = service, .operation = operation, .instance = "1", .kind = kind};
      c.peer = peer, c.count = n, c.spans = static_cast<uint32_t>(n);
      for (int i = 0; i < static_cast<int>(n); ++i) c.duration_ms.add(20);
      if (n > 0) frame.cells.push_back(c);
    };
    const double rides = hangs ? 0 : 10;
    cell("front", "ride", 2, "", rides), cell("front", "look", 2, "", 10), cell("front", "match", 3, "shop", rides);
    cell("shop", "match", 2, "", rides), cell("shop", "near", 3, "db", rides);
    if (!hangs) {
      stream::Call call{.second = second, .service = "front", .operation = "ride", .callee = "shop"};
      call.callee_operation = "match", call.traced = true, call.count = call.joined = rides;
      frame.calls.push_back(call);
      call = {.second = second, .service = "shop", .operation = "match", .callee = "db", .callee_operation = "near"};
      call.count = rides;
      frame.calls.push_back(call);
    }
    now = frame.tick;
    detector.step(frame, {});
  }
  ASSERT_FALSE(detector.active().empty());
  for (const Explanation& e : explain(detector, detector.active(), {}, now)) {
    EXPECT_EQ(e.causes.front().entity, "service:shop");
    EXPECT_EQ(e.causes.front().kind, "down");
    EXPECT_TRUE(std::any_of(e.causes.begin(), e.causes.begin() + 2, [](const Cause& c) { return c.peer == "db"; }));
  }
}

TEST(Explain, every_active_symptom_is_in_exactly_one_explanation) {
  World world(31);
  world.run(120);
  const auto slow = world.application.draw(Disturbance::peer_slow, 120);
  const auto errors = world.application.draw(Disturbance::service_errors, 120);
  world.application.inject(slow.fault);
  world.application.inject(errors.fault);
  world.run(20);
  std::vector<std::string> ids;
  for (const Explanation& e : world.why()) {
    ids.insert(ids.end(), e.symptoms.begin(), e.symptoms.end());
    double total = 0;
    for (const Cause& c : e.causes) total += c.probability;
    EXPECT_LE(total, 1 + 1e-9);
    EXPECT_GT(total, 0.9);
  }
  std::vector<std::string> expected;
  for (const Symptom* s : world.detector.active()) expected.push_back(s->id);
  std::sort(ids.begin(), ids.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(ids, expected);
  EXPECT_FALSE(ids.empty());
}

}  // namespace
}  // namespace hs::loop
