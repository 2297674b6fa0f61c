#include "loop/incident/life.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "loop/incident/codec.h"
#include "loop/incident/kpis.h"

namespace hs::loop {
namespace {

constexpr UnixNanos s = nanos_per_s;

Symptom symptom(const std::string& what, const std::string& service, UnixNanos detected) {
  Symptom out;
  out.id = what + "@" + std::to_string(detected / nanos_per_ms);
  out.service = service;
  out.started = detected - 2 * s;
  out.detected = detected;
  return out;
}

Explanation because(const std::string& service, std::vector<std::string> symptoms) {
  Cause cause;
  cause.entity = "service:" + service;
  cause.service = service;
  cause.kind = "errors";
  cause.probability = 0.8;
  return {{cause}, std::move(symptoms)};
}

std::vector<News::Kind> kinds(const std::vector<News>& news) {
  std::vector<News::Kind> out;
  for (const News& n : news) out.push_back(n.kind);
  return out;
}

using K = News::Kind;

TEST(Life, FromDetectedToClosed) {
  Life life;
  Symptom a = symptom("errors shop", "shop", 100 * s);
  const Explanation why = because("db", {a.id});
  EXPECT_EQ(kinds(life.step({&a}, {}, {why}, 100 * s)), (std::vector{K::opened, K::explained}));
  const std::string id = life.all().front().id;
  life.acted(id, "chg-1", 103 * s);
  life.verified(id, 107 * s);
  EXPECT_TRUE(life.step({&a}, {}, {why}, 108 * s).empty());
  a.ended = 109 * s;
  EXPECT_EQ(kinds(life.step({}, {a}, {}, 117 * s)), std::vector{K::restored});
  const Incident& incident = *life.find(id);
  EXPECT_EQ(incident.started, 98 * s);
  EXPECT_EQ(incident.acted, 103 * s);
  EXPECT_EQ(incident.verified, 107 * s);
  EXPECT_EQ(incident.restored, 109 * s);  // the start of the good run, not when it was believed
  EXPECT_EQ(kinds(life.step({}, {}, {}, 109 * s + reopen_hold_s * s)), std::vector{K::closed});
}

TEST(Life, WhatSuffersFromOneCauseIsOneIncident) {
  Life life;
  const Symptom a = symptom("errors shop", "shop", 100 * s), b = symptom("errors pay", "pay", 101 * s);
  life.step({&a}, {}, {because("shop", {a.id})}, 100 * s);
  EXPECT_EQ(kinds(life.step({&a, &b}, {}, {because("pay", {a.id, b.id})}, 101 * s)), std::vector{K::changed});
  EXPECT_EQ(life.all().size(), 1U);
  EXPECT_EQ(life.all().front().service, "pay");
}

TEST(Life, TwoFaultsAtOnceAreTwoIncidents) {
  Life life;
  const Symptom a = symptom("errors shop", "shop", 100 * s), b = symptom("errors pay", "pay", 100 * s);
  life.step({&a, &b}, {}, {because("shop", {a.id}), because("pay", {b.id})}, 100 * s);
  EXPECT_EQ(life.all().size(), 2U);
}

TEST(Life, WhatWasTakenForOneIsSplitWhenItPersists) {
  Life life;
  const Symptom a = symptom("errors shop", "shop", 100 * s), b = symptom("errors pay", "pay", 100 * s);
  life.step({&a, &b}, {}, {because("shop", {a.id, b.id})}, 100 * s);
  for (int64_t i = 1; i < split_after_s; ++i)
    life.step({&a, &b}, {}, {because("shop", {a.id}), because("pay", {b.id})}, (100 + i) * s);
  EXPECT_EQ(life.all().size(), 1U);
  life.step({&a, &b}, {}, {because("shop", {a.id}), because("pay", {b.id})}, (100 + split_after_s) * s);
  EXPECT_EQ(life.all().size(), 2U);
}

TEST(Life, TwoThatTurnOutToBeOneAreMerged) {
  Life life;
  const Symptom a = symptom("errors shop", "shop", 100 * s), b = symptom("errors pay", "pay", 101 * s);
  life.step({&a}, {}, {because("shop", {a.id})}, 100 * s);
  life.step({&a, &b}, {}, {because("shop", {a.id}), because("pay", {b.id})}, 101 * s);
  const auto news = life.step({&a, &b}, {}, {because("pay", {a.id, b.id})}, 102 * s);
  ASSERT_FALSE(news.empty());
  EXPECT_EQ(news.front().kind, K::merged);
  EXPECT_EQ(news.front().into, life.all().front().id);
}

TEST(Life, OneThatWasActedOnStaysItself) {
  Life life;
  const Symptom a = symptom("errors shop", "shop", 100 * s), b = symptom("errors pay", "pay", 101 * s);
  life.step({&a}, {}, {because("shop", {a.id})}, 100 * s);
  life.step({&a, &b}, {}, {because("shop", {a.id}), because("pay", {b.id})}, 101 * s);
  const std::string second = life.all().back().id;
  life.acted(second, "chg-1", 102 * s);
  EXPECT_TRUE(life.step({&a, &b}, {}, {because("shop", {a.id, b.id})}, 103 * s).empty());
  EXPECT_EQ(life.find(second)->state, IncidentState::acting);
}

TEST(Life, PeersThatHaveNothingInCommonAreNotOneCause) {
  Life life;
  Symptom a = symptom("errors shop > redis", "shop", 100 * s);
  const auto peer = [](const std::string& name, const std::string& id) {
    Explanation e = because("", {id});
    e.causes[0].entity = "peer:" + name;
    return e;
  };
  life.step({&a}, {}, {peer("redis", a.id)}, 100 * s);
  a.ended = 105 * s;
  life.step({}, {a}, {}, 112 * s);
  const Symptom other = symptom("errors cart > carrier", "cart", 130 * s);
  life.step({&other}, {}, {peer("carrier", other.id)}, 130 * s);
  EXPECT_EQ(life.all().size(), 2U);
}

TEST(Life, WhatComesBackWithinItsHoldCountsOnce) {
  Life life;
  Symptom a = symptom("errors shop", "shop", 100 * s);
  life.step({&a}, {}, {because("shop", {a.id})}, 100 * s);
  a.ended = 105 * s;
  life.step({}, {a}, {}, 112 * s);
  const Symptom again = symptom("errors shop", "shop", 130 * s);
  EXPECT_EQ(kinds(life.step({&again}, {}, {because("shop", {again.id})}, 130 * s)), std::vector{K::reopened});
  EXPECT_EQ(life.all().size(), 1U);
  EXPECT_EQ(life.all().front().reopened, 1);
  EXPECT_EQ(life.all().front().restored, 0);
}

TEST(Life, ARestartDoesNotEndWhatTheDetectorsHaveNotSeenYet) {
  Life before;
  const Symptom a = symptom("errors shop", "shop", 100 * s);
  before.step({&a}, {}, {because("shop", {a.id})}, 100 * s);
  Life after;
  const nlohmann::json recorded = to_json(before.all().front());
  after.restore({incident_from(recorded)}, {});
  EXPECT_TRUE(after.step({}, {}, {}, 110 * s).empty());
  const Symptom again = symptom("errors shop", "shop", 115 * s);
  after.step({&again}, {}, {because("shop", {again.id})}, 115 * s);
  ASSERT_EQ(after.all().size(), 1U);
  EXPECT_EQ(after.all().front().id, before.all().front().id);
  EXPECT_EQ(after.all().front().reopened, 0);
}

TEST(Life, WhatIsSeenAgainAfterARestartTakesThePlaceOfWhatWasKnown) {
  Life before;
  const Symptom a = symptom("errors shop", "shop", 100 * s);
  before.step({&a}, {}, {because("shop", {a.id})}, 100 * s);
  Life after;
  after.restore({incident_from(to_json(before.all().front()))}, {});
  after.step({}, {}, {}, 110 * s);
  const Symptom again = symptom("errors shop", "shop", 115 * s);
  // Another cause seems likelier at first: with the same watch it is the same incident all the same.
  for (int64_t t = 115; t < 150; ++t) after.step({&again}, {}, {because("pay", {again.id})}, t * s);
  ASSERT_EQ(after.all().size(), 1U);
  const Incident& incident = after.all().front();
  ASSERT_EQ(incident.symptoms.size(), 1U) << "one that nobody follows any more would go on for ever";
  EXPECT_EQ(incident.symptoms[0].id, again.id);
  EXPECT_EQ(incident.symptoms[0].started, a.started);
  Symptom over = again;
  over.ended = 150 * s;
  EXPECT_EQ(kinds(after.step({}, {over}, {}, 158 * s)), std::vector{K::restored});
  EXPECT_EQ(incident.restored, 150 * s);
}

TEST(Life, WhatEndedWhileNobodyLookedEndedWhenWeWereBack) {
  Life before;
  const Symptom a = symptom("errors shop", "shop", 100 * s), b = symptom("slow pay", "pay", 101 * s);
  before.step({&a}, {}, {because("shop", {a.id})}, 100 * s);
  before.step({&a, &b}, {}, {because("shop", {a.id, b.id})}, 101 * s);
  Life after;
  after.restore({incident_from(to_json(before.all().front()))}, {});
  std::vector<News> news;
  for (int64_t t = 160; t < 200 && news.empty(); ++t) news = after.step({}, {}, {}, t * s);
  EXPECT_EQ(kinds(news), std::vector{K::restored});
  EXPECT_EQ(after.all().front().restored, 160 * s) << "the first second that we know of";
  EXPECT_EQ(after.all().front().symptoms[1].ended, 160 * s);
}

TEST(Life, InjectedFaultsOnlyMark) {
  Life life;
  life.injected({.id = "f", .service = "shop", .kind = "down", .started = 99 * s, .ended = 0});
  const Symptom a = symptom("errors shop", "shop", 100 * s);
  life.step({&a}, {}, {because("shop", {a.id})}, 100 * s);
  EXPECT_TRUE(life.all().front().injected);
}

TEST(Life, TimesCountFromTheFaultThatWasThere) {
  Life life;
  life.injected({.id = "f", .service = "shop", .kind = "down", .started = 20 * s, .ended = 95 * s});
  const Symptom a = symptom("errors shop", "shop", 100 * s);
  life.step({&a}, {}, {because("", {a.id})}, 103 * s);
  const auto told = [&] { return kpis(life.all(), life.faults(), 110 * s)["groups"][0]; };
  EXPECT_EQ(told()["service"], "shop") << "the cause is a peer: the service that suffers";
  EXPECT_EQ(told()["time_to_detect"]["p50"], 5.0) << "it began after that fault";
  life.injected({.id = "g", .service = "shop", .kind = "down", .started = 97 * s, .ended = 0});
  EXPECT_EQ(told()["time_to_detect"]["p50"], 6.0);
}

TEST(Life, AFaultEndsWithTheProcessThatHeldIt) {
  Life life;
  life.restore({}, {{.id = "f", .service = "shop", .kind = "down", .started = 99 * s, .ended = 0}});
  life.step({}, {}, {}, 200 * s);
  ASSERT_EQ(life.faults().size(), 1U);
  EXPECT_EQ(life.faults().front().ended, 200 * s);
  const Symptom a = symptom("errors shop", "shop", 900 * s);
  life.step({&a}, {}, {because("shop", {a.id})}, 900 * s);
  EXPECT_FALSE(life.all().front().injected) << "a natural one";
}

}  // namespace
}  // namespace hs::loop
