// rules, alerts, alertmanagers: what the rules say now.
// https://prometheus.io/docs/prometheus/latest/querying/api/#rules

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "api/prometheus/reader.h"
#include "base/hash.h"
#include "base/json.h"
#include "promql/quote.h"

namespace hs::api::prometheus {
namespace {

using json::Json;
using rules::Alert;
using rules::GroupViewPtr;
using rules::RuleSpec;
using rules::RuleView;

// What a request wants to see.
struct Filter {
  bool recording = true, alerting = true, alerts = true;
  std::set<std::string, std::less<>> names, groups, files;
  std::vector<std::vector<promql::Matcher>> matchers;

  bool shows(const RuleSpec& rule) const {
    if (!(rule.alerting ? alerting : recording)) return false;
    if (!names.empty() && !names.contains(rule.name)) return false;
    const promql::Labels labels = promql::Labels::from(rule.labels);
    const auto fits = [&](const auto& set) {
      return std::all_of(set.begin(), set.end(),
                         [&](const promql::Matcher& m) { return m.matches(labels.get(m.name())); });
    };
    return matchers.empty() || std::any_of(matchers.begin(), matchers.end(), fits);
  }
  bool shows(const rules::GroupSpec& group) const {
    return (groups.empty() || groups.contains(group.name)) && (files.empty() || files.contains(group.file));
  }
};

promql::QueryResult<Filter> filter_of(const Asking& asking) {
  Filter out;
  const std::string_view type = asking.params.text("type");
  if (!type.empty() && type != "alert" && type != "record")
    return bad_parameter("type", fmt::format("not supported value {}", promql::quote(type)));
  out.recording = type != "alert";
  out.alerting = type != "record";
  const std::string_view exclude = asking.params.text("exclude_alerts");
  constexpr std::string_view known[] = {"",  "0", "f", "F",    "false", "False", "FALSE",
                                        "1", "t", "T", "true", "True",  "TRUE"};
  const auto* at = std::find(std::begin(known), std::end(known), exclude);
  if (at == std::end(known)) return bad_parameter("exclude_alerts", "write true or false");
  out.alerts = at - std::begin(known) < 7;
  const auto texts = [&](std::string_view name) {
    std::set<std::string, std::less<>> set;
    for (const std::string_view one : asking.params.all(name)) set.emplace(one);
    return set;
  };
  out.names = texts("rule_name[]");
  out.groups = texts("rule_group[]");
  out.files = texts("file[]");
  auto matchers = asking.params.selectors();
  if (!matchers) return tl::unexpected(matchers.error());
  out.matchers = std::move(*matchers);
  return out;
}

template <class List>
Json labels_json(const List& labels) {
  Json out = Json::object();
  for (const promql::Label& label : labels) out[label.name] = label.value;
  return out;
}

std::string time_text(int64_t unix_ms) {
  return unix_ms == 0 ? "0001-01-01T00:00:00Z" : format_rfc3339(unix_ms * nanos_per_ms);
}

Json alert_json(const Alert& alert) {
  Json out = {{"labels", labels_json(alert.labels)},
              {"annotations", labels_json(alert.annotations)},
              {"state", rules::name_of(alert.state)},
              {"activeAt", time_text(alert.active_at_ms)},
              {"value", promql::format_exponent(alert.value)}};
  if (alert.keep_firing_since_ms != 0) out["keepFiringSince"] = time_text(alert.keep_firing_since_ms);
  return out;
}

std::string_view state_of(const RuleView& view) {
  if (view.evaluated_at_ms == 0) return "unknown";
  rules::AlertState most = rules::AlertState::inactive;
  for (const Alert& alert : view.alerts) most = std::max(most, alert.state);
  return rules::name_of(most);
}

Json rule_json(const RuleSpec& rule, const RuleView& view, bool with_alerts) {
  Json out = {{"name", rule.name},
              {"query", rule.expr},
              {"labels", labels_json(rule.labels)},
              {"health", rules::name_of(view.health)},
              {"evaluationTime", view.evaluation_s},
              {"lastEvaluation", time_text(view.evaluated_at_ms)},
              {"type", rule.alerting ? "alerting" : "recording"}};
  if (!view.last_error.empty()) out["lastError"] = view.last_error;
  if (!rule.alerting) return out;
  out["state"] = state_of(view);
  out["duration"] = static_cast<double>(rule.for_ms) / 1000;
  out["keepFiringFor"] = static_cast<double>(rule.keep_firing_for_ms) / 1000;
  out["annotations"] = labels_json(rule.annotations);
  out["alerts"] = Json::array();
  if (with_alerts)
    for (const Alert& alert : view.alerts) out["alerts"].push_back(alert_json(alert));
  return out;
}

// Nothing when the filter leaves none of its rules.
Json group_json(const rules::GroupView& group, const Filter& filter) {
  Json list = Json::array();
  for (size_t i = 0; i < group.rules.size(); ++i)
    if (filter.shows(group.spec->rules[i]))
      list.push_back(rule_json(group.spec->rules[i], group.rules[i], filter.alerts));
  if (list.empty() && !group.rules.empty()) return {};
  return {{"name", group.spec->name},
          {"file", group.spec->file},
          {"rules", std::move(list)},
          {"interval", static_cast<double>(group.interval_ms) / 1000},
          {"limit", group.spec->limit},
          {"evaluationTime", group.evaluation_s},
          {"lastEvaluation", time_text(group.evaluated_at_ms)}};
}

std::string token_of(const rules::GroupSpec& group) {
  return fmt::format("{:016x}", hash64(group.name, hash64(group.file)));
}

std::vector<GroupViewPtr> groups_of(const Asking& asking) {
  if (!asking.outside.rules) return {};
  return asking.outside.rules(asking.tenant);
}

}  // namespace

Reply rules(Asking& asking) {
  const auto filter = filter_of(asking);
  if (!filter) return tl::unexpected(filter.error());
  const auto limit = asking.params.limit("group_limit");
  if (!limit) return tl::unexpected(limit.error());
  const std::string_view token = asking.params.text("group_next_token");
  if (!token.empty() && *limit == 0)
    return bad_parameter("group_limit", "group_limit needs to be set in order to paginate over the groups");
  bool skipping = !token.empty();
  Json data = {{"groups", Json::array()}};
  for (const GroupViewPtr& group : groups_of(asking)) {
    if (skipping && token_of(*group->spec) == token) skipping = false;
    if (skipping || !filter->shows(*group->spec)) continue;
    Json one = group_json(*group, *filter);
    if (one.is_null()) continue;
    if (*limit > 0 && data["groups"].size() == *limit) {
      data["groupNextToken"] = token_of(*group->spec);
      break;
    }
    data["groups"].push_back(std::move(one));
  }
  if (skipping) return bad_parameter("group_next_token", "no group has it: the rules were changed; begin anew");
  return Answer{json::dump(data)};
}

Reply alerts(Asking& asking) {
  Json list = Json::array();
  for (const GroupViewPtr& group : groups_of(asking))
    for (const RuleView& rule : group->rules)
      for (const Alert& alert : rule.alerts) list.push_back(alert_json(alert));
  return Answer{json::dump({{"alerts", std::move(list)}})};
}

Reply alertmanagers(Asking& asking) {
  Json list = Json::array();
  if (asking.outside.alertmanagers)
    for (const std::string& url : asking.outside.alertmanagers()) list.push_back({{"url", url}});
  return Answer{json::dump({{"activeAlertmanagers", std::move(list)}, {"droppedAlertmanagers", Json::array()}})};
}

}  // namespace hs::api::prometheus
