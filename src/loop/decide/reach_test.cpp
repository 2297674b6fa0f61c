#include "loop/decide/reach.h"

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

constexpr int64_t onset = 1090, now = 1110;

config::Knob about(std::string key, std::string dependency = "") {
  return {.key = std::move(key), .services = {"shop"}, .dependency = std::move(dependency)};
}

struct Reach : testing::Test {
  Reach() { goal.requests[{"shop", "buy"}] = {}, goal.started = onset * nanos_per_s; }

  // Two of twenty requests fail each second since the onset; all read `first`, those that succeed also `second`.
  void fail_a_little() {
    for (int64_t s = 1000; s < now; ++s) {
      stream::Frame frame{.tick = (s + 1) * nanos_per_s};
      const int failed = s < onset ? 0 : 2;
      frame.cells = {{.second = s,
                      .service = "shop",
                      .operation = "buy",
                      .kind = 2,
                      .count = 20,
                      .errors = static_cast<double>(failed)}};
      for (int i = 0; i < 20; ++i) {
        stream::Outcome o{.second = s, .knob = "first", .service = "shop", .operation = "buy", .entry = true};
        o.error = i < failed;
        frame.outcomes.push_back(o);
        o.knob = "second";
        if (!o.error) frame.outcomes.push_back(o);
      }
      history.add(frame);
    }
  }

  // 20 calls of the database a second; since the onset so many, and so slow.
  void call(double count, double errors, double ms) {
    for (int64_t s = 1000; s < now; ++s) {
      stream::Cell cell{.second = s, .service = "shop", .operation = "query", .kind = 3, .peer = "db:5432"};
      cell.count = s < onset ? 20 : count, cell.errors = s < onset ? 0 : errors;
      for (int i = 0; i < static_cast<int>(cell.count); ++i) cell.duration_ms.add(s < onset ? 10 : ms);
      stream::Frame frame{.tick = (s + 1) * nanos_per_s};
      frame.cells = {std::move(cell)};
      history.add(frame);
    }
  }

  Goal goal;
  Past history;
};

TEST_F(Reach, few_failures_tell_in_a_longer_time_where_they_happen) {
  fail_a_little();
  EXPECT_FALSE(fail_before(goal, history, about("first")));
  EXPECT_TRUE(fail_before(goal, history, about("second")));
  goal.started = (now - 6) * nanos_per_s;  // hardly anything is known of it yet
  EXPECT_FALSE(fail_before(goal, history, about("second")));
}

TEST_F(Reach, a_dependency_that_answers_as_ever_is_well) {
  call(20, 0, 10);
  EXPECT_TRUE(is_about_a_well_one(goal, history, about("way-around", "db")));
  EXPECT_FALSE(is_about_a_well_one(goal, history, about("other", "cache")));
  EXPECT_FALSE(is_about_a_well_one(goal, history, about("own")));
}

TEST_F(Reach, a_dependency_that_departs_is_not_well) {
  call(20, 0, 40);
  EXPECT_FALSE(is_about_a_well_one(goal, history, about("way-around", "db"))) << "slow";
  history = {}, call(20, 4, 10);
  EXPECT_FALSE(is_about_a_well_one(goal, history, about("way-around", "db"))) << "it fails";
  history = {}, call(10, 0, 10);
  EXPECT_FALSE(is_about_a_well_one(goal, history, about("way-around", "db"))) << "some calls do not end";
}

}  // namespace
}  // namespace hs::loop
