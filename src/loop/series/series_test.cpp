#include "loop/series/series.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

constexpr int64_t t0 = 1'800'000'000;
using Samples = std::vector<metrics::Sample>;

const metrics::Sample* find(const Samples& all, const std::string& name, const std::string& labels) {
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.name == name && s.labels == labels; });
  return at == all.end() ? nullptr : &*at;
}
double value(const Samples& all, const std::string& name, const std::string& labels = "") {
  const metrics::Sample* one = find(all, name, labels);
  EXPECT_NE(one, nullptr) << name << "{" << labels << "}";
  return one == nullptr ? -1 : one->value;
}

config::Kpi kpi(std::string name, config::KpiKind kind) {
  config::Kpi out;
  out.name = std::move(name);
  out.kind = kind;
  return out;
}
stream::Frame frame(int64_t second, double numerator, double denominator, double ms) {
  stream::Frame out;
  out.tick = second * nanos_per_s;
  for (const char* name : {"orders", "share", "p50"}) {
    stream::KpiPoint point{.second = second, .name = name, .numerator = numerator, .denominator = denominator};
    point.values.add(ms, denominator);
    out.kpis.push_back(std::move(point));
  }
  return out;
}

TEST(TeamKpis, AreOverTheLastCompleteMinute) {
  TeamKpis kpis;
  const std::vector<config::Kpi> declared = {kpi("orders", config::KpiKind::counter),
                                             kpi("share", config::KpiKind::ratio),
                                             kpi("p50", config::KpiKind::quantile)};
  for (int64_t s = 0; s < 200; ++s) kpis.add(frame(t0 + s, s < 100 ? 1 : 3, 4, s < 100 ? 10 : 1000));
  Samples out;
  kpis.samples(declared, (t0 + 199) * nanos_per_s, out);
  EXPECT_EQ(value(out, "homeostat_kpi", R"(kpi="orders",kind="counter",better="higher")"), 180);
  EXPECT_EQ(value(out, "homeostat_kpi", R"(kpi="share",kind="ratio",better="higher")"), 0.75);
  EXPECT_NEAR(value(out, "homeostat_kpi", R"(kpi="p50",kind="quantile",better="higher")"), 1000, 20);
}

TEST(TeamKpis, SilenceIsZeroEventsAndNoRatio) {
  TeamKpis kpis;
  config::Kpi orders = kpi("orders", config::KpiKind::counter);
  orders.target = 60;
  Samples out;
  kpis.samples({orders, kpi("share", config::KpiKind::ratio)}, t0 * nanos_per_s, out);
  EXPECT_EQ(out.size(), 2u);
  EXPECT_EQ(value(out, "homeostat_kpi", R"(kpi="orders",kind="counter",better="higher")"), 0);
  EXPECT_EQ(value(out, "homeostat_kpi_target", R"(kpi="orders",kind="counter",better="higher")"), 60);
}

TEST(LoopSamples, AFaultIsToldWhileItIsOn) {
  Machine machine{Policy{}};
  machine.injected({.id = "f1", .service = "pay", .kind = "errors", .started = t0 * nanos_per_s, .ended = 0});
  machine.injected({.id = "f0",
                    .service = "pay",
                    .kind = "slow",
                    .started = (t0 - 50) * nanos_per_s,
                    .ended = (t0 - 10) * nanos_per_s});
  Samples out;
  loop_samples(machine, {}, (t0 + 5) * nanos_per_s, out);
  EXPECT_EQ(value(out, "homeostat_fault", R"(fault="f1",service="pay",kind="errors")"), 1);
  EXPECT_EQ(find(out, "homeostat_fault", R"(fault="f0",service="pay",kind="slow")"), nullptr);
  EXPECT_EQ(value(out, "homeostat_changes_in_flight"), 0);
}

TEST(KnobSamples, TellWhatIsInForceAndWhoSeesIt) {
  config::Knob retries;
  retries.key = "retries";
  config::Knob provider;
  provider.key = "provider";
  values::State state;
  state.knobs.push_back({.key = "retries", .base = int64_t{3}});
  state.knobs.push_back({.key = "provider", .base = std::string("a\"b")});
  state.knobs[0].promoted = values::Promoted{.value = int64_t{1}, .change = "c1"};
  state.knobs[1].candidate =
      values::Candidate{.value = std::string("backup"), .exposure = 0.2, .deadline = 100, .boot_id = "boot"};
  Samples out;
  knob_samples(state, {retries, provider}, 50, "boot", out);
  EXPECT_EQ(value(out, "homeostat_knob_value", R"(knob="retries",variant="promoted")"), 1);
  EXPECT_EQ(value(out, "homeostat_knob_promoted", R"(knob="retries")"), 1);
  EXPECT_EQ(value(out, "homeostat_knob", R"(knob="provider",variant="base",value="a\"b")"), 1);
  EXPECT_EQ(value(out, "homeostat_knob", R"(knob="provider",variant="candidate",value="backup")"), 1);
  EXPECT_EQ(value(out, "homeostat_knob_exposure", R"(knob="provider")"), 0.2);
  out.clear();
  knob_samples(state, {provider}, 100, "boot", out);  // the lease is over
  EXPECT_EQ(value(out, "homeostat_knob_exposure", R"(knob="provider")"), 0);
}

}  // namespace
}  // namespace hs::loop
