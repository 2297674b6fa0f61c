#include "loop/decide/choose.h"

#include <cmath>

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

using config::Knob;
using config::KnobEffect;
using config::KnobType;
using config::Value;

Knob number(std::string key, int64_t base, double min, double max) {
  return {.key = std::move(key), .type = KnobType::integer, .base = base, .min = min, .max = max, .services = {"shop"}};
}
Knob flag(std::string key, std::string service, std::string dependency = "") {
  return {.key = std::move(key), .base = false, .services = {std::move(service)}, .dependency = std::move(dependency)};
}

TEST(Moves, stay_in_the_declared_range) {
  auto moves = moves_of(number("pool", 8, 1, 20), int64_t{8});
  ASSERT_FALSE(moves.empty());
  for (const auto& m : moves) {
    EXPECT_GE(number_of(m.to), 1);
    EXPECT_LE(number_of(m.to), 20);
    EXPECT_NE(number_of(m.to), 8);
    EXPECT_EQ(m.direction, number_of(m.to) > 8 ? "raised" : "lowered");
  }
  for (const auto& m : moves_of({.type = KnobType::real, .base = 0.5, .min = 0.0, .max = 1.0, .step = 0.25}, 0.5))
    EXPECT_EQ(number_of(m.to) * 4, std::round(number_of(m.to) * 4));
  EXPECT_TRUE(moves_of({.type = KnobType::string, .base = "a"}, "a").empty());
}

TEST(Moves, of_variants_and_flags) {
  Knob provider{.key = "p", .type = KnobType::string, .base = "a", .variants = {"a", "b", "c"}};
  auto moves = moves_of(provider, "b");
  ASSERT_EQ(moves.size(), 2);
  EXPECT_EQ(moves[0].direction, "a");
  auto off = moves_of({.base = true}, true);
  ASSERT_EQ(off.size(), 1);
  EXPECT_EQ(off[0].direction, "disabled");
  EXPECT_EQ(off[0].to, Value(false));
}

config::Expectation expect(std::string service, config::Measure measure, std::string when, bool improves = true) {
  return {.service = std::move(service), .measure = measure, .when = std::move(when), .improves = improves};
}

struct Fixture : testing::Test {
  Fixture() {
    incident.symptoms = {{.id = "s", .service = "shop", .operation = "buy", .baseline = 0, .observed = 0.3}};
    incident.causes = {{.entity = "service:pay", .kind = "errors", .probability = 0.9, .service = "pay"}};
    goal = goal_of(incident, declarations, history);
    stream::Frame frame{.tick = 1000 * nanos_per_s};
    frame.calls = {{.second = 999, .service = "shop", .operation = "buy", .callee = "pay"}};
    history.add(frame);
  }
  Choice run() {
    Situation s{.incident = &incident, .goal = &goal, .declarations = &declarations};
    s.history = &history, s.effects = &effects;
    s.settled = [](const Knob& k) { return k.base; };
    s.refusal = [&](const Knob& k, const Value&, bool ramp) {
      bool tried = k.key == inconclusive && !ramp;
      return k.key == forbidden || tried ? "refused" : "";
    };
    s.showed_nothing = [&](const Knob& k, const Value&) { return k.key == inconclusive; };
    s.bad_share = bad_share;
    s.undos = undos;
    return choose(s);
  }
  std::string best() {
    Choice c = run();
    return c.nothing.empty() ? c.ranked[0].knob->key + " " + c.ranked[0].move.direction : "";
  }
  Incident incident;
  Goal goal;
  config::Declarations declarations;
  Past history;
  Effects effects;
  std::vector<Undo> undos;
  std::string forbidden, inconclusive;
  double bad_share = 0.3;
};

