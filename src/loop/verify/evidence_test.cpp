#include "loop/verify/evidence.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

struct Population {  // users who come again and again; some of them always fare badly
  size_t users = 300;
  double bad_users = 0;  // share of users whose every request is bad
  double rate = 0.05;    // of everybody else
  double skew = 0.8;     // Zipf exponent of how often a user comes
};

// One canary of `seconds` at 30 requests/s. Returns whether PASS and FAIL were reached.
struct Run {
  bool pass = false, fail = false;
  double at_s = 0;
};
Run simulate(std::mt19937_64& random, const Population& who, double exposure, double treated_rate, int seconds) {
  std::uniform_real_distribution<> uniform;
  std::vector<double> weights;
  std::vector<UnitTally> units(who.users);
  std::vector<bool> cursed(who.users);
  for (size_t i = 0; i < who.users; ++i) {
    weights.push_back(1 / std::pow(static_cast<double>(i + 1), who.skew));
    units[i].treated = uniform(random) < exposure;
    cursed[i] = uniform(random) < who.bad_users;
  }
  std::discrete_distribution<size_t> pick(weights.begin(), weights.end());
  Looks better(0.01, first_look(0.01, std::log(1 / (1 - exposure))));
  Looks worse(0.05, first_look(0.05, std::log(1 / exposure)));
  Run run;
  for (int s = 1; s <= seconds && !run.pass && !run.fail; ++s) {
    for (int i = 0; i < 30; ++i) {
      size_t u = pick(random);
      double rate = units[u].treated ? treated_rate : who.rate;
      units[u].n += 1, units[u].bad += cursed[u] || uniform(random) < rate;
    }
    Contrast c = contrast(units, exposure);
    if (better.due(c.bad_effective)) run.pass = c.log_e_better >= better.threshold(c.bad_effective);
    if (worse.due(c.bad_effective)) run.fail = c.log_e_worse >= worse.threshold(c.bad_effective);
    run.at_s = s;
  }
  return run;
}

struct Rates {
  double pass = 0, fail = 0, median_s = 0;
};
Rates rates(const Population& who, double exposure, double treated_rate, int runs = 300, int seconds = 45) {
  std::mt19937_64 random(7);
  Rates r;
  std::vector<double> at;
  for (int i = 0; i < runs; ++i) {
    Run run = simulate(random, who, exposure, treated_rate, seconds);
    r.pass += run.pass, r.fail += run.fail;
    if (run.pass || run.fail) at.push_back(run.at_s);
  }
  std::sort(at.begin(), at.end());
  if (!at.empty()) r.median_s = at[at.size() / 2];
  r.pass /= runs, r.fail /= runs;
  return r;
}

