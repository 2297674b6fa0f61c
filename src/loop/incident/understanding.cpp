#include "loop/incident/understanding.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "loop/detect/detector.h"
#include "loop/explain/explain.h"
#include "loop/incident/codec.h"
#include "loop/incident/kpis.h"
#include "loop/incident/life.h"
#include "loop/json.h"

namespace hs::loop {
namespace {

using nlohmann::json;

constexpr size_t recent_max = 500;     // changes that may be a cause
constexpr int64_t recent_s = 15 * 60;  // an older change has proven itself
constexpr size_t page_max = 1'000;

constexpr std::string_view news_names[] = {"opened",   "explained", "changed", "reopened",
                                           "restored", "closed",    "merged",  "alerted"};

}  // namespace

std::string_view name_of(News::Kind kind) { return news_names[static_cast<size_t>(kind)]; }

struct Understanding::State {
  Detector detector;
  Life life;
  std::vector<stream::RecentChange> recent;
  config::Declarations declarations;
  UnixNanos now = 0;

  // A verified repair may cost something that was not usual before (a slower provider). Once every objective holds,
  // that is no incident any more. Without objectives nobody said what is good enough.
  void accept_repaired() {
    if (declarations.objectives.empty()) return;
    const auto owed = [](const Symptom& x) { return x.ended == 0 && !x.objective.empty(); };
    for (const Incident& incident : life.all()) {
      if (incident.state != IncidentState::verified || now - incident.verified < accept_after_s * nanos_per_s) continue;
      if (std::any_of(incident.symptoms.begin(), incident.symptoms.end(), owed)) continue;
      for (const Symptom& x : incident.symptoms)
        if (x.ended == 0) detector.accept(x.id, incident.verified);
    }
  }

  void remember(const stream::RecentChange& change) {
    recent.push_back(change);
    if (recent.size() > recent_max) recent.erase(recent.begin());
  }
};

Understanding::Understanding() : state_(std::make_unique<State>()) {}
Understanding::~Understanding() = default;
Understanding::Understanding(Understanding&&) noexcept = default;
Understanding& Understanding::operator=(Understanding&&) noexcept = default;

std::vector<News> Understanding::step(const stream::Frame& frame, const config::Declarations& declarations) {
  State& s = *state_;
  s.now = frame.tick;
  s.declarations = declarations;
  for (const stream::RecentChange& change : frame.changes) s.remember(change);
  std::erase_if(s.recent, [&](const auto& c) { return c.second + recent_s < frame.tick / nanos_per_s; });
  std::vector<Symptom> ended;
  for (Turn& turn : s.detector.step(frame, declarations))
    if (!turn.started) ended.push_back(std::move(turn.symptom));
  const std::vector<const Symptom*> active = s.detector.active();
  const std::vector<Explanation> explanations =
      active.empty() ? std::vector<Explanation>{} : explain(s.detector, active, s.recent, frame.tick);
  std::vector<News> news = s.life.step(active, ended, explanations, frame.tick);
  if (frame.alerts_told)
    for (News& one : s.life.alerts(frame.alerts, frame.tick)) news.push_back(std::move(one));
  s.accept_repaired();
  return news;
}

void Understanding::note(const stream::RecentChange& change) { state_->remember(change); }
void Understanding::injected(const InjectedFault& fault) { state_->life.injected(fault); }
void Understanding::acted(std::string_view incident, std::string_view change, UnixNanos at) {
  state_->life.acted(incident, change, at);
}
void Understanding::verified(std::string_view incident, std::string_view, UnixNanos at) {
  state_->life.verified(incident, at);
}
void Understanding::decided(std::string_view incident, std::string decision) {
  state_->life.decided(incident, std::move(decision));
}

std::vector<const Incident*> Understanding::current() const {
  std::vector<const Incident*> out;
  for (const Incident& incident : state_->life.all())
    if (incident.state != IncidentState::closed) out.push_back(&incident);
  return out;
}

const Incident* Understanding::find(std::string_view id) const { return state_->life.find(id); }
std::vector<const Symptom*> Understanding::symptoms() const { return state_->detector.active(); }

const std::deque<InjectedFault>& Understanding::faults() const { return state_->life.faults(); }

std::vector<Understanding::Judged> Understanding::judged() const {
  std::vector<Judged> out;
  const auto departs = [&](const std::string& name) {
    const std::vector<const Symptom*> active = state_->detector.active();
    return std::any_of(active.begin(), active.end(), [&](const Symptom* s) { return s->objective == name; });
  };
  for (const Detector::Burning& b : state_->detector.burning())
    out.push_back({b.objective, !departs(b.objective), b.last_5m, b.last_1h, b.last_6h, b.bad, b.n});
  return out;
}

std::string Understanding::incidents_json(size_t limit, std::string_view cursor, std::string_view state) const {
  const auto& all = state_->life.all();
  json page = json::array();
  std::string next;
  bool past_cursor = cursor.empty();
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    if (!past_cursor) {
      past_cursor = it->id == cursor;
      continue;
    }
    const bool wanted = state.empty() || (state == "open" ? is_open(*it) : name_of(it->state) == state);
    if (!wanted) continue;
    if (page.size() == std::min(limit, page_max)) {
      next = page.back()["id"];
      break;
    }
    page.push_back(to_json(*it));
  }
  return json{{"incidents", page}, {"next_cursor", next}}.dump();
}

