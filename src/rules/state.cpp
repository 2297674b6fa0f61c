#include "rules/state.h"

#include <cmath>

#include "base/json.h"
#include "promql/quote.h"
#include "promql/unquote.h"

namespace hs::rules {
namespace {

using json::Json;

constexpr int64_t version = 1;

template <class List>
Json pairs_json(const List& labels) {
  Json out = Json::array();
  for (const promql::Label& label : labels) out.push_back({label.name, label.value});
  return out;
}

std::vector<promql::Label> pairs_of(const Json& object, std::string_view key) {
  std::vector<promql::Label> out;
  const Json* list = json::find(object, key);
  if (list == nullptr || !list->is_array()) return out;
  for (const Json& one : *list)
    if (one.is_array() && one.size() == 2 && one[0].is_string() && one[1].is_string())
      out.push_back({one[0].get<std::string>(), one[1].get<std::string>()});
  return out;
}

Json alert_json(const Alert& alert) {
  return {{"labels", pairs_json(alert.labels)},     {"annotations", pairs_json(alert.annotations)},
          {"state", static_cast<int>(alert.state)}, {"value", promql::format_exponent(alert.value)},
          {"active_at_ms", alert.active_at_ms},     {"fired_at_ms", alert.fired_at_ms},
          {"resolved_at_ms", alert.resolved_at_ms}, {"keep_firing_since_ms", alert.keep_firing_since_ms},
          {"last_sent_ms", alert.last_sent_ms},     {"valid_until_ms", alert.valid_until_ms}};
}

Alert alert_of(const Json& object) {
  Alert alert;
  alert.labels = promql::Labels::from(pairs_of(object, "labels"));
  alert.annotations = pairs_of(object, "annotations");
  const int64_t state = json::integer(object, "state").value_or(0);
  alert.state = state == 1 ? AlertState::pending : state == 2 ? AlertState::firing : AlertState::inactive;
  alert.value = promql::parse_go_number(json::text(object, "value").value_or("0")).value_or(0);
  alert.active_at_ms = json::integer(object, "active_at_ms").value_or(0);
  alert.fired_at_ms = json::integer(object, "fired_at_ms").value_or(0);
  alert.resolved_at_ms = json::integer(object, "resolved_at_ms").value_or(0);
  alert.keep_firing_since_ms = json::integer(object, "keep_firing_since_ms").value_or(0);
  alert.last_sent_ms = json::integer(object, "last_sent_ms").value_or(0);
  alert.valid_until_ms = json::integer(object, "valid_until_ms").value_or(0);
  return alert;
}

}  // namespace

std::string encode_state(const Memories& memories) {
  Json groups = Json::array();
  for (const auto& [key, memory] : memories) {
    Json rules = Json::array();
    for (const auto& [rule, alerts] : memory.alerts) {
      Json list = Json::array();
      for (const Alert& alert : alerts) list.push_back(alert_json(alert));
      rules.push_back({{"rule", rule}, {"alerts", std::move(list)}});
    }
    groups.push_back({{"file", key.first},
                      {"name", key.second},
                      {"evaluated_ms", memory.evaluated_ms},
                      {"rules", std::move(rules)}});
  }
  return json::dump({{"version", version}, {"groups", std::move(groups)}});
}

Result<Memories> decode_state(const std::string& text) {
  HS_ASSIGN(const Json root, json::parse(text, "the state of the rules"));
  if (json::integer(root, "version") != version)
    return fail(Code::invalid_argument, "the state of the rules is of another version");
  Memories out;
  const Json* groups = json::find(root, "groups");
  if (groups == nullptr || !groups->is_array()) return out;
  for (const Json& group : *groups) {
    Group::Memory& memory =
        out[{std::string(json::text(group, "file").value_or("")), std::string(json::text(group, "name").value_or(""))}];
    memory.evaluated_ms = json::integer(group, "evaluated_ms").value_or(0);
    const Json* rules = json::find(group, "rules");
    if (rules == nullptr || !rules->is_array()) continue;
    for (const Json& rule : *rules) {
      const Json* alerts = json::find(rule, "alerts");
      if (alerts == nullptr || !alerts->is_array()) continue;
      for (const Json& alert : *alerts)
        memory.alerts[std::string(json::text(rule, "rule").value_or(""))].push_back(alert_of(alert));
    }
  }
  return out;
}

}  // namespace hs::rules
