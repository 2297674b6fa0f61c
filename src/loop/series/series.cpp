#include "loop/series/series.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "loop/json.h"

namespace hs::loop {
namespace {

using metrics::Sample;
using nlohmann::json;
using Samples = std::vector<Sample>;
using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

std::string text_of(Labels labels) {
  std::string out;
  for (const auto& [key, value] : labels) {
    if (!out.empty()) out += ',';
    out.append(key).append("=\"").append(metrics::escape_label(value)).append("\"");
  }
  return out;
}

void add(Samples& out, const char* name, const char* help, Labels labels, double value, const char* type = "gauge") {
  out.push_back({name, help, type, text_of(labels), value});
}

const char* truth(bool is) { return is ? "true" : "false"; }

void add_objectives(const Understanding& understanding, const config::Declarations& declarations, Samples& out) {
  for (const config::Objective& o : declarations.objectives)
    add(out, "homeostat_objective_target", "Share of requests that must be good",
        {{"objective", o.name},
         {"service", o.service},
         {"operation", o.operation},
         {"kind", o.kind == config::ObjectiveKind::latency ? "latency" : "availability"}},
        o.target);
  for (const Understanding::Judged& j : understanding.judged()) {
    add(out, "homeostat_objective_holds", "0: a symptom of it is going on", {{"objective", j.name}}, j.holds ? 1 : 0);
    const std::pair<const char*, double> burns[] = {{"5m", j.burn_5m}, {"1h", j.burn_1h}, {"6h", j.burn_6h}};
    for (const auto& [window, rate] : burns)
      add(out, "homeostat_objective_burn_rate", "How fast the error budget is used up; 1 lasts its period",
          {{"objective", j.name}, {"window", window}}, rate);
    add(out, "homeostat_objective_requests_total", "Requests that were judged", {{"objective", j.name}}, j.n,
        "counter");
    add(out, "homeostat_objective_bad_total", "Requests that were not good", {{"objective", j.name}}, j.bad, "counter");
  }
}

void add_incidents(const Understanding& understanding, Samples& out) {
  for (const Incident* i : understanding.current())
    add(out, "homeostat_incident", "1 until it is closed; 0 in its hold after service was restored",
        {{"incident", i->id},
         {"service", i->service},
         {"kind", i->kind},
         {"state", name_of(i->state)},
         {"cause", i->causes.empty() ? "" : i->causes.front().entity},
         {"injected", truth(i->injected)}},
        i->restored == 0 ? 1 : 0);
  std::map<std::pair<std::string, std::string>, size_t> symptoms;
  for (const Symptom* s : understanding.symptoms()) ++symptoms[{s->service, std::string(name_of(s->kind))}];
  for (const auto& [key, count] : symptoms)
    add(out, "homeostat_symptoms", "Departures that are going on", {{"service", key.first}, {"kind", key.second}},
        static_cast<double>(count));
}

void add_faults(const Understanding& understanding, UnixNanos at, Samples& out) {
  for (const InjectedFault& f : understanding.faults())
    if (f.started <= at && (f.ended == 0 || f.ended > at))
      add(out, "homeostat_fault", "1 while a fault is injected",
          {{"fault", f.id}, {"service", f.service}, {"kind", f.kind}}, 1);
}

void add_in_flight(const Control& control, Samples& out) {
  const std::vector<InFlight> all = control.in_flight();
  add(out, "homeostat_changes_in_flight", "Changes that are tried or held", {}, static_cast<double>(all.size()));
  for (const InFlight& f : all) {
    const auto labels = {std::pair<std::string_view, std::string_view>{"change", f.change.id},
                         {"knob", f.change.knob},
                         {"incident", f.change.incident},
                         {"phase", f.phase}};
    add(out, "homeostat_change_exposure", "Share of units that see it", labels, f.change.exposure);
    add(out, "homeostat_change_log_e", "Evidence so far that it helps: log of the e-value", labels, f.log_e);
    for (const auto& [arm, share, n] :
         {std::tuple{"treated", f.treated, f.treated_n}, {"control", f.control, f.control_n}}) {
      add(out, "homeostat_change_bad_share", "Share of bad requests in each arm",
          {{"change", f.change.id}, {"knob", f.change.knob}, {"arm", arm}}, share);
      add(out, "homeostat_change_units", "Units of analysis in each arm",
          {{"change", f.change.id}, {"knob", f.change.knob}, {"arm", arm}}, n);
    }
  }
}

// The verdict and its evidence, as they were recorded.
std::pair<std::string, std::string> verdict_of(const Changes::Entry& entry) {
  const json told = json::parse(entry.verdict.empty() ? "{}" : entry.verdict, nullptr, false);
  return {field(told, "kind", std::string()), field(told, "evidence", std::string())};
}

void add_changes(const Changes& changes, UnixNanos at, Samples& out) {
  std::map<std::array<std::string, 4>, size_t> counts;
  for (const Changes::Entry& entry : changes.all()) {
    const auto [verdict, evidence] = verdict_of(entry);
    ++counts[{entry.change.knob, entry.state, verdict, evidence}];
    const bool fresh = at - std::max(entry.touched, entry.ended) < told_for_s * nanos_per_s;
    if (fresh && !verdict.empty())
      add(out, "homeostat_change_verdict", "1 for a minute after a verdict",
          {{"change", entry.change.id},
           {"knob", entry.change.knob},
           {"incident", entry.change.incident},
           {"verdict", verdict},
           {"evidence", evidence},
           {"state", entry.state}},
          1);
  }
  for (const auto& [key, count] : counts)
    add(out, "homeostat_changes", "The last 2,000 changes, by what became of them",
        {{"knob", key[0]}, {"state", key[1]}, {"verdict", key[2]}, {"evidence", key[3]}}, static_cast<double>(count));
}

std::optional<double> as_number(const config::Value& value) {
  if (const auto* b = std::get_if<bool>(&value)) return *b ? 1 : 0;
  if (const auto* i = std::get_if<int64_t>(&value)) return static_cast<double>(*i);
  if (const auto* d = std::get_if<double>(&value)) return *d;
  return std::nullopt;
}

const char* kind_of(config::KpiKind kind) {
  return kind == config::KpiKind::counter ? "counter" : kind == config::KpiKind::ratio ? "ratio" : "quantile";
}

}  // namespace

void loop_samples(const Machine& machine, const config::Declarations& declarations, UnixNanos at, Samples& out) {
  add_objectives(machine.understanding(), declarations, out);
  add_incidents(machine.understanding(), out);
  add_faults(machine.understanding(), at, out);
  add_in_flight(machine.control(), out);
  add_changes(machine.changes(), at, out);
}

void knob_samples(const values::State& state, const std::vector<config::Knob>& declared, MonoNanos now,
                  std::string_view boot_id, Samples& out) {
  for (const config::Knob& knob : declared) {
    const values::KnobState* k = state.find(knob.key);
    if (k == nullptr) continue;
    const bool trying = k->candidate && values::is_live(*k->candidate, now, boot_id);
    const auto tell = [&](const char* what, const config::Value& value) {
      add(out, "homeostat_knob", "1 for each value that is in force",
          {{"knob", k->key}, {"variant", what}, {"value", config::to_text(value)}}, 1);
      if (const auto number = as_number(value))
        add(out, "homeostat_knob_value", "Values that are numbers; true is 1", {{"knob", k->key}, {"variant", what}},
            *number);
    };
    tell(k->promoted ? "promoted" : "base", k->settled());
    if (trying) tell("candidate", k->candidate->value);
    add(out, "homeostat_knob_exposure", "Share of units that see a candidate", {{"knob", k->key}},
        trying ? k->candidate->exposure : 0);
    add(out, "homeostat_knob_promoted", "1: it is not at its base", {{"knob", k->key}}, k->promoted ? 1 : 0);
  }
}

void TeamKpis::add(const stream::Frame& frame) {
  const int64_t oldest = frame.tick / nanos_per_s - window_s - lag_s;
  for (const stream::KpiPoint& point : frame.kpis) {
    if (point.second <= oldest) continue;
    stream::KpiPoint& sum = points_[point.name][point.second];
    sum.numerator += point.numerator;
    sum.denominator += point.denominator;
    sum.values.merge(point.values);
  }
  for (auto& [name, seconds] : points_) seconds.erase(seconds.begin(), seconds.upper_bound(oldest));
  std::erase_if(points_, [](const auto& one) { return one.second.empty(); });
}

void TeamKpis::samples(const std::vector<config::Kpi>& declared, UnixNanos at, Samples& out) const {
  const int64_t last = at / nanos_per_s - lag_s;
  for (const config::Kpi& kpi : declared) {
    stream::KpiPoint sum;
    if (const auto known = points_.find(kpi.name); known != points_.end())
      for (const auto& [second, point] : known->second) {
        if (second > last || second <= last - window_s) continue;
        sum.numerator += point.numerator;
        sum.denominator += point.denominator;
        sum.values.merge(point.values);
      }
    const auto tell = [&](const char* name, const char* help, double value) {
      const char* better = kpi.direction == config::KpiDirection::higher_is_better ? "higher" : "lower";
      hs::loop::add(out, name, help, {{"kpi", kpi.name}, {"kind", kind_of(kpi.kind)}, {"better", better}}, value);
    };
    constexpr const char* help = "Over the last minute: events a minute, a ratio, or a quantile in ms";
    if (kpi.target) tell("homeostat_kpi_target", "What the team wants", *kpi.target);
    if (kpi.kind == config::KpiKind::counter) tell("homeostat_kpi", help, sum.numerator * 60 / window_s);
    if (kpi.kind == config::KpiKind::ratio && sum.denominator > 0)
      tell("homeostat_kpi", help, sum.numerator / sum.denominator);
    if (kpi.kind == config::KpiKind::quantile && sum.values.count() > 0)
      tell("homeostat_kpi", help, sum.values.quantile(kpi.quantile));
  }
}

}  // namespace hs::loop
