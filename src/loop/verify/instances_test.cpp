#include "loop/verify/instances.h"

#include <functional>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hs::loop {
namespace {

constexpr int64_t begin_s = 1'000'000;
constexpr int64_t revision = 7;

// Instances of one service that read a knob; a fault from second 60 on, a change at second 70.
struct World {
  int instances = 3;
  double per_s = 15;                             // of each
  std::vector<double> prone = {1, 0.6, 1.4, 1};  // by how much the fault strikes each
  double fault = 0.4, treated = 0.02;            // bad shares during the fault
  std::function<double(int, int)> besides;       // second, instance: bad share, whatever the value
  std::string reports = "candidate";             // of the treated instance
  bool others_treated = false, silent = false, serves = true;
  int reads_at = 70;  // when the treated instance has the candidate
  bool shared = false;

  config::Knob knob{.key = "k", .base = false, .services = {"shop"}, .scope = config::KnobScope::instance};
  Goal goal;
  Past past;
  std::mt19937_64 random{3};
  uint64_t served = 0;
  int second = 0;
  std::optional<InstanceArms> arms;
  InstancePlan plan;

  static std::string name(int i) { return fmt::format("shop-{}", i + 1); }
  bool is_treated(int i) const { return second >= reads_at && !plan.treated.empty() && plan.treated == name(i); }

  stream::Frame frame() {
    stream::Frame f{.tick = (begin_s + second + 1) * nanos_per_s};
    std::uniform_real_distribution<> uniform;
    for (int i = 0; i < instances; ++i) {
      double share = second >= 60 ? std::min(1.0, fault * prone[static_cast<size_t>(i)]) : 0.005;
      if (is_treated(i)) share = treated;
      if (besides) share = std::max(share, besides(second, i));
      stream::Cell c{.second = begin_s + second, .service = "shop", .operation = "buy", .instance = name(i)};
      for (int n = 0; n < static_cast<int>(per_s); ++n) {
        stream::Outcome o{.second = c.second, .trace = random(), .knob = "k", .by_instance = true};
        o.service = "shop", o.operation = "buy", o.instance = o.reader = name(i), o.entry = true;
        o.error = uniform(random) < share, o.duration_ms = 20, o.started = c.second * nanos_per_s + n;
        const bool claims = is_treated(i) || (others_treated && second >= reads_at);
        o.variant = claims ? reports : "base", o.revision = second >= 70 ? revision : 1;
        if (claims && serves) served++;
        c.count += 1, c.errors += o.error;
        if (!silent) f.outcomes.push_back(o);
      }
      c.duration_ms.add(20, c.count);
      f.cells.push_back(c);
    }
    f.served = {{"k", "candidate", revision, served}};
    return f;
  }
  void begin() {
    goal.requests[{"shop", "buy"}] = {}, goal.started = (begin_s + 60) * nanos_per_s;
    if (shared) knob.effect = config::KnobEffect::shared;
    for (; second < 70; ++second) past.add(frame());
    plan = plan_instances(knob, goal, past);
    InstanceSetup setup{.knob = "k", .services = {"shop"}, .revision = revision, .plan = plan};
    setup.start = (begin_s + 70) * nanos_per_s;
    arms.emplace(setup, CanaryLimits{}, goal, past, config::Declarations{});
  }
  // The verdict, or that it was vetted.
  std::string run() {
    begin();
    for (; second < 140; ++second) {
      const auto f = frame();
      past.add(f), arms->add(f);
      if (const auto v = arms->judge(past, f.tick)) {
        last = *v;
        return std::string(name_of(v->kind));
      }
      if (arms->vetted()) return "vetted";
    }
    return "never";
  }
  int took() const { return second - 70; }
  Verdict last;
};

TEST(InstancePlan, names_one_of_those_that_suffer) {
  World w;
  w.begin();
  EXPECT_EQ(w.plan.known, 3U);
  EXPECT_EQ(w.plan.others.size(), 2U);
  EXPECT_TRUE(w.plan.decisive);
  EXPECT_EQ(w.plan.treated.substr(0, 5), "shop-");
  w.knob.scope = config::KnobScope::request;
  EXPECT_EQ(plan_instances(w.knob, w.goal, w.past).known, 0U);
}

TEST(InstancePlan, decides_nothing_where_it_could_not_be_seen) {
  World shared{.shared = true};
  shared.begin();
  EXPECT_FALSE(shared.plan.decisive);
  EXPECT_FALSE(shared.plan.treated.empty());  // but may veto
  World alone{.prone = {0, 1, 0, 0}};
  alone.begin();
  EXPECT_FALSE(alone.plan.decisive);
  World elsewhere;
  elsewhere.begin();
  elsewhere.goal.requests = {{{"front", "buy"}, {}}};
  EXPECT_FALSE(plan_instances(elsewhere.knob, elsewhere.goal, elsewhere.past).decisive);
}

TEST(InstancePlan, needs_two) {
  World w{.instances = 1};
  w.begin();
  EXPECT_EQ(w.plan.treated, "");
  EXPECT_EQ(w.plan.share(), 1);
}

TEST(Instances, pass_a_repair) {
  World w;
  EXPECT_EQ(w.run(), "PASS") << w.last.why;
  EXPECT_EQ(w.last.evidence, Evidence::concurrent_control);
  EXPECT_GE(w.last.treated_n, 2);
  EXPECT_GE(w.last.control_n, 4);
  EXPECT_LE(w.took(), 15);
  World two{.instances = 2};
  EXPECT_EQ(two.run(), "PASS") << two.last.why;
}

TEST(Instances, fail_harm_on_the_goal_and_besides) {
  World w{.treated = 0.9};
  EXPECT_EQ(w.run(), "FAIL") << w.last.why;
  EXPECT_LE(w.took(), 12);
  World quiet{.fault = 0.3, .treated = 0.8, .shared = true};
  EXPECT_EQ(quiet.run(), "FAIL") << quiet.last.why;
}

TEST(Instances, a_change_that_does_nothing_hardly_ever_passes) {
  std::map<std::string, int> verdicts;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    World w{.random = std::mt19937_64(seed)};
    w.begin();
    w.treated = w.fault * w.prone[static_cast<size_t>(w.plan.treated.back() - '1')];
    std::string end = "never";
    for (; w.second < 140 && end == "never"; ++w.second) {
      const auto f = w.frame();
      w.past.add(f), w.arms->add(f);
      if (const auto v = w.arms->judge(w.past, f.tick)) end = name_of(v->kind);
    }
    verdicts[end]++;
  }
  EXPECT_LE(verdicts["PASS"], 2);
  EXPECT_LE(verdicts["FAIL"], 6);
  EXPECT_EQ(verdicts["MISMATCH"] + verdicts["NO DATA"], 0);
}

