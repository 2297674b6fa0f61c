// Who is scraped, and what they say of their metrics: targets, targets/metadata, scrape_pools.

#include <algorithm>

#include <fmt/format.h>

#include "api/prometheus/reader.h"
#include "base/json.h"

namespace hs::api::prometheus {
namespace {

using json::Json;

scrape::Report report_of(const Asking& asking) {
  return asking.outside.targets ? asking.outside.targets() : scrape::Report();
}

std::string_view name_of(scrape::Health health) {
  switch (health) {
    case scrape::Health::up:
      return "up";
    case scrape::Health::down:
      return "down";
    case scrape::Health::unknown:
      break;
  }
  return "unknown";
}

Json target_json(const scrape::TargetReport& t) {
  // Prometheus' text of "never".
  const std::string last = t.state.last_scrape == 0 ? "0001-01-01T00:00:00Z" : format_rfc3339(t.state.last_scrape);
  return {{"discoveredLabels", t.discovered},
          {"labels", t.labels},
          {"scrapePool", t.job},
          {"scrapeUrl", t.url},
          {"globalUrl", t.url},
          {"lastError", t.state.error},
          {"lastScrape", last},
          {"lastScrapeDuration", static_cast<double>(t.state.duration_ns) / 1e9},
          {"health", name_of(t.state.health)},
          {"scrapeInterval", t.interval},
          {"scrapeTimeout", t.timeout}};
}

bool matches(const std::vector<promql::Matcher>& matchers, const config::LabelMap& labels) {
  return std::all_of(matchers.begin(), matchers.end(), [&](const promql::Matcher& m) {
    const auto at = labels.find(m.name());
    return m.matches(at == labels.end() ? std::string_view() : std::string_view(at->second));
  });
}

}  // namespace

Reply targets(Asking& asking) {
  const scrape::Report report = report_of(asking);
  const std::string_view state = asking.params.text("state"), pool = asking.params.text("scrapePool");
  if (!state.empty() && state != "active" && state != "dropped" && state != "any")
    return bad_parameter("state", "must be active, dropped or any");
  const auto wanted = [&](const std::string& job) { return pool.empty() || pool == job; };
  Json active = Json::array(), dropped = Json::array(), counts = Json::object();
  if (state != "dropped")
    for (const scrape::TargetReport& t : report.active)
      if (wanted(t.job)) active.push_back(target_json(t));
  if (state != "active") {
    for (const scrape::DroppedTarget& t : report.dropped)
      if (wanted(t.job)) dropped.push_back({{"discoveredLabels", t.discovered}, {"scrapePool", t.job}});
    for (const auto& [job, count] : report.dropped_counts)
      if (wanted(job)) counts[job] = count;
  }
  return Answer{json::dump({{"activeTargets", std::move(active)},
                            {"droppedTargets", std::move(dropped)},
                            {"droppedTargetCounts", std::move(counts)}})};
}

Reply targets_metadata(Asking& asking) {
  const auto limit = asking.params.limit("limit");
  if (!limit) return tl::unexpected(limit.error());
  std::vector<promql::Matcher> matchers;
  if (!asking.params.text("match_target").empty()) {
    auto parsed = promql::parse_selector(asking.params.text("match_target"));
    if (!parsed) return bad_parameter("match_target", parsed.error().message);
    matchers = std::move(*parsed);
  }
  const std::string_view metric = asking.params.text("metric");
  Json out = Json::array();
  const scrape::Report report = report_of(asking);
  for (const scrape::TargetReport& t : report.active) {
    if (t.state.metadata == nullptr || !matches(matchers, t.labels)) continue;
    for (const auto& [name, m] : *t.state.metadata) {
      if (!metric.empty() && metric != name) continue;
      if (*limit > 0 && out.size() == *limit) return Answer{json::dump(out)};
      Json one = {{"target", t.labels}, {"type", m.type}, {"help", m.help}, {"unit", m.unit}};
      if (metric.empty()) one["metric"] = name;
      out.push_back(std::move(one));
    }
  }
  return Answer{json::dump(out)};
}

Reply scrape_pools(Asking& asking) { return Answer{json::dump({{"scrapePools", report_of(asking).jobs}})}; }

}  // namespace hs::api::prometheus
