// The alerting half of a group: label sets become pending, fire, go on firing, are resolved.

#include <algorithm>

#include <fmt/format.h>

#include "rules/group.h"

namespace hs::rules {
namespace {

using promql::Labels;
using promql::Sample;

constexpr std::string_view alert_name_label = "alertname", alert_state_label = "alertstate";

// How long who was told last believes that an alert fires when nothing more is heard: as Prometheus, four times what
// may pass between two notes.
constexpr int64_t valid_for = 4;

Sample state_sample(const Alert& alert, int64_t t_ms) {
  Labels labels = alert.labels;
  labels.set(promql::metric_name_label, "ALERTS");
  labels.set(alert_state_label, name_of(alert.state));
  return {std::move(labels), t_ms, 1, nullptr};
}

Sample for_state_sample(const Alert& alert, int64_t t_ms) {
  Labels labels = alert.labels;
  labels.set(promql::metric_name_label, "ALERTS_FOR_STATE");
  return {std::move(labels), t_ms, static_cast<double>(alert.active_at_ms / 1000), nullptr};
}

bool needs_sending(const Alert& alert, int64_t t_ms, int64_t resend_ms) {
  if (alert.state == AlertState::pending) return false;
  if (alert.resolved_at_ms > alert.last_sent_ms) return true;
  return alert.last_sent_ms + resend_ms < t_ms;
}

}  // namespace

// The label sets for which the expression holds, with what the rule says of each.
Result<std::map<Labels, Alert>> Group::now_true(const RuleSpec& rule, const State& state, int64_t t_ms,
                                                const Outside& outside) const {
  HS_ASSIGN(promql::Vector vector, outside.query(rule.expr, t_ms - query_offset_ms()));
  std::map<Labels, Alert> out;
  for (Sample& sample : vector) {
    const double value = sample.f;
    TemplateData data;
    data.labels = sample.labels;
    data.external_labels = options_.external_labels;
    data.external_url = options_.external_url;
    data.value = sample;
    data.now_ms = t_ms;
    data.query = [&](const std::string& expr) { return outside.query(expr, t_ms); };
    const auto expanded = [&](const Template& text) {
      auto result = text.expand(data);
      return result ? std::move(*result)
                    : fmt::format("<error expanding template: error executing template __alert_{}: {}>", rule.name,
                                  result.error().message);
    };
    Alert alert;
    alert.labels = std::move(sample.labels);
    alert.labels.erase(promql::metric_name_label);
    for (const auto& [name, text] : state.labels) alert.labels.set(name, expanded(text));
    alert.labels.set(alert_name_label, rule.name);
    for (const auto& [name, text] : state.annotations) alert.annotations.push_back({name, expanded(text)});
    alert.active_at_ms = t_ms;
    alert.value = sample.h ? 0 : value;
    Labels key = alert.labels;
    if (!out.emplace(std::move(key), std::move(alert)).second)
      return fail(Code::invalid_argument, "vector contains metrics with the same labelset after applying alert labels");
  }
  return out;
}

// False: nothing of it is left to tell.
bool Group::advance(const RuleSpec& rule, Alert& alert, bool holds, int64_t t_ms) const {
  if (holds) {
    alert.keep_firing_since_ms = 0;
  } else {
    if (alert.state == AlertState::pending) return false;
    if (alert.state == AlertState::inactive) return t_ms - alert.resolved_at_ms <= resolved_kept_ms;
    if (alert.keep_firing_since_ms == 0) alert.keep_firing_since_ms = t_ms;
    if (t_ms - alert.keep_firing_since_ms >= rule.keep_firing_for_ms) {
      alert.state = AlertState::inactive;
      alert.resolved_at_ms = t_ms;
      alert.keep_firing_since_ms = 0;
      return true;
    }
  }
  const bool long_enough = t_ms - alert.active_at_ms >= rule.for_ms;
  if (alert.state == AlertState::pending && long_enough) {
    alert.state = AlertState::firing;
    alert.fired_at_ms = t_ms;
  } else if (alert.state == AlertState::firing && !long_enough) {  // `for` became longer
    alert.state = AlertState::pending;
    alert.fired_at_ms = alert.last_sent_ms = alert.keep_firing_since_ms = 0;
  }
  return true;
}

Result<std::vector<Sample>> Group::alert(const RuleSpec& rule, State& state, int64_t t_ms, const Outside& outside) {
  HS_ASSIGN(auto holding, now_true(rule, state, t_ms, outside));
  for (auto& [labels, now] : holding) {
    const auto at = state.alerts.find(labels);
    if (at != state.alerts.end() && at->second.state != AlertState::inactive) {
      at->second.value = now.value;
      at->second.annotations = std::move(now.annotations);
    } else {
      state.alerts.insert_or_assign(labels, std::move(now));
    }
  }
  std::vector<Sample> out;
  size_t active = 0;
  const int64_t sample_ms = t_ms - query_offset_ms();
  for (auto at = state.alerts.begin(); at != state.alerts.end();) {
    Alert& alert = at->second;
    if (!advance(rule, alert, holding.contains(at->first), t_ms)) {
      at = state.alerts.erase(at);
      continue;
    }
    ++at;
    if (alert.state == AlertState::inactive) continue;
    ++active;
    out.push_back(state_sample(alert, sample_ms));
    out.push_back(for_state_sample(alert, sample_ms));
  }
  if (spec_->limit > 0 && active > spec_->limit) {
    state.alerts.clear();
    return fail(Code::resource_exhausted, fmt::format("exceeded limit of {} with {} alerts", spec_->limit, active));
  }
  return out;
}

std::vector<Note> Group::to_send(int64_t t_ms, int64_t resend_ms) {
  std::vector<Note> out;
  for (size_t i = 0; i < states_.size(); ++i)
    for (auto& [labels, alert] : states_[i].alerts) {
      if (!needs_sending(alert, t_ms, resend_ms)) continue;
      alert.last_sent_ms = t_ms;
      alert.valid_until_ms = t_ms + valid_for * std::max(resend_ms, interval_ms_);
      out.push_back({alert, spec_->rules[i].expr});
    }
  return out;
}

Group::Memory Group::memory() const {
  Memory out;
  out.evaluated_ms = last_slot_ms_;
  for (size_t i = 0; i < states_.size(); ++i)
    for (const auto& [labels, alert] : states_[i].alerts) out.alerts[key_of(spec_->rules[i])].push_back(alert);
  return out;
}

void Group::remember(const Memory& memory, int64_t skipped_ms) {
  last_slot_ms_ = memory.evaluated_ms;
  for (size_t i = 0; i < states_.size(); ++i) {
    const auto at = memory.alerts.find(key_of(spec_->rules[i]));
    if (at == memory.alerts.end() || !spec_->rules[i].alerting) continue;
    for (Alert alert : at->second) {
      if (alert.state == AlertState::pending) alert.active_at_ms += skipped_ms;
      // What the process before wrote of it ends when it does.
      if (alert.state != AlertState::inactive) {
        states_[i].written.insert(state_sample(alert, 0).labels);
        states_[i].written.insert(for_state_sample(alert, 0).labels);
      }
      Labels key = alert.labels;
      states_[i].alerts.insert_or_assign(std::move(key), std::move(alert));
    }
  }
}

}  // namespace hs::rules
