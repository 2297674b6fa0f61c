#include "loop/machine/trial.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hs::loop {
namespace {

constexpr int64_t begin_s = 1'000'000;

// One trial of a knob of instance scope, on three instances of which 40 % of the requests fail.
struct World {
  explicit World(config::KnobEffect effect) {
    knob.effect = effect;
    goal.requests[{"shop", "buy"}] = {}, goal.started = (begin_s + 30) * nanos_per_s;
    for (; second < 40; ++second) past.add(frame());
    trial.emplace(knob, Change{.id = "chg-1", .knob = "k", .from = false, .to = true}, goal,
                  effect == config::KnobEffect::shared, Policy{});
    trial->first_on(plan_instances(knob, goal, past));
    take(trial->begin(view()));
  }
  View view() {
    return {.history = &past, .declarations = &declarations, .latest = &latest, .now = now(), .new_id = [] {
              return std::string("chg-2");
            }};
  }
  UnixNanos now() const { return (begin_s + second) * nanos_per_s; }
  bool has(int instance) const {
    return current && (current->instance.empty() || current->instance == fmt::format("shop-{}", instance));
  }
  stream::Frame frame() {
    stream::Frame f{.tick = now() + nanos_per_s};
    for (int i = 1; i <= 3; ++i) {
      stream::Cell c{.second = begin_s + second, .service = "shop", .operation = "buy"};
      c.instance = fmt::format("shop-{}", i), c.count = 15;
      c.errors = second < 30 ? 0 : has(i) ? 15 * bad_with : 6;
      c.duration_ms.add(20, c.count);
      for (int n = 0; n < 15; ++n) {
        stream::Outcome o{.second = c.second, .trace = ++traces, .knob = "k", .by_instance = true};
        o.service = "shop", o.operation = "buy", o.instance = o.reader = c.instance, o.started = now() + n;
        o.variant = has(i) ? "candidate" : "base", o.revision = current ? revision : 1;
        served += has(i);
        f.outcomes.push_back(o);
      }
      f.cells.push_back(c);
    }
    f.served = {{"k", "candidate", revision, served}};
    return f;
  }
  void take(Trial::Out out) {
    for (const Action& action : out.actions) {
      const auto* set = std::get_if<SetKnob>(&action);
      if (set == nullptr) continue;
      current = set->change, revision++, served = 0;
      asked.push_back(set->change.instance.empty() ? "all" : set->change.instance);
      EXPECT_EQ(set->change.exposure < 1, !set->change.instance.empty());
      take(trial->on_receipt(
          {.deed = Deed::set, .change = set->change.id, .revision = revision, .ok = true, .at = now()}, view()));
    }
    if (out.verdict) verdict = out.verdict;
  }
  void run(int seconds) {
    for (int end = second + seconds; second < end && !verdict;) {
      const auto f = frame();
      ++second;
      past.add(f);
      take(trial->on_frame(f, view()));
    }
  }

  config::Knob knob{.key = "k", .base = false, .services = {"shop"}, .scope = config::KnobScope::instance};
  Goal goal;
  Past past;
  config::Declarations declarations;
  std::map<std::string, Latest> latest;
  double bad_with = 0;
  int second = 0;
  int64_t revision = 7;
  uint64_t traces = 0, served = 0;
  std::optional<Change> current;
  std::optional<Trial> trial;
  std::vector<std::string> asked;
  std::optional<Verdict> verdict;
};

TEST(Trial, an_isolated_value_passes_on_one_instance) {
  World w(config::KnobEffect::isolated);
  w.run(40);
  ASSERT_TRUE(w.verdict);
  EXPECT_EQ(w.verdict->kind, VerdictKind::pass) << w.verdict->why;
  EXPECT_EQ(w.asked, std::vector<std::string>{"shop-1"});
}

TEST(Trial, a_shared_value_is_vetted_on_one_instance_before_all_have_it) {
  World w(config::KnobEffect::shared);
  w.run(40);
  ASSERT_TRUE(w.verdict);
  EXPECT_EQ(w.verdict->kind, VerdictKind::pass) << w.verdict->why;
  EXPECT_EQ(w.verdict->evidence, Evidence::ramp);
  EXPECT_EQ(w.asked, (std::vector<std::string>{"shop-1", "all"}));
}

TEST(Trial, harm_on_one_instance_reaches_no_other) {
  for (const auto effect : {config::KnobEffect::isolated, config::KnobEffect::shared}) {
    World w(effect);
    w.bad_with = 1;
    w.run(40);
    ASSERT_TRUE(w.verdict);
    EXPECT_EQ(w.verdict->kind, VerdictKind::fail) << w.verdict->why;
    EXPECT_EQ(w.asked, std::vector<std::string>{"shop-1"});
  }
}

}  // namespace
}  // namespace hs::loop
