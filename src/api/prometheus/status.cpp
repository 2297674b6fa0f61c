// What Prometheus tells of itself, as far as it has a meaning here.

#include <fmt/format.h>
#include <unistd.h>

#include <thread>

#include "api/prometheus/reader.h"
#include "base/json.h"

namespace hs::api::prometheus {
namespace {

// Clients switch features by this: we answer as this version does.
constexpr std::string_view compatible_version = "3.14.0";

constexpr int64_t tsdb_window_ms = 3'600'000;  // "now", for counts of series: what was described in this window
constexpr size_t tsdb_limit = 10, tsdb_limit_max = 10'000;

std::string duration_text(int64_t ms) { return ms == 0 ? "0s" : format_duration_ms(ms); }

json::Json counts_json(const std::vector<promql::store::NamedCount>& counts) {
  json::Json out = json::Json::array();
  for (const auto& [name, count] : counts) out.push_back({{"name", name}, {"value", count}});
  return out;
}

}  // namespace

// No `features`: with them Grafana takes us for a Mimir whose rules it may write.
Reply build_info(Asking& asking) {
  return Answer{json::dump({{"version", compatible_version},
                            {"revision", "homeostat-" + asking.options.version},
                            {"branch", "homeostat"},
                            {"buildUser", ""},
                            {"buildDate", ""},
                            {"goVersion", ""}})};
}

Reply runtime_info(Asking& asking) {
  const UnixNanos started = asking.options.started;
  const int64_t retention = asking.options.retention_ms;
  return Answer{json::dump({{"startTime", format_rfc3339(started)},
                            {"serverTime", format_rfc3339(asking.outside.clock.wall())},
                            {"CWD", ""},
                            {"reloadConfigSuccess", true},
                            {"lastConfigTime", format_rfc3339(started)},
                            {"corruptionCount", 0},
                            {"goroutineCount", 0},
                            {"GOMAXPROCS", std::thread::hardware_concurrency()},
                            {"GOMEMLIMIT", 0},
                            {"GOGC", ""},
                            {"GODEBUG", ""},
                            {"storageRetention", retention == 0 ? "0" : duration_text(retention)}})};
}

Reply config(Asking&) { return Answer{R"({"yaml":"global: {}\n"})"}; }

Reply flags(Asking& asking) {
  const ReadOptions& o = asking.options;
  return Answer{json::dump({{"query.lookback-delta", duration_text(o.lookback_ms)},
                            {"query.timeout", duration_text(o.timeout_ms)},
                            {"query.max-samples", std::to_string(o.limits.max_samples)},
                            {"storage.tsdb.retention.time", duration_text(o.retention_ms)},
                            {"web.enable-remote-write-receiver", "true"},
                            {"web.enable-admin-api", "false"}})};
}

Reply tsdb(Asking& asking) {
  const auto limit = asking.params.limit("limit");
  if (!limit) return tl::unexpected(limit.error());
  if (*limit > tsdb_limit_max) return bad_parameter("limit", fmt::format("must not exceed {}", tsdb_limit_max));
  const int64_t now = asking.now_ms();
  HS_STORED(const auto c, asking.source().cardinality({now - tsdb_window_ms, now + tsdb_window_ms},
                                                      *limit == 0 ? tsdb_limit : *limit));
  return Answer{json::dump({{"headStats",
                             {{"numSeries", c.series},
                              {"numLabelPairs", c.label_pairs},
                              {"chunkCount", 0},
                              {"minTime", now - tsdb_window_ms},
                              {"maxTime", now}}},
                            {"seriesCountByMetricName", counts_json(c.by_metric)},
                            {"labelValueCountByLabelName", counts_json(c.values_by_label)},
                            {"memoryInBytesByLabelName", counts_json(c.bytes_by_label)},
                            {"seriesCountByLabelValuePair", counts_json(c.by_pair)}})};
}

Reply empty_list(Asking&) { return Answer{"[]"}; }

}  // namespace hs::api::prometheus
