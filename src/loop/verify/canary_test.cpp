#include "loop/verify/canary.h"

#include <cmath>
#include <functional>
#include <random>

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

constexpr UnixNanos t0 = 1'000'000 * nanos_per_s;

struct World {  // an application of one service, as telemetry shows it
  double exposure = 0.3;
  double treated_bad = 0.01, control_bad = 0.3;
  double per_s = 30;
  size_t users = 400;
  double instance_keys = 0;  // share of requests without a targeting key
  int64_t revision_seen = 7;
  double retries = 0;        // share of requests with 5 bad attempts more
  double claimed_twice = 0;  // forged treated requests per second
  bool silent_treated = false, silent_failures = false;
  double lost = 0;            // share of requests that telemetry does not tell of, whatever their arm and fate
  double treated_share = -1;  // if the arms are not what was asked for
  std::function<double(int)> control_bad_at;
};

int bad(const stream::Outcome& o, Aspect m) {
  if (m == latency_guard) return o.duration_ms > 200;
  return o.error;
}

struct Bench {
  explicit Bench(World w, CanaryLimits limits = {})
      : world(std::move(w)),
        canary({.knob = "k", .revision = 7, .exposure = world.exposure, .start = t0, .bad = bad}, limits, 0.01) {}

  stream::Outcome request(int second) {
    std::uniform_real_distribution<> uniform;
    std::uniform_int_distribution<uint64_t> user(1, world.users);
    stream::Outcome o;
    o.unit = user(random), o.trace = random(), o.knob = "k", o.entry = true;
    o.second = t0 / nanos_per_s + second, o.started = o.second * nanos_per_s, o.duration_ms = 20;
    double bucket = std::fmod(static_cast<double>(o.unit) * 0.6180339887, 1);
    bool treated = bucket < (world.treated_share < 0 ? world.exposure : world.treated_share);
    o.variant = treated ? "candidate" : "base";
    o.revision = treated ? world.revision_seen : 7;
    o.by_instance = uniform(random) < world.instance_keys;
    double control = world.control_bad_at ? world.control_bad_at(second) : world.control_bad;
    o.error = uniform(random) < (treated ? world.treated_bad : control);
    (treated ? served_treated : served_control)++;
    return o;
  }
  stream::Frame frame(int second) {
    stream::Frame f;
    f.tick = t0 + (second + 1) * nanos_per_s;
    std::uniform_real_distribution<> uniform;
    for (int i = 0; i < static_cast<int>(world.per_s); ++i) {
      auto o = request(second);
      if (world.silent_treated && o.variant == "candidate") continue;
      if (world.silent_failures && o.variant == "candidate" && o.error) continue;
      if (world.lost > 0 && uniform(random) < world.lost) continue;
      f.outcomes.push_back(o);
      bool again = uniform(random) < world.retries;
      for (int r = 0; again && r < 5; ++r) f.outcomes.push_back(o);
    }
    for (int i = 0; i < static_cast<int>(world.claimed_twice); ++i) {
      auto o = request(second);
      o.variant = "candidate", o.revision = 7, o.unit = random(), o.error = false;
      f.outcomes.push_back(o);
    }
    f.served = {{"k", "candidate", 7, served_treated}, {"k", "base", 7, served_control}};
    return f;
  }
  Verdict run(int seconds = 60) {
    for (int s = 0; s < seconds; ++s) {
      auto f = frame(s);
      canary.add(f);
      elapsed = s + 1;
      if (auto v = canary.judge(f.tick)) return *v;
    }
    return {.why = "never"};
  }
  World world;
  Canary canary;
  std::mt19937_64 random{11};
  uint64_t served_treated = 0, served_control = 0;
  int elapsed = 0;
};

TEST(Canary, passes_a_repair) {
  Bench b({});
  Verdict v = b.run();
  EXPECT_EQ(v.kind, VerdictKind::pass) << v.why;
  EXPECT_EQ(v.evidence, Evidence::concurrent_control);
  EXPECT_LE(b.elapsed, 8);
  EXPECT_GT(v.log_e, std::log(100));
  EXPECT_LT(v.treated, v.control);
}

