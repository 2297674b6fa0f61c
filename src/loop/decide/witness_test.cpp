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

// Senders that export every ten seconds, each at its own moments: what did not come yet is no silence.
TEST(Witness, who_is_late_is_not_silent) {
  Past history;
  std::vector<stream::Cell> waiting;
  for (int64_t s = start; s < end; ++s) {
    stream::Frame f{.tick = (s + 1) * nanos_per_s};
    for (const char* name : {"shop", "pay"}) {
      stream::Cell c{.second = s, .service = name, .operation = "op", .credential = name};
      c.count = c.spans = 20;
      waiting.push_back(c);
    }
    stream::Cell forged{.second = s, .service = "shop", .operation = "op", .credential = "liar"};
    forged.count = forged.spans = s >= onset ? 20 : 1, forged.errors = s >= onset ? 20 : 0;
    f.cells = {forged};
    for (const char* name : {"shop", "pay"}) {
      if (s % 10 != (name[0] == 's' ? 2 : 7)) continue;
      for (const auto& c : waiting)
        if (c.service == name) f.cells.push_back(c);
      std::erase_if(waiting, [&](const auto& c) { return c.service == name; });
    }
    history.add(f);
    if (s < onset + 2) continue;
    Incident incident;
    incident.symptoms = {{.id = "s", .service = "shop", .operation = "op", .started = onset * nanos_per_s}};
    incident.causes = {{.entity = "service:pay", .kind = "errors", .probability = 1, .service = "pay"}};
    const auto word = corroborate(incident, goal_of(incident, {}, history), history, {&incident});
    EXPECT_FALSE(word.given) << s << " " << word.why;
  }
}

struct Hush {  // one sender for all; "book" falls silent, and "look" of the same service goes on, or not
  bool evaluated = true, others_go_on = true;
  double answered = 0;  // of the silent operation
  int forged = 0;       // answers a second on top of the real ones, until then
};
Corroboration hush(const Hush& story) {
  Past history;
  uint64_t served = 0;
  for (int64_t s = start; s < end; ++s) {
    const bool on = s >= onset;
    stream::Frame f{.tick = (s + 1) * nanos_per_s};
    const auto told = [&](const char* operation, double n) {
      stream::Cell c{.second = s, .service = "shop", .operation = operation, .credential = "all"};
      c.count = n, c.spans = static_cast<uint32_t>(n);
      if (n > 0) f.cells.push_back(c);
    };
    const double booked = on ? 12 * story.answered : 12;
    told("book", booked), told("look", on && !story.others_go_on ? 0 : 12);
    for (int i = 0; i < static_cast<int>(booked) + (on ? 0 : story.forged); ++i)
      f.outcomes.push_back({.second = s, .knob = "k", .service = "shop", .operation = "book", .entry = true});
    f.served = {{"k", "base", 1, served += on && !story.evaluated ? 0 : 12}};
    history.add(f);
  }
  Incident incident;
  incident.symptoms = {{.id = "s", .kind = SymptomKind::throughput, .service = "shop", .operation = "book"}};
  incident.symptoms[0].started = onset * nanos_per_s, incident.symptoms[0].baseline = 12;
  incident.causes = {{.entity = "service:shop", .kind = "down", .probability = 1, .service = "shop"}};
  return corroborate(incident, goal_of(incident, {}, history), history, {&incident});
}

TEST(Witness, requests_that_we_served_and_nobody_answers_confirm_a_hang) {
  EXPECT_TRUE(hush({}).given) << hush({}).why;
  EXPECT_FALSE(hush({.answered = 0.9}).given);
  EXPECT_FALSE(hush({.evaluated = false}).given) << "customers who stay away";
  EXPECT_FALSE(hush({.others_go_on = false}).given) << "perhaps only its telemetry is lost";
  EXPECT_FALSE(hush({.answered = 1, .forged = 100}).given) << "a forger who stops";
}

// Messages that take long: no request from outside tells of it, but those that consume them evaluate knobs, too.
Corroboration slow_messages(double forged) {
  Past history;
  uint64_t served = 0;
  for (int64_t s = start; s < end; ++s) {
    const bool on = s >= onset;
    stream::Frame f{.tick = (s + 1) * nanos_per_s};
    stream::Cell c{.second = s, .service = "courier", .operation = "deliver", .kind = 5, .credential = "all"};
    const auto told = [&](int n, double ms) {
      for (int i = 0; i < n; ++i) {
        c.duration_ms.add(ms), c.count += 1, c.spans += 1;
        f.outcomes.push_back({.second = s, .knob = "k", .service = "courier", .operation = "deliver", .message = true});
        f.outcomes.back().duration_ms = ms;
      }
    };
    forged > 0 ? told(12, 40) : told(12, on ? 400 : 40);
    if (forged > 0 && on) told(static_cast<int>(forged), 400);
    f.cells = {c};
    f.served = {{"k", "base", 1, served += 12}};
    history.add(f);
  }
  Incident incident;
  incident.symptoms = {{.id = "s", .kind = SymptomKind::latency, .service = "courier", .operation = "deliver"}};
  incident.symptoms[0].started = onset * nanos_per_s, incident.symptoms[0].limit_ms = 100;
  incident.causes = {{.entity = "service:courier", .kind = "slow", .probability = 1, .service = "courier"}};
  return corroborate(incident, goal_of(incident, {}, history), history, {&incident});
}

TEST(Witness, messages_that_we_served_confirm_a_slow_consumer) {
  EXPECT_TRUE(slow_messages(0).given) << slow_messages(0).why;
  EXPECT_FALSE(slow_messages(12).given) << "they came on top of the real ones";
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