TEST_F(Fixture, prefers_what_is_declared_to_help) {
  declarations.knobs = {flag("useless", "shop", "pay"), flag("fallback", "shop", "pay"), flag("far", "mail")};
  declarations.knobs[1].expect = {{.service = "shop", .operation = "buy", .when = "enabled"}};
  EXPECT_EQ(best(), "fallback enabled");
  EXPECT_EQ(run().ranked.size(), 2);  // the far one is no option
}

// Only the entry's promise is missed, and the cause is two calls below it: the service between them has the way round.
TEST_F(Fixture, believes_what_is_declared_of_a_service_between_the_symptom_and_the_cause) {
  stream::Frame frame{.tick = 1001 * nanos_per_s};
  frame.calls = {{.second = 1000, .service = "pay", .operation = "charge", .callee = "bank"}};
  history.add(frame);
  incident.causes = {{.entity = "service:bank", .kind = "errors", .probability = 0.9, .service = "bank"}};
  declarations.knobs = {flag("a", "pay", "bank"), flag("b", "pay", "bank"), flag("c", "pay", "bank")};
  declarations.knobs[1].expect = {{.service = "pay", .operation = "charge", .when = "enabled"}};
  declarations.knobs[2].expect = {{.service = "bank", .operation = "", .when = "enabled", .improves = false}};
  EXPECT_EQ(best(), "b enabled");
  declarations.knobs = {flag("a", "pay", "bank"), flag("elsewhere", "pay", "bank")};
  declarations.knobs[1].expect = {{.service = "mail", .operation = "send", .when = "enabled"}};
  EXPECT_EQ(best(), "a enabled") << "nothing is promised of those who suffer";
}

// Both knobs are of the ill service; the one that is declared for the ill operation is tried first.
TEST_F(Fixture, prefers_what_is_declared_for_the_operation_at_fault) {
  incident.causes = {{.entity = "operation:pay/charge", .kind = "errors", .probability = 0.7, .service = "pay"},
                     {.entity = "service:pay", .kind = "errors", .probability = 0.2, .service = "pay"}};
  incident.causes[0].operation = "charge";
  declarations.knobs = {flag("refunds", "pay"), flag("the charges", "pay"), flag("undeclared", "pay")};
  declarations.knobs[0].expect = {{.service = "pay", .operation = "refund", .when = "enabled"}};
  declarations.knobs[1].expect = {{.service = "pay", .operation = "charge", .when = "enabled"}};
  EXPECT_EQ(best(), "the charges enabled");
  const double led = run().ranked[0].log_odds;
  incident.causes = {{.entity = "service:pay", .kind = "errors", .probability = 0.9, .service = "pay"}};
  EXPECT_GT(led, run().ranked[0].log_odds);
  EXPECT_EQ(run().ranked.size(), 3U) << "an operation leads to the knobs that its service leads to";
}

TEST_F(Fixture, avoids_what_is_declared_to_harm) {
  declarations.knobs = {flag("strict", "shop", "pay")};
  declarations.knobs[0].expect = {{.service = "shop", .when = "enabled", .improves = false}};
  EXPECT_EQ(best(), "");
  EXPECT_NE(run().nothing, "");
}

TEST_F(Fixture, says_why_it_does_nothing) {
  EXPECT_EQ(run().nothing, "no declared knob is near service:pay");
  declarations.knobs = {flag("fallback", "shop", "pay")};
  forbidden = "fallback";
  EXPECT_NE(run().nothing.find("refused"), std::string::npos);
  incident.causes.clear();
  EXPECT_EQ(run().nothing, "no cause is known yet");
}

TEST_F(Fixture, explores_only_where_a_canary_contains_it) {
  Knob pool = number("pool", 8, 1, 64);
  pool.effect = KnobEffect::shared, pool.dependency = "pay";
  declarations.knobs = {pool};
  EXPECT_EQ(best(), "");
  declarations.knobs.push_back(flag("fallback", "shop", "pay"));
  EXPECT_EQ(best(), "fallback enabled");
  declarations.knobs[0].expect = {{.service = "shop", .operation = "buy", .when = "raised"}};
  EXPECT_EQ(best(), "pool raised");
}