TEST(Instances, what_all_share_is_not_the_changes_doing) {
  World over;
  over.besides = [](int, int) { return 0.0; };
  over.begin();
  over.fault = 0.002, over.treated = 0.002;  // the fault ends as the change comes
  for (; over.second < 140; ++over.second) {
    const auto f = over.frame();
    over.past.add(f), over.arms->add(f);
    if (const auto v = over.arms->judge(over.past, f.tick)) {
      EXPECT_EQ(v->kind, VerdictKind::inconclusive) << v->why;
      EXPECT_EQ(v->evidence, Evidence::restored_only) << v->why;
      return;
    }
  }
  FAIL() << "no end";
}

TEST(Instances, a_shared_effect_is_vetted_and_never_passes) {
  World w{.shared = true};
  EXPECT_EQ(w.run(), "vetted") << w.last.why;
  EXPECT_LE(w.took(), 9);
}

TEST(Instances, tell_who_is_not_who_we_think) {
  World other{.others_treated = true};
  EXPECT_EQ(other.run(), "MISMATCH") << other.last.why;
  World forged{.serves = false};
  EXPECT_EQ(forged.run(), "MISMATCH") << forged.last.why;
  World base{.reports = "base"};
  EXPECT_EQ(base.run(), "MISMATCH") << base.last.why;
}

TEST(Instances, tell_when_nobody_is_heard) {
  World never{.reads_at = 1'000};  // the application does not say which instance asks
  EXPECT_EQ(never.run(), "NO DATA");
  EXPECT_NE(never.last.why.find("service.instance.id"), std::string::npos) << never.last.why;
  World silent{.silent = true};
  EXPECT_EQ(silent.run(), "NO DATA") << silent.last.why;
}

TEST(Instances, one_that_reads_now_and_then_is_waited_for) {
  World w{.reads_at = 76};
  EXPECT_EQ(w.run(), "PASS") << w.last.why;
}

}  // namespace
}  // namespace hs::loop
