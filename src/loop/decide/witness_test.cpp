#include "loop/decide/witness.h"

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

constexpr int64_t start = 10'000, ill_until = 10'080, onset = 10'100, end = 10'110;

struct Story {                             // what each second of telemetry says
  double shop_errors = 0, pay_errors = 0;  // shares, since the onset, by each service's own sender
  double forged = 0;                       // failing requests a second of shop and pay, by a third sender
  bool probe_fails = false;
  bool evaluated = false;
  bool one_credential = false;
  bool ill_before = false;  // the same was so until shortly before
};

Past told(const Story& story) {
  Past history;
  uint64_t served = 0;
  for (int64_t s = start; s < end; ++s) {
    bool on = s >= onset || (story.ill_before && s < ill_until);
    stream::Frame f{.tick = (s + 1) * nanos_per_s};
    auto cell = [&](std::string service, std::string credential, double n, double bad) {
      stream::Cell c{.second = s, .service = service, .operation = "op"};
      c.credential = story.one_credential ? "all" : credential, c.count = n, c.errors = bad;
      for (int i = 0; i < static_cast<int>(n); ++i) c.duration_ms.add(20);
      f.cells.push_back(c);
    };
    cell("shop", "shop-key", 20, on ? 20 * story.shop_errors : 0);
    cell("pay", "pay-key", 20, on ? 20 * story.pay_errors : 0);
    cell("shop", "liar", on ? story.forged : 1, on ? story.forged : 0);
    cell("pay", "liar", on ? story.forged : 1, on ? story.forged : 0);
    f.calls = {{.second = s, .service = "shop", .operation = "op", .callee = "pay"}};
    f.probes = {{.second = s, .name = "p", .service = "shop", .ok = !(on && story.probe_fails), .duration_ms = 10}};
    if (story.evaluated) {
      for (int i = 0; i < 20 + (on ? static_cast<int>(story.forged) : 0); ++i) {
        stream::Outcome o{.second = s, .knob = "k", .service = "shop", .operation = "op", .entry = true};
        o.error = on && (i >= 20 || i < 20 * story.shop_errors), o.duration_ms = 20;
        f.outcomes.push_back(o);
      }
      f.served = {{"k", "base", 1, served += 20}};
    }
    history.add(f);
  }
  return history;
}

Corroboration verdict(const Story& story) {
  Incident incident;
  incident.symptoms = {{.id = "s", .service = "shop", .operation = "op", .started = onset * nanos_per_s}};
  incident.causes = {{.entity = "service:pay", .kind = "errors", .probability = 1, .service = "pay"}};
  const Past history = told(story);
  if (story.ill_before) {
    Incident earlier;
    earlier.symptoms = {{.id = "e", .service = "shop", .operation = "op"}};
    earlier.symptoms[0].started = start * nanos_per_s, earlier.symptoms[0].ended = ill_until * nanos_per_s;
    return corroborate(incident, goal_of(incident, {}, history), history, {&earlier, &incident});
  }
  return corroborate(incident, goal_of(incident, {}, history), history, {&incident});
}

// Most of what is known of the time before is of the fault's last visit.
TEST(Witness, a_fault_that_comes_again_is_told_from_what_is_usual) {
  EXPECT_TRUE(verdict({.shop_errors = 0.3, .pay_errors = 0.3, .ill_before = true}).given);
}

// An incident that does not end must not blind us to the next one beside it.
TEST(Witness, what_is_always_ill_is_usual) {
  Incident always, incident;
  always.symptoms = {{.id = "a", .service = "shop", .operation = "other", .started = (start - 500) * nanos_per_s}};
  incident.symptoms = {{.id = "s", .service = "shop", .operation = "op", .started = onset * nanos_per_s}};
  incident.causes = {{.entity = "service:pay", .kind = "errors", .probability = 1, .service = "pay"}};
  const Past history = told({.shop_errors = 0.3, .pay_errors = 0.3});
  EXPECT_TRUE(corroborate(incident, goal_of(incident, {}, history), history, {&always, &incident}).given);
}

TEST(Witness, two_senders_agree) { EXPECT_TRUE(verdict({.shop_errors = 0.3, .pay_errors = 0.3}).given); }

TEST(Witness, one_sender_is_not_enough) {
  Corroboration c = verdict({.shop_errors = 0.3});
  EXPECT_FALSE(c.given);
  EXPECT_NE(c.why.find("only one of 3 senders"), std::string::npos) << c.why;
}

TEST(Witness, our_own_probe_confirms) { EXPECT_TRUE(verdict({.shop_errors = 0.3, .probe_fails = true}).given); }

TEST(Witness, what_we_served_confirms) {
  EXPECT_TRUE(verdict({.shop_errors = 0.3, .evaluated = true}).given);
  EXPECT_TRUE(verdict({.shop_errors = 0.3, .evaluated = true, .one_credential = true}).given);
}

TEST(Witness, a_forger_is_alone) {
  EXPECT_FALSE(verdict({.forged = 40}).given);
  EXPECT_FALSE(verdict({.forged = 40, .evaluated = true}).given);
  EXPECT_FALSE(verdict({.forged = 8, .evaluated = true}).given);
}

TEST(Witness, a_healthy_system_has_none) { EXPECT_FALSE(verdict({.evaluated = true}).given); }

// A log-in service that is the only one to see an attack: what we served to its log-ins tells whether there is one.
Corroboration attack(uint64_t served_more) {
  Past history;
  uint64_t served = 0;
  for (int64_t s = start; s < end; ++s) {
    bool on = s >= onset;
    stream::Frame f{.tick = (s + 1) * nanos_per_s};
    stream::Cell c{.second = s, .service = "auth", .operation = "login", .credential = "auth-key"};
    c.count = on ? 50 : 5, c.denied = on ? 45 : 0;
    f.cells = {c};
    f.outcomes = {{.second = s, .knob = "limit", .service = "auth", .operation = "login", .entry = true}};
    f.served = {{"limit", "base", 1, served += on ? 5 + served_more : 5}};
    history.add(f);
  }
  Incident incident;
  incident.symptoms = {{.id = "s", .kind = SymptomKind::security, .service = "auth", .operation = "login"}};
  incident.symptoms[0].started = incident.started = onset * nanos_per_s, incident.security = true;
  incident.causes = {{.entity = "attack:auth", .kind = "security", .probability = 1, .service = "auth"}};
  return corroborate(incident, goal_of(incident, {}, history), history, {&incident});
}

TEST(Witness, a_flood_that_we_served_confirms) {
  EXPECT_TRUE(attack(45).given) << attack(45).why;
  EXPECT_FALSE(attack(0).given);  // told, and never served
  EXPECT_FALSE(attack(10).given);
}

}  // namespace
}  // namespace hs::loop