TEST_F(Fixture, tries_the_unknown_on_everybody_only_for_a_missed_objective_and_last) {
  Knob pool = number("pool", 8, 1, 64);
  pool.effect = KnobEffect::shared, pool.dependency = "pay";
  declarations.knobs = {pool};
  goal.owed = true;
  EXPECT_NE(best(), "");
  EXPECT_TRUE(run().ranked[0].unknown);
  declarations.knobs[0].expect = {{.service = "shop", .operation = "buy", .when = "raised", .improves = false}};
  EXPECT_EQ(best(), "") << "known not to help";
  declarations.knobs = {pool, flag("fallback", "shop", "pay")};
  EXPECT_EQ(best(), "fallback enabled") << "a canary first";
}

TEST_F(Fixture, tries_without_a_control_what_a_queue_may_hide) {
  declarations.knobs = {flag("fallback", "shop", "pay")};
  declarations.knobs[0].expect = {{.service = "shop", .operation = "buy", .when = "enabled"}};
  inconclusive = "fallback";
  EXPECT_EQ(best(), "");
  bad_share = 0.9;
  EXPECT_EQ(best(), "fallback enabled");
  EXPECT_TRUE(run().ranked[0].ramp);
  declarations.knobs[0].expect.clear();  // without a reason it stays in the canary
  EXPECT_EQ(best(), "");
}

TEST_F(Fixture, in_a_jam_what_a_canary_could_not_show_is_tried_next) {
  declarations.knobs = {flag("frugal", "pay"), flag("other", "shop")};
  for (auto& knob : declarations.knobs) knob.expect = {{.service = "shop", .operation = "buy", .when = "enabled"}};
  ASSERT_EQ(best(), "frugal enabled");
  inconclusive = "frugal", bad_share = 0.6;
  EXPECT_EQ(best(), "other enabled") << "of what is broken a canary would show it";
  incident.causes[0].kind = "load";
  EXPECT_EQ(best(), "frugal enabled");
  EXPECT_TRUE(run().ranked[0].ramp);
  bad_share = 0.3;
  EXPECT_EQ(best(), "other enabled") << "most do not wait";
}

TEST_F(Fixture, what_cures_failures_cures_silence) {
  incident.symptoms[0].kind = SymptomKind::throughput;
  incident.symptoms[0].baseline = 12, incident.symptoms[0].observed = 0;
  incident.causes[0].kind = "down";
  goal = goal_of(incident, declarations, history);
  ASSERT_EQ(goal.measure, "load");
  declarations.knobs = {flag("a", "shop", "pay"), flag("b", "shop", "pay")};
  declarations.knobs[0].expect = {expect("shop", config::Measure::load, "enabled")};
  declarations.knobs[1].expect = {expect("shop", config::Measure::latency, "enabled")};
  EXPECT_EQ(best(), "b enabled");
}

// Of a consumer behind a queue it is not known by request whether it read the knob: the fate of those who came in is
// another matter.
TEST_F(Fixture, what_nobody_waits_for_may_be_cured_where_it_is_done) {
  Knob plain = flag("plain", "mail");
  plain.expect = {{.service = "mail", .operation = "deliver", .measure = config::Measure::latency, .when = "enabled"}};
  declarations.knobs = {plain};
  incident.symptoms = {{.id = "s", .kind = SymptomKind::latency, .service = "mail", .operation = "deliver"}};
  incident.symptoms[0].limit_ms = 50;
  incident.causes = {{.entity = "service:mail", .kind = "slow", .probability = 0.9, .service = "mail"}};
  for (int64_t second = 1'000; second < 1'020; ++second) {
    stream::Frame frame{.tick = (second + 1) * nanos_per_s};
    stream::Cell cell{.second = second, .service = "mail", .operation = "deliver", .kind = 5, .count = 10};
    for (int i = 0; i < 10; ++i) cell.duration_ms.add(400);
    frame.cells = {cell};
    for (uint64_t i = 0; i < 10; ++i) {
      stream::Outcome o{.second = second, .trace = i, .unit = i + 1, .knob = "plain", .variant = "base"};
      o.service = "mail", o.operation = "deliver", o.duration_ms = 400;
      frame.outcomes.push_back(o);
      o.service = "shop", o.operation = "buy", o.duration_ms = 20, o.entry = true;
      frame.outcomes.push_back(o);
    }
    history.add(frame);
  }
  goal = goal_of(incident, declarations, history);
  EXPECT_EQ(best(), "plain enabled");
}

