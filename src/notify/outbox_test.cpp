#include "notify/outbox.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace hs::notify {
namespace {

using json::Json;
using rules::AlertState;
using rules::Note;

constexpr int64_t t0 = 1'790'000'000'000, minute = 60'000;

Note note(const std::string& instance, int64_t sent_ms, int64_t resolved_ms = 0) {
  rules::Alert alert;
  alert.labels = promql::Labels::from({{"alertname", "Down"}, {"instance", instance}});
  alert.annotations = {{"summary", "it is down"}};
  alert.state = resolved_ms == 0 ? AlertState::firing : AlertState::inactive;
  alert.fired_at_ms = t0;
  alert.last_sent_ms = sent_ms;
  alert.resolved_at_ms = resolved_ms;
  alert.valid_until_ms = sent_ms + 4 * minute;
  return {alert, "up == 0"};
}

Origin origin() { return {promql::Labels::from({{"cluster", "eu"}, {"instance", "no"}}), "http://h:1/prometheus"}; }

Json body(const std::optional<Delivery>& delivery) {
  return delivery ? Json::parse(delivery->body, nullptr, false) : Json();
}

TEST(Alertmanager, IsToldTheNewestWordOfEachAlert) {
  const auto outbox = alertmanager_outbox(origin());
  EXPECT_FALSE(outbox->next(t0));
  outbox->add({note("a", t0), note("b", t0)}, t0);
  const auto first = outbox->next(t0);
  const Json list = body(first);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0]["labels"], (Json{{"alertname", "Down"}, {"cluster", "eu"}, {"instance", "a"}}));
  EXPECT_EQ(list[0]["annotations"]["summary"], "it is down");
  EXPECT_EQ(list[0]["startsAt"], format_rfc3339(t0 * nanos_per_ms));
  EXPECT_EQ(list[0]["endsAt"], format_rfc3339((t0 + 4 * minute) * nanos_per_ms));
  EXPECT_EQ(list[0]["generatorURL"], "http://h:1/prometheus/graph?g0.expr=up%20%3D%3D%200&g0.tab=1");
  outbox->settle(*first, Outcome::again, t0);
  EXPECT_EQ(outbox->waiting(), 2U);  // kept
  // While it was under way, one was resolved: that is still to be told.
  outbox->add({note("a", t0 + minute, t0 + minute)}, t0 + minute);
  outbox->settle(*first, Outcome::sent, t0 + minute);
  const auto second = outbox->next(t0 + minute);
  ASSERT_EQ(body(second).size(), 1U);
  EXPECT_EQ(body(second)[0]["endsAt"], format_rfc3339((t0 + minute) * nanos_per_ms));
  outbox->settle(*second, Outcome::sent, t0 + minute);
  EXPECT_FALSE(outbox->next(t0 + minute));
}

TEST(Alertmanager, IsBoundedInNumberAndAge) {
  const auto outbox = alertmanager_outbox(origin());
  for (size_t i = 0; i < Outbox::alerts_max + 5; ++i) outbox->add({note(std::to_string(i), t0)}, t0);
  EXPECT_EQ(outbox->waiting(), Outbox::alerts_max);
  EXPECT_EQ(outbox->dropped(), 5U);
  EXPECT_EQ(body(outbox->next(t0)).size(), 256U);
  EXPECT_FALSE(outbox->next(t0 + 5 * minute));  // nobody was reached: old news
  const auto refused = alertmanager_outbox(origin());
  refused->add({note("a", t0)}, t0);
  refused->settle(*refused->next(t0), Outcome::refused, t0);
  EXPECT_EQ(refused->dropped(), 1U);
  EXPECT_FALSE(refused->next(t0));
}

TEST(Webhook, GroupsWaitsRepeatsAndResolves) {
  const auto outbox = webhook_outbox(origin(), {});
  outbox->add({note("a", t0)}, t0);
  EXPECT_FALSE(outbox->next(t0 + 9'000));
  outbox->add({note("b", t0)}, t0 + 5'000);
  auto told = outbox->next(t0 + 10'000);
  Json payload = body(told);
  EXPECT_EQ(payload["version"], "4");
  EXPECT_EQ(payload["status"], "firing");
  EXPECT_EQ(payload["alerts"].size(), 2U);
  EXPECT_EQ(payload["groupLabels"], (Json{{"alertname", "Down"}}));
  EXPECT_EQ(payload["commonLabels"], (Json{{"alertname", "Down"}, {"cluster", "eu"}}));
  EXPECT_EQ(payload["commonAnnotations"], (Json{{"summary", "it is down"}}));
  outbox->settle(*told, Outcome::sent, t0 + 10'000);
  // The rules say the same again: nobody wants to hear it.
  outbox->add({note("a", t0 + minute), note("b", t0 + minute)}, t0 + minute);
  EXPECT_FALSE(outbox->next(t0 + 2 * minute));
  // One is over: told after the group's interval, once.
  outbox->add({note("a", t0 + 2 * minute, t0 + 2 * minute), note("b", t0 + 2 * minute)}, t0 + 2 * minute);
  told = outbox->next(t0 + 2 * minute);
  payload = body(told);
  EXPECT_EQ(payload["status"], "firing");
  EXPECT_EQ(payload["alerts"][0]["status"], "resolved");
  EXPECT_EQ(payload["alerts"][1]["endsAt"], "0001-01-01T00:00:00Z");
  outbox->settle(*told, Outcome::again, t0 + 2 * minute);
  told = outbox->next(t0 + 2 * minute + 1);  // the same again
  ASSERT_TRUE(told);
  outbox->settle(*told, Outcome::sent, t0 + 2 * minute + 1);
  outbox->add({note("a", t0 + 3 * minute, t0 + 2 * minute)}, t0 + 3 * minute);
  EXPECT_EQ(outbox->waiting(), 1U);
  // Nobody speaks of the other any more: it is over too, and then there is nothing left.
  told = outbox->next(t0 + 7 * minute);
  EXPECT_EQ(body(told)["status"], "resolved");
  outbox->settle(*told, Outcome::sent, t0 + 7 * minute);
  EXPECT_EQ(outbox->waiting(), 0U);
  EXPECT_FALSE(outbox->next(t0 + 24 * 60 * minute));
}

TEST(Webhook, RepeatsWhatGoesOnAndIsSilentOfWhatNobodyHeardOf) {
  const auto outbox = webhook_outbox(origin(), {.repeat_ms = 10 * minute});
  outbox->add({note("a", t0)}, t0);
  auto told = outbox->next(t0 + minute);
  ASSERT_TRUE(told);
  outbox->settle(*told, Outcome::sent, t0 + minute);
  for (int i = 2; i <= 11; ++i) outbox->add({note("a", t0 + i * minute)}, t0 + i * minute);
  EXPECT_FALSE(outbox->next(t0 + 10 * minute));
  EXPECT_TRUE(outbox->next(t0 + 11 * minute));
  const auto other = webhook_outbox(origin(), {});
  other->add({note("a", t0)}, t0);
  other->add({note("a", t0 + 1000, t0 + 1000)}, t0 + 1000);  // over before the group was due
  EXPECT_FALSE(other->next(t0 + minute));
  EXPECT_EQ(other->waiting(), 0U);
}

}  // namespace
}  // namespace hs::notify