// The counts of `values` stand still while it does not answer us; requests go on being told.
// The oldest form of a flag event tells no version: what began after the change was answered after it.
TEST(Canary, passes_a_repair_of_which_no_revision_is_told) {
  Bench b({.revision_seen = 0});
  EXPECT_EQ(b.run().kind, VerdictKind::pass);
}

TEST(Canary, counts_that_are_not_heard_are_no_mismatch) {
  Bench b({.treated_bad = 0.05, .control_bad = 0.05});
  for (int s = 0; s < 30; ++s) {
    auto f = b.frame(s);
    if (s >= 2 && s < 12) f.served.clear();
    b.canary.add(f);
    const auto v = b.canary.judge(f.tick);
    ASSERT_TRUE(!v || v->kind != VerdictKind::mismatch) << s << ": " << v->why;
  }
}

TEST(Canary, fails_harm) {
  Verdict v = Bench({.treated_bad = 0.8}).run();
  EXPECT_EQ(v.kind, VerdictKind::fail) << v.why;
}

TEST(Canary, gives_up_on_a_useless_change) {
  Bench b({.treated_bad = 0.3});
  EXPECT_EQ(b.run().kind, VerdictKind::inconclusive);
  EXPECT_LT(b.elapsed, 45);
}

TEST(Canary, hears_nothing) {
  EXPECT_EQ(Bench({.per_s = 0}).run().kind, VerdictKind::no_data);
  EXPECT_EQ(Bench({.instance_keys = 1}).run().kind, VerdictKind::no_data);
}

TEST(Canary, notices_that_the_treated_are_others) {
  EXPECT_EQ(Bench({.treated_bad = .3, .revision_seen = 6}).run().kind, VerdictKind::mismatch);
  EXPECT_EQ(Bench({.treated_bad = .3, .treated_share = 0.75}).run().kind, VerdictKind::mismatch);
  EXPECT_EQ(Bench({.treated_bad = .3, .silent_treated = true}).run().kind, VerdictKind::mismatch);
}

// Treated requests that fail take their flag event with them: only the good ones tell that they were treated.
TEST(Canary, is_not_fooled_by_survivors) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    Bench b({.exposure = 0.4, .treated_bad = 0.5, .control_bad = 0.5, .silent_failures = true});
    b.random.seed(seed);
    Verdict v = b.run();
    EXPECT_EQ(v.kind, VerdictKind::mismatch) << seed << ": " << v.why;
  }
}

int passed_of(int runs, const World& world, int seconds = 60) {
  int passed = 0;
  for (int seed = 1; seed <= runs; ++seed) {
    Bench b(world);
    b.random.seed(static_cast<unsigned>(seed));
    passed += b.run(seconds).kind == VerdictKind::pass;
  }
  return passed;
}

// Too few of them are silent to be called a lie, but enough to make a change look good that does nothing.
TEST(Canary, a_benefit_that_silence_may_explain_is_no_pass) {
  EXPECT_LE(passed_of(100, {.treated_bad = 0.15, .control_bad = 0.15, .silent_failures = true}), 3);
  EXPECT_LE(passed_of(100, {.treated_bad = 0.3, .control_bad = 0.3, .silent_failures = true}), 3);
}

// Where much is lost of both arms it takes longer to tell who is silent for a reason.
TEST(Canary, neither_is_one_that_may_be_among_what_is_lost) {
  for (const double bad : {0.1, 0.3, 0.6})
    EXPECT_LE(passed_of(100, {.treated_bad = bad, .control_bad = bad, .silent_failures = true, .lost = 0.3}), 3) << bad;
}

TEST(Canary, a_repair_passes_although_much_is_lost) {
  EXPECT_GE(passed_of(100, {.treated_bad = 0.01, .control_bad = 0.3, .lost = 0.3}), 98);
  EXPECT_GE(passed_of(100, {.treated_bad = 0.01, .control_bad = 0.1}), 90);
}

// One trace in ten is sampled, and nothing says so.
TEST(Canary, where_little_is_told_it_waits_as_long_as_the_treated_fare_better) {
  World sampled{.exposure = 0.4, .control_bad = 0.6, .lost = 0.9};
  EXPECT_GE(passed_of(40, sampled, 200), 36);
  sampled.treated_bad = 0.6;
  EXPECT_EQ(passed_of(40, sampled, 200), 0);
  sampled.silent_failures = true;
  EXPECT_LE(passed_of(100, sampled, 200), 2);
}