Result<std::string> Understanding::incident_json(std::string_view id) const {
  const Incident* incident = find(id);
  if (incident == nullptr) return fail(Code::not_found, "no incident of this id; GET /v1/incidents lists them");
  return to_json(*incident).dump();
}

std::string Understanding::kpis_json(UnixNanos now) const {
  return kpis(state_->life.all(), state_->life.faults(), now).dump();
}

std::string Understanding::objectives_json() const {
  json out = json::array();
  const State& s = *state_;
  for (const config::Objective& o : s.declarations.objectives) {
    json one = {{"name", o.name},
                {"service", o.service},
                {"operation", o.operation},
                {"kind", o.kind == config::ObjectiveKind::latency ? "latency" : "availability"},
                {"target", o.target},
                {"threshold_ms", o.threshold_ms},
                {"holds", true}};
    const auto track = s.detector.history().operations.find({o.service, o.operation});
    if (track != s.detector.history().operations.end()) {
      const Sums last = track->second.ring.sum(s.detector.now() - 11, s.detector.now() - 2);
      one["requests_per_s"] = last.n / 10;
      one["error_share"] = last.per_request(last.errors);
    }
    for (const Symptom* symptom : s.detector.active())
      if (symptom->objective == o.name) {
        one["holds"] = false;
        one["bad_share"] = symptom->latest;
        one["since"] = format_rfc3339(symptom->started);
      }
    for (const Detector::Burning& b : s.detector.burning()) {
      if (b.objective != o.name) continue;
      one["page"] = b.severity;
      one["burn_rate"] = {{"5m", b.last_5m}, {"1h", b.last_1h}, {"6h", b.last_6h}};
    }
    out.push_back(std::move(one));
  }
  return json{{"objectives", out}}.dump();
}

void Understanding::samples(std::vector<metrics::Sample>& out) const {
  kpi_samples(state_->life.all(), state_->life.faults(), state_->now, out);
}

std::string Understanding::snapshot() const {
  json incidents = json::array(), faults = json::array(), recent = json::array();
  for (const Incident& incident : state_->life.all()) incidents.push_back(to_json(incident));
  for (const InjectedFault& fault : state_->life.faults()) faults.push_back(to_json(fault));
  for (const stream::RecentChange& change : state_->recent) recent.push_back(to_json(change));
  return json{{"version", 1}, {"incidents", incidents}, {"faults", faults}, {"recent", recent}}.dump();
}

Status Understanding::restore(std::string_view snapshot) {
  const json from = json::parse(snapshot, nullptr, false);
  if (from.is_discarded() || field(from, "version", 0) != 1)
    return fail(Code::invalid_argument, "the snapshot of incidents is not of a known version");
  std::deque<Incident> incidents;
  std::deque<InjectedFault> faults;
  for (const json& incident : list(from, "incidents")) incidents.push_back(incident_from(incident));
  for (const json& fault : list(from, "faults")) faults.push_back(fault_from(fault));
  state_->recent.clear();
  for (const json& change : list(from, "recent"))
    if (state_->recent.size() < recent_max) state_->recent.push_back(recent_change_from(change));
  state_->life.restore(std::move(incidents), std::move(faults));
  return {};
}

std::string Understanding::baselines() const { return state_->detector.baselines(); }

Status Understanding::restore_baselines(std::string_view baselines, UnixNanos at) {
  return state_->detector.restore(baselines, at / nanos_per_s);
}

}  // namespace hs::loop