TEST_F(Fixture, undoes_the_last_change_first) {
  declarations.knobs = {flag("fallback", "shop", "pay"), number("batch", 500, 1, 1000)};
  undos = {{.knob = "batch", .previous = int64_t{10}, .at = 5}};
  Choice c = run();
  ASSERT_EQ(c.nothing, "");
  EXPECT_TRUE(c.ranked[0].undo);
  EXPECT_EQ(c.ranked[0].move.to, Value(int64_t{10}));
}

// On every other day more retries mean fewer errors. In a storm of retries they are the fault, and a few less of them
// do not end it.
TEST_F(Fixture, a_storm_of_retries_gets_none_at_all) {
  incident.causes = {
      {.entity = "edge:shop->pay", .kind = "retries", .probability = 0.9, .service = "shop", .peer = "pay"}};
  Knob retries = number("retries", 4, 0, 5);
  retries.dependency = "pay", retries.effect = KnobEffect::shared;
  retries.expect = {expect("shop", config::Measure::errors, "raised"), expect("pay", config::Measure::load, "lowered")};
  declarations.knobs = {retries};
  ASSERT_EQ(best(), "retries lowered");
  EXPECT_EQ(run().ranked[0].move.to, Value(int64_t{0}));
  incident.causes[0].kind = "errors";
  EXPECT_EQ(best(), "retries raised");
}

TEST_F(Fixture, relief_that_is_declared_to_cost_errors_is_none) {
  incident.causes = {{.entity = "service:shop", .kind = "saturated", .probability = 0.9, .service = "shop"}};
  Knob limit = number("limit", 256, 32, 256);
  limit.effect = KnobEffect::shared;
  limit.expect = {expect("shop", config::Measure::load, "lowered")};
  declarations.knobs = {limit};
  EXPECT_EQ(best(), "limit lowered");
  declarations.knobs[0].expect.push_back(expect("shop", config::Measure::errors, "lowered", false));
  EXPECT_EQ(best(), "");
}

TEST_F(Fixture, a_knob_about_another_dependency_comes_last) {
  incident.causes = {{.entity = "peer:pay", .kind = "errors", .probability = 0.9, .peer = "pay"}};
  declarations.knobs = {flag("a", "shop", "mail"), flag("b", "shop", "pay")};
  for (auto& knob : declarations.knobs) knob.expect = {expect("shop", config::Measure::errors, "enabled")};
  Choice c = run();
  ASSERT_EQ(c.ranked.size(), 2);
  EXPECT_EQ(c.ranked[0].knob->key, "b");
  EXPECT_GT(c.ranked[0].score, c.ranked[1].score + 1);
}

// Nobody says what it does to errors; that less of it makes answers faster says which way to try first.
TEST_F(Fixture, a_direction_that_does_some_good_is_tried_first) {
  declarations.knobs = {number("depth", 100, 0, 200)};
  declarations.knobs[0].expect = {expect("shop", config::Measure::latency, "lowered")};
  EXPECT_EQ(best(), "depth lowered");
  declarations.knobs[0].expect = {expect("shop", config::Measure::latency, "raised")};
  EXPECT_EQ(best(), "depth raised");
}