TEST(Canary, notices_forged_success) {
  // Nobody serves what the forger claims: 40 perfect treated requests a second.
  World w{.treated_bad = .3, .claimed_twice = 40};
  Bench b(w);
  for (int s = 0; s < 3; ++s) {
    auto f = b.frame(s);
    f.served = {{"k", "candidate", 7, 10U * (s + 1)}, {"k", "base", 7, 20U * (s + 1)}};
    b.canary.add(f);
  }
  // Two sources are never counted at the same instant: it has to last, and there is no other verdict meanwhile.
  EXPECT_FALSE(b.canary.judge(t0 + 4 * nanos_per_s));
  auto v = b.canary.judge(t0 + 4 * nanos_per_s + Doubt::lasts_ms * nanos_per_ms);
  ASSERT_TRUE(v);
  EXPECT_EQ(v->kind, VerdictKind::mismatch) << v->why;
}

TEST(Canary, a_retry_burst_counts_once) {
  Bench calm({.treated_bad = .3}), stormy({.treated_bad = .3, .retries = 0.3});
  for (int s = 0; s < 5; ++s) calm.canary.add(calm.frame(s)), stormy.canary.add(stormy.frame(s));
  auto count = [](const Bench& b) {
    double n = 0;
    for (const auto& t : b.canary.arms().tallies(objective)) n += t.n;
    return n;
  };
  EXPECT_EQ(count(calm), 150);
  EXPECT_EQ(count(stormy), 150);
}

TEST(Canary, an_attempt_that_succeeds_makes_the_request_good) {
  Arms arms({.knob = "k", .revision = 7, .exposure = .5, .start = t0, .bad = bad});
  stream::Outcome o{.second = t0 / nanos_per_s, .trace = 5, .unit = 1, .knob = "k", .revision = 7};
  o.variant = "candidate", o.started = t0, o.error = true;
  arms.add(o);
  EXPECT_EQ(arms.tallies(objective).at(0).bad, 1);
  o.error = false;
  arms.add(o);
  EXPECT_EQ(arms.tallies(objective).at(0).bad, 0);
  EXPECT_EQ(arms.tallies(objective).at(0).n, 1);
  o.trace = 6, o.started = t0 - 1;  // began before the change
  arms.add(o);
  EXPECT_EQ(arms.tallies(objective).at(0).n, 1);
}

TEST(Canary, does_not_claim_what_healed_alone) {
  World w{.treated_bad = 0.0, .per_s = 8};
  w.control_bad_at = [](int s) { return s < 3 ? 0.3 : 0.0; };
  Verdict v = Bench(w).run();
  EXPECT_EQ(v.kind, VerdictKind::inconclusive);
  EXPECT_EQ(v.evidence, Evidence::restored_only);
}

// Where one request in seven fails, twenty in a row are well now and then.
TEST(Canary, a_few_good_ones_in_a_row_are_no_recovery) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    Bench b({.exposure = 0.2, .treated_bad = 0.14, .control_bad = 0.14, .per_s = 12});
    b.random.seed(seed);
    Verdict v = b.run();
    EXPECT_NE(v.evidence, Evidence::restored_only) << seed << ": " << v.why;
  }
}

TEST(Served, survives_a_restart_of_values) {
  ServedCounts counts("k", 7, "candidate");
  counts.add({{"k", "base", 6, 1000}, {"k", "candidate", 7, 3}}, t0);
  EXPECT_EQ(counts.treated(), 3);
  EXPECT_EQ(counts.control(), 0);
  counts.add({{"k", "base", 6, 1010}, {"k", "base", 7, 5}, {"k", "candidate", 7, 10}, {"other", "candidate", 7, 99}},
             t0);
  EXPECT_EQ(counts.treated(), 10);
  EXPECT_EQ(counts.control(), 5);
  counts.add({{"k", "base", 7, 2}, {"k", "candidate", 7, 4}}, t0);
  EXPECT_EQ(counts.treated(), 14);
  EXPECT_EQ(counts.control(), 7);
}

}  // namespace
}  // namespace hs::loop
