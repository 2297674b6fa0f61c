#include "rules/group.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "promql/quote.h"

namespace hs::rules {
namespace {

using promql::Label;
using promql::Labels;
using promql::Sample;

Sample stale(const Labels& labels, int64_t t_ms) { return {labels, t_ms, promql::stale_marker(), nullptr}; }

std::vector<std::pair<std::string, Template>> parsed(const std::vector<Label>& texts) {
  std::vector<std::pair<std::string, Template>> out;
  for (const Label& one : texts)
    if (auto text = Template::parse(one.value)) out.emplace_back(one.name, std::move(*text));
  return out;
}

}  // namespace

std::string_view name_of(AlertState state) {
  constexpr std::string_view names[] = {"inactive", "pending", "firing"};
  return names[static_cast<size_t>(state)];
}

std::string_view name_of(Health health) {
  constexpr std::string_view names[] = {"unknown", "ok", "err"};
  return names[static_cast<size_t>(health)];
}

Group::Group(GroupSpec spec, Options options)
    : spec_(std::make_shared<const GroupSpec>(std::move(spec))),
      options_(std::move(options)),
      interval_ms_(spec_->interval_ms > 0 ? spec_->interval_ms : options_.default_interval_ms) {
  for (const RuleSpec& rule : spec_->rules) {
    State& state = states_.emplace_back();
    if (!rule.alerting) continue;
    state.labels = parsed(rule.labels);
    state.annotations = parsed(rule.annotations);
  }
}

int64_t Group::slot_before(int64_t now_ms) const {
  const uint64_t hash = hash64(spec_->name, hash64(spec_->file));
  const auto offset = static_cast<int64_t>(hash % static_cast<uint64_t>(interval_ms_));
  const int64_t since = now_ms - offset;
  return since - (since % interval_ms_ + interval_ms_) % interval_ms_ + offset;
}

Group::Report Group::evaluate(int64_t t_ms, const Outside& outside) {
  Report report;
  const MonoNanos begin = outside.clock.mono();
  for (size_t i = 0; i < states_.size(); ++i) {
    const RuleSpec& rule = spec_->rules[i];
    State& state = states_[i];
    const MonoNanos start = outside.clock.mono();
    state.view.evaluated_at_ms = outside.clock.wall() / nanos_per_ms;
    auto samples = rule.alerting ? alert(rule, state, t_ms, outside) : record(rule, t_ms, outside);
    ++report.evaluated;
    state.view.health = samples ? Health::ok : Health::err;
    state.view.last_error = samples ? "" : samples.error().message;
    if (samples) report.samples += finish(state, std::move(*samples), t_ms, outside);
    if (!samples) report.errors.emplace_back(rule.name, samples.error().message);
    report.failed += samples ? 0 : 1;
    state.view.evaluation_s = static_cast<double>(outside.clock.mono() - start) / 1e9;
  }
  if (!orphans_.empty()) {
    std::vector<Sample> gone;
    for (const Labels& labels : orphans_) gone.push_back(stale(labels, t_ms - query_offset_ms()));
    outside.write(std::move(gone));
    orphans_.clear();
  }
  last_slot_ms_ = t_ms;
  evaluated_at_ms_ = outside.clock.wall() / nanos_per_ms;
  evaluation_s_ = static_cast<double>(outside.clock.mono() - begin) / 1e9;
  return report;
}

// Series that the rule wrote last time and not now end here.
size_t Group::finish(State& state, std::vector<Sample> samples, int64_t t_ms, const Outside& outside) {
  std::set<Labels> written;
  for (const Sample& sample : samples) written.insert(sample.labels);
  const size_t n = samples.size();
  for (const Labels& before : state.written)
    if (!written.contains(before)) samples.push_back(stale(before, t_ms - query_offset_ms()));
  state.written = std::move(written);
  if (!samples.empty()) outside.write(std::move(samples));
  return n;
}

Result<std::vector<Sample>> Group::record(const RuleSpec& rule, int64_t t_ms, const Outside& outside) const {
  HS_ASSIGN(promql::Vector vector, outside.query(rule.expr, t_ms - query_offset_ms()));
  std::set<Labels> seen;
  for (Sample& sample : vector) {
    sample.labels.set(promql::metric_name_label, rule.name);
    for (const Label& label : rule.labels) sample.labels.set(label.name, label.value);
    sample.t_ms = t_ms - query_offset_ms();
    if (!seen.insert(sample.labels).second)
      return fail(Code::invalid_argument,
                  "vector contains metrics with the same labelset after applying rule labels: " + sample.labels.text());
  }
  if (spec_->limit > 0 && vector.size() > spec_->limit)
    return fail(Code::resource_exhausted,
                fmt::format("exceeded limit of {} with {} series", spec_->limit, vector.size()));
  return vector;
}

void Group::write_failed(const std::string& why) {
  for (State& state : states_)
    if (state.view.health == Health::ok) state.view.health = Health::err, state.view.last_error = why;
}

std::string Group::key_of(const RuleSpec& rule) {
  std::string key = rule.name;
  for (const Label& label : rule.labels)
    key += fmt::format(",{}={}", promql::quote(label.name), promql::quote(label.value));
  return key;
}

void Group::take_over(Group& from) {
  std::multimap<std::string, size_t> left;
  for (size_t i = 0; i < from.states_.size(); ++i) left.emplace(key_of(from.spec_->rules[i]), i);
  for (size_t i = 0; i < states_.size(); ++i) {
    const auto at = left.find(key_of(spec_->rules[i]));
    if (at == left.end() || from.spec_->rules[at->second].alerting != spec_->rules[i].alerting) continue;
    State& old = from.states_[at->second];
    states_[i].view = old.view;
    states_[i].alerts = std::move(old.alerts);
    states_[i].written = std::move(old.written);
    left.erase(at);
  }
  orphans_ = std::move(from.orphans_);
  for (const auto& [key, i] : left) orphans_.merge(from.states_[i].written);
  last_slot_ms_ = from.last_slot_ms_;
  evaluated_at_ms_ = from.evaluated_at_ms_;
  evaluation_s_ = from.evaluation_s_;
}

std::vector<Sample> Group::farewell(int64_t t_ms) const {
  std::vector<Sample> out;
  for (const State& state : states_)
    for (const Labels& labels : state.written) out.push_back(stale(labels, t_ms - query_offset_ms()));
  for (const Labels& labels : orphans_) out.push_back(stale(labels, t_ms - query_offset_ms()));
  return out;
}

GroupViewPtr Group::view() const {
  auto out = std::make_shared<GroupView>();
  out->spec = spec_;
  out->interval_ms = interval_ms_;
  out->evaluated_at_ms = evaluated_at_ms_;
  out->evaluation_s = evaluation_s_;
  for (const State& state : states_) {
    RuleView& rule = out->rules.emplace_back(state.view);
    for (const auto& [labels, alert] : state.alerts)
      if (alert.state != AlertState::inactive) rule.alerts.push_back(alert);
  }
  return out;
}

Result<promql::Vector> query_vector(const promql::Source& source, const std::string& expr, int64_t t_ms,
                                    const promql::Options& options) {
  auto outcome = promql::evaluate(source, {.text = expr, .start_ms = t_ms, .end_ms = t_ms}, options);
  if (!outcome) {
    const Code code =
        outcome.error().kind == promql::ErrorKind::timeout ? Code::deadline_exceeded : Code::invalid_argument;
    return fail(code, outcome.error().message);
  }
  if (auto* vector = std::get_if<promql::Vector>(&outcome->value)) return std::move(*vector);
  if (const auto* scalar = std::get_if<promql::Scalar>(&outcome->value))
    return promql::Vector{{Labels{}, scalar->t_ms, scalar->v, nullptr}};
  return fail(Code::invalid_argument, "rule result is not a vector or scalar");
}

}  // namespace hs::rules
