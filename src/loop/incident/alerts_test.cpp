// Alerts in the life of incidents: what they join, what they open, what they cannot do.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "loop/incident/codec.h"
#include "loop/incident/life.h"

namespace hs::loop {
namespace {

constexpr UnixNanos s = nanos_per_s;
using K = News::Kind;

stream::FiringAlert alert(const std::string& name, const std::string& service, UnixNanos since) {
  return {.id = "alert " + service + name + "@" + std::to_string(since / nanos_per_ms),
          .name = name,
          .service = service,
          .labels = "{alertname=\"" + name + "\"}",
          .rule_from = "the group g in r.yml",
          .value = 7,
          .since = since};
}

Symptom departs(const std::string& service, UnixNanos detected) {
  Symptom out;
  out.id = "errors " + service + "@" + std::to_string(detected / nanos_per_ms);
  out.service = service, out.started = detected - 2 * s, out.detected = detected;
  return out;
}

Explanation because(const std::string& service, const Symptom& symptom) {
  Cause cause;
  cause.entity = "service:" + service, cause.service = service, cause.kind = "errors", cause.probability = 0.8;
  return {{cause}, {symptom.id}};
}

std::vector<K> kinds(const std::vector<News>& news) {
  std::vector<K> out;
  for (const News& n : news) out.push_back(n.kind);
  return out;
}

TEST(Alerts, OneJoinsTheIncidentOfItsServiceAndDoesNotKeepItOpen) {
  Life life;
  Symptom a = departs("shop", 100 * s);
  life.step({&a}, {}, {because("db", a)}, 100 * s);
  const std::vector firing{alert("Errors", "shop", 101 * s), alert("Slow", "db", 102 * s)};
  EXPECT_EQ(kinds(life.alerts(firing, 105 * s)), (std::vector{K::alerted, K::alerted}));  // who suffers, and the cause
  EXPECT_TRUE(life.alerts(firing, 106 * s).empty());                                      // told once
  ASSERT_EQ(life.all().size(), 1U);
  const Incident& incident = life.all().front();
  EXPECT_EQ(incident.symptoms.size(), 1U);  // nothing that decides sees them
  ASSERT_EQ(incident.alerts.size(), 2U);
  EXPECT_EQ(incident.alerts[0].kind, SymptomKind::alert);
  EXPECT_NE(incident.alerts[0].evidence.find("the alert Errors of the group g in r.yml fires with 7"),
            std::string::npos);
  EXPECT_EQ(incident.started, 98 * s);

  a.ended = 109 * s;
  EXPECT_EQ(kinds(life.step({}, {a}, {}, 117 * s)), std::vector{K::restored});  // though both still fire
  EXPECT_EQ(incident.restored, 109 * s);
  EXPECT_TRUE(life.alerts(firing, 117 * s).empty());
  EXPECT_EQ(kinds(life.step({}, {}, {}, 109 * s + reopen_hold_s * s)), std::vector{K::closed});
  EXPECT_TRUE(life.alerts(firing, 180 * s).empty());  // and they open nothing afterwards
  EXPECT_EQ(life.all().size(), 1U);
}

TEST(Alerts, OneThatComesLateBelongsToWhatIsOver) {
  Life life;
  Symptom a = departs("shop", 100 * s);
  life.step({&a}, {}, {because("shop", a)}, 100 * s);
  a.ended = 130 * s;
  life.step({}, {a}, {}, 138 * s);
  EXPECT_EQ(kinds(life.alerts({alert("Errors", "shop", 101 * s)}, 160 * s)), std::vector{K::alerted});
  EXPECT_EQ(life.all().front().state, IncidentState::restored);
  EXPECT_EQ(kinds(life.alerts({alert("Errors", "shop", 145 * s)}, 165 * s)), std::vector{K::opened});
}

TEST(Alerts, OneAloneIsAnIncidentThatEndsWithIt) {
  Life life;
  const auto firing = alert("DiskFull", "db", 90 * s);
  EXPECT_EQ(kinds(life.alerts({firing}, 100 * s)), std::vector{K::opened});
  const std::string id = life.all().front().id;
  EXPECT_EQ(life.find(id)->started, 90 * s);
  EXPECT_EQ(life.find(id)->kind, "alert");
  EXPECT_EQ(life.find(id)->service, "db");
  EXPECT_NE(life.find(id)->decision.find("needs a human"), std::string::npos);
  EXPECT_TRUE(life.step({}, {}, {}, 101 * s).empty());
  life.alerts({}, 120 * s);
  EXPECT_EQ(kinds(life.step({}, {}, {}, 121 * s)), std::vector{K::restored});
  EXPECT_EQ(life.find(id)->restored, 120 * s);
  EXPECT_EQ(kinds(life.alerts({alert("DiskFull", "db", 140 * s)}, 140 * s)), (std::vector{K::reopened, K::alerted}));
  EXPECT_EQ(life.find(id)->reopened, 1);
}

TEST(Alerts, WhatDepartsAfterwardsIsTheSameIncident) {
  Life life;
  life.alerts({alert("Errors", "shop", 90 * s)}, 100 * s);
  Symptom a = departs("shop", 110 * s);
  EXPECT_EQ(kinds(life.step({&a}, {}, {because("db", a)}, 110 * s)), std::vector{K::explained});
  ASSERT_EQ(life.all().size(), 1U);
  EXPECT_EQ(life.all().front().service, "db");
  EXPECT_EQ(life.all().front().decision, "");
  Symptom other = departs("mail", 120 * s);
  EXPECT_EQ(kinds(life.step({&a, &other}, {}, {because("db", a), because("mail", other)}, 120 * s)),
            (std::vector{K::opened, K::explained}));
}

TEST(Alerts, InventedServicesOpenABoundedNumberOfIncidents) {
  Life life;
  std::vector<stream::FiringAlert> firing;
  for (int i = 0; i < 100; ++i) firing.push_back(alert("Down", "svc" + std::to_string(i), 50 * s));
  life.alerts(firing, 100 * s);
  EXPECT_EQ(life.all().size(), alert_incidents_max);
  firing.clear();
  for (int i = 0; i < 100; ++i) firing.push_back(alert("Many" + std::to_string(i), "svc0", 50 * s));
  life.alerts(firing, 101 * s);
  EXPECT_EQ(life.all().front().alerts.size(), alerts_of_incident_max);
}

TEST(Alerts, TextOfOthersIsPrintableAndShort) {
  Life life;
  stream::FiringAlert hostile = alert("X\n\x1b[2J", std::string(5'000, 'a') + "\n", 50 * s);
  hostile.labels = std::string(100'000, 'x');
  life.alerts({hostile}, 100 * s);
  const Symptom& known = life.all().front().alerts.front();
  EXPECT_EQ((known.evidence + known.service + known.objective).find_first_of("\n\x1b"), std::string::npos);
  EXPECT_LT(known.evidence.size(), 2'000U);
}

TEST(Alerts, ARestartForgetsNone) {
  Life life;
  const auto firing = alert("DiskFull", "db", 90 * s);
  life.alerts({firing}, 100 * s);
  std::deque<Incident> saved;
  for (const Incident& incident : life.all()) saved.push_back(incident_from(to_json(incident)));
  ASSERT_EQ(saved.front().alerts.size(), 1U);
  EXPECT_TRUE(saved.front().symptoms.empty());
  Life back;
  back.restore(std::move(saved), {});
  for (int at = 110; at < 150; ++at) EXPECT_TRUE(back.step({}, {}, {}, at * s).empty());  // rules are not asked yet
  EXPECT_TRUE(back.alerts({firing}, 150 * s).empty());  // the same episode, the same incident
  EXPECT_TRUE(is_open(back.all().front()));
  back.alerts({}, 160 * s);
  EXPECT_EQ(kinds(back.step({}, {}, {}, 161 * s)), std::vector{K::restored});
}

}  // namespace
}  // namespace hs::loop
