#include "loop/incident/kpis.h"

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

constexpr UnixNanos t0 = 1'800'000'000 * nanos_per_s;

Incident incident(int64_t begins_s, int64_t lasts_s, bool acted) {
  Incident out;
  out.id = "inc-" + std::to_string(begins_s);
  out.service = "pay";
  out.kind = "errors";
  out.started = t0 + begins_s * nanos_per_s;
  out.detected = out.started + 4 * nanos_per_s;
  if (acted) out.acted = out.started + 8 * nanos_per_s;
  if (lasts_s > 0) out.restored = out.started + lasts_s * nanos_per_s;
  out.state = lasts_s > 0 ? IncidentState::restored : IncidentState::explained;
  out.symptoms.push_back({});
  return out;
}

double value(const std::vector<metrics::Sample>& all, const std::string& name, const std::string& more) {
  for (const metrics::Sample& s : all)
    if (s.name == name && s.labels.find(more) != std::string::npos) return s.value;
  return -1;
}

TEST(KpiSamples, TimesAreHistogramsOfWhatEndedWithAndWithoutAnAction) {
  const std::deque<Incident> incidents = {incident(0, 25, true), incident(100, 50, true), incident(300, 200, false),
                                          incident(600, 0, false)};  // the last is still open
  std::vector<metrics::Sample> out;
  kpi_samples(incidents, {}, t0 + 700 * nanos_per_s, out);
  const std::string restore = "homeostat_incident_time_to_restore_seconds";
  const std::string acted = R"(service="pay",kind="errors",injected="false",acted="true")";
  EXPECT_EQ(value(out, restore + "_bucket", acted + R"(,le="20")"), 0);
  EXPECT_EQ(value(out, restore + "_bucket", acted + R"(,le="30")"), 1);
  EXPECT_EQ(value(out, restore + "_bucket", acted + R"(,le="60")"), 2);
  EXPECT_EQ(value(out, restore + "_bucket", acted + R"(,le="+Inf")"), 2);
  EXPECT_EQ(value(out, restore + "_count", acted), 2);
  EXPECT_DOUBLE_EQ(value(out, restore + "_sum", acted), 75);
  EXPECT_EQ(value(out, restore + "_count", R"(acted="false")"), 1);
  EXPECT_EQ(value(out, "homeostat_incident_time_to_detect_seconds_count", R"(acted="false")"), 2);  // open ones too
  EXPECT_EQ(value(out, "homeostat_incident_time_to_repair_seconds_count", ""), -1);  // no verdict: no such series
  EXPECT_EQ(value(out, "homeostat_incidents_open", ""), 1);
}

}  // namespace
}  // namespace hs::loop