TEST_F(Fixture, an_attack_is_load) {
  incident.symptoms[0].kind = SymptomKind::security, incident.security = true;
  incident.causes = {{.entity = "attack:shop", .kind = "security", .probability = 0.9, .service = "shop"}};
  goal = goal_of(incident, declarations, history);
  Knob fallback = flag("fallback", "shop", "pay"), limit = number("limit", 60, 5, 200);
  fallback.expect = {{.service = "shop", .operation = "buy", .when = "enabled"}};
  limit.services = {"shop"}, limit.effect = KnobEffect::shared;
  limit.expect = {{.service = "shop", .operation = "buy", .measure = config::Measure::load, .when = "lowered"}};
  declarations.knobs = {fallback};
  EXPECT_EQ(best(), "");  // what helps against errors is no reason
  declarations.knobs = {fallback, limit};
  EXPECT_EQ(best(), "limit lowered");
}

TEST_F(Fixture, learns) {
  declarations.knobs = {flag("a", "shop", "pay"), flag("b", "shop", "pay")};
  EXPECT_EQ(best(), "a enabled");
  Effect key{.knob = "b", .to = "enabled", .cause_kind = "errors", .measure = "errors"};
  for (int i = 0; i < 3; ++i) effects.observe(key, true, 1, 0);
  EXPECT_EQ(best(), "b enabled");
  EXPECT_FALSE(run().ranked[0].learning);
}

// Evaluations that we served are known at once, also of requests that stand still and that nobody tells of.
TEST_F(Fixture, what_nobody_asks_for_any_more_cures_nothing) {
  declarations.knobs = {flag("before", "shop", "pay"), flag("after", "shop", "pay")};
  declarations.knobs[1].expect = {{.service = "shop", .operation = "buy", .when = "enabled"}};
  incident.started = goal.started = 1090 * nanos_per_s;
  uint64_t before = 0, after = 0;
  for (int64_t s = 1000; s < 1100; ++s) {
    history.add({.tick = (s + 1) * nanos_per_s,
                 .served = {{"before", "base", 1, before += 10}, {"after", "base", 1, after += s < 1090 ? 10 : 0}}});
  }
  EXPECT_EQ(best(), "before enabled");
  declarations.knobs.erase(declarations.knobs.begin());  // nothing of the service is asked for: it may be down
  EXPECT_EQ(best(), "after enabled");
}

TEST_F(Fixture, without_users_to_compare_the_incident_is_compared_with_itself) {
  declarations.knobs = {flag("fallback", "shop", "pay")};
  declarations.knobs[0].expect = {{.service = "shop", .operation = "buy", .when = "enabled"}};
  ASSERT_FALSE(run().ranked.at(0).ramp);
  stream::Frame frame{.tick = 1001 * nanos_per_s};
  frame.outcomes.assign(
      30, {.second = 1000, .knob = "fallback", .by_instance = true, .service = "shop", .operation = "buy"});
  history.add(frame);
  EXPECT_TRUE(run().ranked.at(0).ramp);
  declarations.knobs[0].expect.clear();  // nobody says what it does: not on everybody at once
  EXPECT_TRUE(run().ranked.empty());
}

// Callers know a service that sends no spans by its address; libraries tell the port, people do not.
TEST_F(Fixture, knows_a_peer_by_its_name_without_the_port) {
  incident.causes = {{.entity = "peer:pay:8080", .kind = "errors", .probability = 0.9, .peer = "pay:8080"}};
  declarations.knobs = {flag("a", "shop", "mail"), flag("b", "shop", "pay"), flag("c", "payment")};
  EXPECT_EQ(best(), "b enabled");
  declarations.knobs = {flag("own", "pay")};
  EXPECT_EQ(best(), "own enabled");
}

TEST_F(Fixture, leaves_alone_what_needs_a_restart) {
  declarations.knobs = {flag("a", "shop", "pay")};
  declarations.knobs[0].applies = config::Applies::at_start;
  EXPECT_EQ(best(), "");
}

}  // namespace
}  // namespace hs::loop
