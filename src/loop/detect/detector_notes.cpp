// What the detector watches besides spans: KPIs, probes of our own, and warnings in logs.

#include <algorithm>

#include "loop/detect/detector.h"

namespace hs::loop {
namespace {

constexpr size_t warnings_max = 1'000;   // services whose warnings are counted
constexpr uint8_t warn_severity = 13;    // OTLP SeverityNumber WARN
constexpr double probe_may_fail = 0.05;  // of probes: a lost packet is no outage

Watch watch_of(Measured measured, const std::string& name, double allowed) {
  Watch w;
  w.measured = measured;
  w.objective = name;
  w.bad_allowed = allowed;
  return w;
}

const config::Kpi* find(const std::vector<config::Kpi>& kpis, const std::string& name) {
  const auto at = std::find_if(kpis.begin(), kpis.end(), [&](const config::Kpi& k) { return k.name == name; });
  return at == kpis.end() ? nullptr : &*at;
}

Sums sums_of(const config::Kpi& kpi, const stream::KpiPoint& point) {
  const bool higher = kpi.direction == config::KpiDirection::higher_is_better;
  Sums sums;
  if (kpi.kind == config::KpiKind::counter) {
    sums.n = sums.spans = point.numerator;
  } else if (kpi.kind == config::KpiKind::ratio) {
    sums.n = sums.spans = point.denominator;
    sums.errors = higher ? point.denominator - point.numerator : point.numerator;
  } else {
    sums.n = sums.spans = point.values.count();
    const double below = kpi.target ? point.values.count_at_most(*kpi.target) : 0;
    if (kpi.target) sums.errors = higher ? below : sums.n - below;
  }
  return sums;
}

std::vector<Watch> watches_of(const config::Kpi& kpi) {
  const bool higher = kpi.direction == config::KpiDirection::higher_is_better;
  if (kpi.kind == config::KpiKind::ratio) {
    const double allowed = !kpi.target ? 0.01 : higher ? 1 - *kpi.target : *kpi.target;
    return {watch_of(Measured::kpi, kpi.name, std::clamp(allowed, 0.0, 0.9))};
  }
  if (!kpi.target) return {};  // how many orders there are is the customers' business, unless the team says otherwise
  if (kpi.kind == config::KpiKind::counter)
    return {watch_of(higher ? Measured::kpi_drop : Measured::kpi_surge, kpi.name, *kpi.target / 60)};
  return {watch_of(Measured::kpi, kpi.name, higher ? kpi.quantile : 1 - kpi.quantile)};
}

}  // namespace

void Detector::declare_kpi(const config::Kpi& kpi) {
  Watched& w = kpis_[kpi.name];
  w.place = {kpi.service, kpi.operation, ""};
  w.watches = watches_of(kpi);
  recall("kpi", kpi.name, w);
}

void Detector::note_kpis(const stream::Frame& frame) {
  for (auto& [name, watched] : kpis_) watched.track.forget_fresh();
  for (const stream::KpiPoint& point : frame.kpis) {
    const config::Kpi* kpi = find(declared_.kpis, point.name);
    const auto at = kpis_.find(point.name);
    if (kpi == nullptr || at == kpis_.end()) continue;
    if (point.second <= now_ - remembered_s || point.second > now_ + 10) continue;
    History::note_second(at->second.track, point.second, sums_of(*kpi, point));
    at->second.track.lag_s = static_cast<double>(history_.kpi_delay_s(point.name));
  }
}

void Detector::note_probes(const stream::Frame& frame) {
  for (auto& [name, watched] : probes_) watched.track.forget_fresh();
  for (const stream::ProbeResult& probe : frame.probes) {
    Watched& w = probes_[probe.name];  // bounded by the declared probes: they are our own
    if (w.watches.empty()) {
      w.place = {probe.service, "", ""};
      w.watches.push_back(watch_of(Measured::probe, probe.name, probe_may_fail));
      recall("probe", probe.name, w);
    }
    Sums one;
    one.n = one.spans = 1;
    one.errors = probe.ok ? 0 : 1;
    one.total_ms = probe.duration_ms;
    History::note_second(w.track, probe.second, one);
  }
}

void Detector::note_warnings(const stream::Frame& frame) {
  for (auto& [name, watched] : warnings_) watched.track.forget_fresh();
  for (const stream::LogCell& log : frame.logs) {
    if (log.second <= now_ - remembered_s || log.second > now_ + 10 || log.severity < warn_severity) continue;
    if (warnings_.size() >= warnings_max && !warnings_.contains(log.service)) continue;
    Watched& w = warnings_[log.service];
    if (w.place.service.empty()) {
      w.place.service = log.service;
      recall("warnings", log.service, w);
    }
    Sums more;
    more.n = more.spans = log.count;
    more.subjects = static_cast<double>(log.subjects);
    History::note_second(w.track, log.second, more);
  }
}

}  // namespace hs::loop