TEST(Fisher, is_exact) {  // against sums of binomial coefficients
  EXPECT_NEAR(fisher({.n = 10, .good = 10}, {.n = 42, .good = 21}), 5.8768702, 1e-6);
  EXPECT_NEAR(fisher({.n = 30, .good = 28}, {.n = 70, .good = 40}), 8.6008979, 1e-6);
  EXPECT_EQ(fisher({.n = 30, .good = 10}, {.n = 70, .good = 40}), 0);
  EXPECT_GT(fisher({.n = 4e4, .good = 4e4}, {.n = 6e4, .good = 1e4}), 1'000) << "no chance is too small to be told";
}

TEST(Evidence, finds_a_repair_in_seconds) {
  Rates r = rates({.rate = 0.30}, 0.3, 0.01, 100);
  EXPECT_GE(r.pass, 0.99);
  EXPECT_LE(r.median_s, 5);
  EXPECT_EQ(r.fail, 0);
}

TEST(Evidence, finds_harm_in_seconds) {
  Rates r = rates({.rate = 0.01}, 0.2, 0.30, 100);
  EXPECT_GE(r.fail, 0.99);
  EXPECT_LE(r.median_s, 6);
}

// A change that does nothing: alpha is 0.01 for PASS and 0.05 for FAIL. 300 runs: the bounds below are those plus
// three standard errors.
TEST(Evidence, says_nothing_about_nothing) {
  for (double exposure : {0.2, 0.5}) {
    Rates r = rates({.rate = 0.10}, exposure, 0.10);
    EXPECT_LE(r.pass, 0.03) << exposure;
    EXPECT_LE(r.fail, 0.09) << exposure;
  }
}

TEST(Evidence, is_not_fooled_by_errors_of_few_users) {
  for (double exposure : {0.2, 0.5}) {
    Rates r = rates({.users = 120, .bad_users = 0.06, .rate = 0.01, .skew = 1.1}, exposure, 0.01);
    EXPECT_LE(r.pass, 0.03) << exposure;
    EXPECT_LE(r.fail, 0.09) << exposure;
  }
}

TEST(Evidence, a_single_heavy_user_proves_nothing) {
  std::vector<UnitTally> units(20, {.n = 5, .bad = 0});
  for (size_t i = 0; i < 5; ++i) units[i].treated = true;
  units.back() = {.treated = false, .n = 500, .bad = 500};
  EXPECT_LT(contrast(units, 0.2).log_e_better, 1);
}

TEST(Evidence, empty_is_no_evidence) {
  Contrast c = contrast({}, 0.2);
  EXPECT_EQ(c.log_e_better, 0);
  EXPECT_EQ(c.log_e_worse, 0);
}

TEST(Looks, spend_the_budget) {
  Looks looks(0.01, 10);
  EXPECT_FALSE(looks.due(9));
  ASSERT_TRUE(looks.due(10));
  double spent = 0;
  for (double information = 10; looks.taken() < 200; information *= 1.5) {
    ASSERT_TRUE(looks.due(information));
    spent += std::exp(-looks.threshold(information));
    EXPECT_FALSE(looks.due(information * 1.3));
  }
  EXPECT_LE(spent, 0.01);
}

std::vector<Block> blocks(std::mt19937_64& random, size_t count, double n, double rate, double jitter = 0) {
  std::vector<Block> out;
  std::normal_distribution<> noise;
  double drift = 0;
  for (size_t i = 0; i < count; ++i) {
    drift = 0.7 * drift + jitter * noise(random);  // the seconds of one incident resemble each other
    double p = 1 / (1 + std::exp(-(std::log(rate / (1 - rate)) + drift)));
    std::binomial_distribution<int> bad(static_cast<int>(n), p);
    out.push_back({n, static_cast<double>(bad(random))});
  }
  return out;
}

TEST(Drop, sees_the_end_of_an_incident) {
  std::mt19937_64 random(3);
  auto before = blocks(random, 8, 30, 0.3), after = blocks(random, 5, 30, 0.01);
  Drop d = drop_between(before, after);
  EXPECT_GT(d.log_e, std::log(100));
  EXPECT_FALSE(d.falling_before);
  EXPECT_LE(drop_between(after, before).log_e, 0);
  EXPECT_EQ(drop_between(before, {}).log_e, 0);
}

TEST(Drop, is_seldom_wrong_about_a_wandering_incident) {
  std::mt19937_64 random(5);
  int wrong = 0;
  for (int i = 0; i < 400; ++i) {
    auto all = blocks(random, 30, 30, 0.3, 0.3);
    bool fooled = false;  // looked at every second, as the ramp does
    for (size_t k = 3; k <= 20; ++k) {
      Drop d = drop_between({all.data(), 10}, {all.data() + 10, k});
      fooled |= d.log_e > std::log(100) && d.after < 0.5 * d.before;
    }
    wrong += fooled;
  }
  EXPECT_LE(wrong, 12);  // 3 %
}

TEST(Drop, notices_that_it_fell_already) {
  std::vector<Block> before = {{30, 15}, {30, 14}, {30, 10}, {30, 6}, {30, 4}, {30, 2}};
  EXPECT_TRUE(drop_between(before, before).falling_before);
}

TEST(Difference, compares_an_instance_with_its_own_past) {
  std::mt19937_64 random(9);
  auto bad = blocks(random, 4, 60, 0.3), good = blocks(random, 2, 60, 0.02);
  auto poor = blocks(random, 4, 60, 0.3), still = blocks(random, 2, 60, 0.3);
  const Lived ill[] = {{poor, still}};
  EXPECT_GT(difference_between({bad, good}, ill).log_e_better, std::log(200));
  EXPECT_LT(difference_between({bad, good}, ill).log_e_worse, 0);
  // The treated instance was always the better one: no news.
  auto fine = blocks(random, 4, 60, 0.02), fine_after = blocks(random, 2, 60, 0.02);
  EXPECT_LT(difference_between({fine, fine_after}, ill).log_e_better, 1);
  // Both recovered: not our doing.
  const Lived well[] = {{poor, blocks(random, 2, 60, 0.02)}};
  EXPECT_LT(difference_between({bad, good}, well).log_e_better, 2);
  EXPECT_NEAR(difference_between({bad, good}, well).expected, 0.02, 0.03);
}

TEST(Difference, sees_harm_where_nobody_else_has_any) {
  const std::vector<Block> quiet = {{50, 0}, {50, 0}}, noisy = {{50, 20}};
  const Lived others[] = {{quiet, {{50, 0}}}, {quiet, {{50, 0}}}};
  EXPECT_GT(difference_between({quiet, noisy}, others).log_e_worse, std::log(400));
  // What came over all of them is no harm of the change.
  const Lived too[] = {{quiet, noisy}, {quiet, noisy}};
  EXPECT_LT(difference_between({quiet, noisy}, too).log_e_worse, 2);
}

// One instance among unequal ones, whose shares wander each for itself; a change that does nothing. Looked at each
// second of block after block, with the spending of a canary.
TEST(Difference, is_seldom_wrong_about_unequal_instances) {
  std::mt19937_64 random(21);
  std::normal_distribution<> level(0, 0.7), wander(0, 0.25);
  int passed = 0, failed = 0;
  constexpr int runs = 400;
  for (int run = 0; run < runs; ++run) {
    std::vector<Lived> all(3);
    Looks better(0.01, 3), worse(0.05 / 3, 3);
    double fault = 0;  // log odds, of all instances
    std::vector<double> own = {level(random), level(random), level(random)};
    bool pass = false, fail = false;
    for (int block = 0; block < 12; ++block) {
      fault += wander(random);
      for (size_t i = 0; i < all.size(); ++i) {
        own[i] += wander(random) / 2;
        const double rate = 1 / (1 + std::exp(-(-1 + fault + own[i])));
        (block < 3 ? all[i].before : all[i].after).push_back(blocks(random, 1, 60, rate)[0]);
      }
      if (block < 3) continue;
      const Difference d = difference_between(all[0], std::span(all).subspan(1));
      if (better.due(d.bad_effective))
        pass |= d.log_e_better >= better.threshold(d.bad_effective) && d.after <= 0.7 * d.expected;
      if (worse.due(d.bad_effective)) fail |= d.log_e_worse >= worse.threshold(d.bad_effective);
    }
    passed += pass, failed += fail;
  }
  EXPECT_LE(passed, 8) << "2 %";
  EXPECT_LE(failed, 24) << "6 %";
}

}  // namespace
}  // namespace hs::loop
