#include "promql/store/naming.h"

#include <gtest/gtest.h>

namespace hs::promql::store {
namespace {

using enum model::MetricKind;

std::string named(std::string_view name, std::string_view unit, model::MetricKind kind, bool monotonic = false) {
  return metric_name({}, name, unit, kind, monotonic);
}

TEST(Naming, UnitsAndTypesBecomeSuffixes) {
  EXPECT_EQ(named("http.server.request.duration", "s", histogram), "http_server_request_duration_seconds");
  EXPECT_EQ(named("system.io", "By", sum, true), "system_io_bytes_total");
  EXPECT_EQ(named("system.io.total", "By", sum, true), "system_io_bytes_total");
  EXPECT_EQ(named("queue", "{item}", sum), "queue");
  EXPECT_EQ(named("net.rate", "By/s", gauge), "net_rate_bytes_per_second");
  EXPECT_EQ(named("cpu.utilization", "1", gauge), "cpu_utilization_ratio");
  EXPECT_EQ(named("hits", "1", sum, true), "hits_total");
  EXPECT_EQ(named("wait_seconds", "s", gauge), "wait_seconds");
  EXPECT_EQ(named("2xx..count", "", gauge), "_2xx_count");
  EXPECT_EQ(named("temp", "Cel", gauge), "temp_celsius");
}

TEST(Naming, OtherStrategies) {
  EXPECT_EQ(metric_name(naming_of("NoTranslation"), "a.b", "s", gauge, false), "a.b");
  EXPECT_EQ(metric_name(naming_of("UnderscoreEscapingWithoutSuffixes"), "a.b", "s", sum, true), "a_b");
  EXPECT_EQ(metric_name(naming_of("NoUTF8EscapingWithSuffixes"), "a.b", "s", sum, true), "a.b_seconds_total");
  EXPECT_EQ(naming_of("UnderscoreEscapingWithSuffixes"), Naming{});
}

TEST(Naming, Labels) {
  EXPECT_EQ(label_name({}, "http.route"), "http_route");
  EXPECT_EQ(label_name({}, "2nd"), "key_2nd");
  EXPECT_EQ(label_name({}, "_private"), "key_private");
  EXPECT_EQ(label_name({}, "__meta"), "__meta");
  EXPECT_EQ(label_name(naming_of("NoTranslation"), "http.route"), "http.route");
}

}  // namespace
}  // namespace hs::promql::store
