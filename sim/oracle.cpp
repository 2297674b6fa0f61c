#include "sim/oracle.h"

#include <algorithm>

#include <fmt/format.h>

namespace hs::sim {
namespace {

using loop::Incident;
using loop::IncidentState;
using loop::Symptom;
using loop::SymptomKind;
constexpr int64_t window_s = 4, baseline_s = 60, calm_s = 8;
constexpr double n_min = 12;

}  // namespace

Oracle::Oracle(const App& app, std::vector<Fault> faults, double right, Dice dice, int64_t epoch)
    : app_(app), faults_(std::move(faults)), right_(right), dice_(dice), epoch_(epoch) {
  incidents_.reserve(1000);
}

void Oracle::see(const stream::Frame& frame) {
  for (const auto& c : frame.cells) {
    if (c.kind != 2) continue;
    for (size_t e = 0; e < app_.entries.size(); ++e) {
      const Operation& op = app_.operations[static_cast<size_t>(app_.entries[e].operation)];
      if (c.operation != op.name || c.service != app_.services[static_cast<size_t>(op.service)].name) continue;
      Seen& s = seen_[e][c.second - epoch_];
      s.n += c.count, s.errors += c.errors, s.denied += c.denied;
      s.slow += c.duration_ms.count() - c.duration_ms.count_at_most(app_.entries[e].good_ms);
    }
  }
}

std::vector<const Incident*> Oracle::step(const stream::Frame& frame, int64_t second) {
  see(frame);
  for (size_t e = 0; e < app_.entries.size(); ++e)
    for (auto kind : {SymptomKind::errors, SymptomKind::latency, SymptomKind::security}) watch(e, kind, second);
  std::vector<const Incident*> out;
  for (auto& i : incidents_)
    if (i.restored == 0 || frame.tick - i.restored < 60 * nanos_per_s) out.push_back(&i);
  return out;
}

void Oracle::watch(size_t entry, SymptomKind kind, int64_t second) {
  if (kind == SymptomKind::security && static_cast<int>(entry) != app_.login) return;
  auto sum = [&](int64_t from, int64_t to) {
    Seen total;
    auto& all = seen_[entry];
    for (auto it = all.lower_bound(from); it != all.end() && it->first < to; ++it)
      total.n += it->second.n, total.errors += it->second.errors, total.slow += it->second.slow,
          total.denied += it->second.denied;
    return total;
  };
  auto share = [&](const Seen& s) {
    double bad = kind == SymptomKind::errors ? s.errors : kind == SymptomKind::latency ? s.slow : s.denied;
    return s.n > 0 ? bad / s.n : 0;
  };
  Seen now = sum(second - window_s, second), past = sum(second - baseline_s - 20, second - 20);
  double level = kind == SymptomKind::errors ? 0.06 : kind == SymptomKind::latency ? 0.2 : 0.5;
  double ill = std::max(level, 3 * share(past));
  int& run = ill_[{entry, kind}];
  run = now.n >= n_min && share(now) > ill ? run + 1 : 0;
  if (run >= 2 && past.n > 50) open(entry, kind, share(past), share(now), second);
  Seen lately = sum(second - calm_s, second);
  if (lately.n >= n_min && share(lately) < level / 2) close(entry, kind, second);
  for (auto& i : incidents_)
    for (auto& s : i.symptoms)
      if (s.ended == 0 && s.kind == kind &&
          s.operation == app_.operations[static_cast<size_t>(app_.entries[entry].operation)].name)
        s.latest = kind == SymptomKind::security ? sum(second - 1, second).denied : share(now);
}

void Oracle::open(size_t entry, SymptomKind kind, double baseline, double observed, int64_t second) {
  const Operation& op = app_.operations[static_cast<size_t>(app_.entries[entry].operation)];
  UnixNanos now = (epoch_ + second + 1) * nanos_per_s;
  Incident* incident = nullptr;
  for (auto& i : incidents_) {
    if (i.restored != 0 || i.security != (kind == SymptomKind::security)) continue;
    incident = &i;
    for (const auto& s : i.symptoms)
      if (s.ended == 0 && s.kind == kind && s.operation == op.name) return;
  }
  if (incident == nullptr) {
    incidents_.push_back(
        {.id = fmt::format("inc-{}-{}", now / nanos_per_ms, ++count_), .state = IncidentState::explained});
    incident = &incidents_.back();
    incident->started = now - (window_s + 1) * nanos_per_s, incident->detected = incident->explained = now;
    incident->security = kind == SymptomKind::security;
    incident->causes = causes(kind, second);
  }
  Symptom s{.kind = kind, .service = app_.services[static_cast<size_t>(op.service)].name, .operation = op.name};
  s.id = fmt::format("{} {}@{}", op.name, loop::name_of(kind), now / nanos_per_ms);
  s.started = now - (window_s + 1) * nanos_per_s, s.detected = now, s.baseline = baseline, s.observed = observed;
  if (kind == SymptomKind::security) s.baseline = 1, s.observed = 20;
  if (kind == SymptomKind::latency) s.objective = app_.entries[entry].objective + " fast";
  if (kind == SymptomKind::errors) s.objective = app_.entries[entry].objective + " ok";
  incident->symptoms.push_back(std::move(s));
}

void Oracle::close(size_t entry, SymptomKind kind, int64_t second) {
  const std::string& op = app_.operations[static_cast<size_t>(app_.entries[entry].operation)].name;
  UnixNanos now = (epoch_ + second + 1) * nanos_per_s;
  for (auto& i : incidents_) {
    if (i.restored != 0) continue;
    for (auto& s : i.symptoms)
      if (s.ended == 0 && s.kind == kind && s.operation == op) s.ended = now;
    if (std::all_of(i.symptoms.begin(), i.symptoms.end(), [](const Symptom& s) { return s.ended != 0; }))
      i.restored = now;
  }
}

std::vector<loop::Cause> Oracle::causes(SymptomKind kind, int64_t second) {
  std::vector<loop::Cause> out;
  auto name = [&](int service) { return app_.services[static_cast<size_t>(service)].name; };
  auto guess = [&](int service) {
    loop::Cause c{
        .entity = "service:" + name(service), .kind = "errors", .probability = 0.15, .service = name(service)};
    c.kind = kind == SymptomKind::latency ? "slow" : "errors";
    return c;
  };
  for (const auto& f : faults_) {
    if (second < f.start || second > f.end + 30) continue;
    int service = f.service >= 0   ? f.service
                  : f.setting >= 0 ? app_.settings[static_cast<size_t>(f.setting)].service
                                   : 0;
    if (service < 0) {
      const Edge& e = app_.edges[static_cast<size_t>(app_.settings[static_cast<size_t>(f.setting)].edge)];
      service = app_.operations[static_cast<size_t>(e.from)].service;
    }
    loop::Cause c = guess(service);
    c.kind = f.true_kind, c.probability = 0.7;
    if (!app_.services[static_cast<size_t>(service)].traced) c.entity = "peer:" + name(service), c.peer = name(service);
    if (f.kind == "bad_config") c.change = app_.settings[static_cast<size_t>(f.setting)].knob.key;
    if (dice_.chance(right_)) out.push_back(c);
  }
  for (int i = 0; i < 2; ++i) out.push_back(guess(static_cast<int>(dice_.below(app_.services.size()))));
  double total = 0;
  for (const auto& c : out) total += c.probability;
  for (auto& c : out) c.probability /= total;
  return out;
}

}  // namespace hs::sim
