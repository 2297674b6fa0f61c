#include "loop/verify/goal.h"

#include <algorithm>
#include <cmath>

#include "loop/json.h"

namespace hs::loop {
namespace {

using config::Objective;
using config::ObjectiveKind;

const Objective* objective_named(const config::Declarations& declarations, const std::string& name) {
  for (const auto& o : declarations.objectives)
    if (o.name == name) return &o;
  return nullptr;
}

constexpr int64_t slow_window_s = 10, missed_window_s = 6;
constexpr double missed_n_min = 15, missed_more = 0.1;
constexpr int64_t missed_long_s = 20;  // for less than that much more: it takes longer to be sure
constexpr double missed_z = 4;
constexpr int64_t settle_seen_s = 20, settle_s_max = 6;

bool goes_on(const Symptom& s) { return s.ended == 0; }
bool countable(const Symptom& s) { return s.kind == SymptomKind::errors || s.kind == SymptomKind::latency; }
// The service's own answers depart, not its calls to a peer: those can be counted request by request.
bool own(const Symptom& s) { return s.peer.empty(); }

// Between the learned limit and what the slower half takes now: the geometric middle, because latency is
// multiplicative.
double slow_limit(const Symptom& s, const Past& history) {
  const int64_t to = history.last_second() + 1;
  const auto now = history.durations({.service = s.service, .operation = s.operation, .kind = 2},
                                     std::max(s.started / nanos_per_s, to - slow_window_s), to);
  return std::sqrt(s.limit_ms * std::max(s.limit_ms, now.count() > 0 ? now.quantile(0.75) : 0));
}

// Symptoms that can be counted; those with a declared objective, when there are any: they are what people care about.
std::vector<const Symptom*> countable_symptoms(const Incident& incident) {
  std::vector<const Symptom*> all, declared;
  for (const auto& s : incident.symptoms) {
    if (!countable(s) || !own(s) || !goes_on(s)) continue;
    all.push_back(&s);
    if (!s.objective.empty()) declared.push_back(&s);
  }
  return declared.empty() ? all : declared;
}

void add_symptom(Goal& goal, const Symptom& s, const config::Declarations& declarations, const Past& history) {
  auto [it, fresh] = goal.requests.try_emplace({s.service, s.operation}, Bad{.errors = false});
  Bad& bad = it->second;
  goal.healthy = std::max(goal.healthy, s.baseline * 1.5);
  if (s.kind == SymptomKind::errors) {
    bad.errors = true;
  } else {
    const Objective* o = objective_named(declarations, s.objective);
    const bool has_limit = o != nullptr && o->kind == ObjectiveKind::latency;
    const double limit_ms = has_limit ? static_cast<double>(o->threshold_ms) : slow_limit(s, history);
    bad.slow_ms = bad.slow_ms > 0 ? std::min(bad.slow_ms, limit_ms) : limit_ms;
  }
  if (const Objective* o = objective_named(declarations, s.objective))
    goal.healthy = std::max(goal.healthy, 1 - o->target);
  goal.started = goal.started == 0 ? s.started : std::min(goal.started, s.started);
}

// Whether requests of an objective come to what departs: of calls that depart, to where they go.
bool comes_to(const Objective& o, const Symptom& s, const Past& history) {
  const bool calls = !s.peer.empty() && history.calls(s.service, s.peer);
  return history.leads_to(o.service, o.operation, calls ? s.peer : s.service);
}

// Clearly more than is allowed: much more for some seconds, or twice as many failures for so long that it is no chance.
// A little slow is what any busy machine is for a while: that is no reason to change anything.
bool is_missed(const Past& history, const Scope& scope, const Bad& bad, double allowed, int64_t started, int64_t to) {
  const auto since = [&](int64_t seconds) { return history.total(scope, bad, std::max(started, to - seconds), to); };
  const Block now = since(missed_window_s);
  if (now.n < missed_n_min) return false;
  if (now.bad >= (2 * allowed + missed_more) * now.n) return true;
  if (bad.slow_ms > 0) return false;
  const Block all = since(missed_long_s);
  const double chance = std::sqrt(all.n * allowed * (1 - allowed));
  return all.bad >= 2 * allowed * all.n && all.bad - allowed * all.n >= missed_z * std::max(chance, 1.0) &&
         now.bad >= 2 * allowed * now.n;
}

// Objectives of one kind that are missed now, of requests that come to where a symptom is.
void add_missed(Goal& goal, ObjectiveKind kind, const Incident& incident, const config::Declarations& declarations,
                const Past& history) {
  const int64_t to = history.last_second(), started = incident.started / nanos_per_s + 1;
  for (const Objective& o : declarations.objectives) {
    if (o.kind != kind) continue;
    const bool latency = o.kind == ObjectiveKind::latency;
    const double slow_ms = latency ? static_cast<double>(o.threshold_ms) : 0;
    const Bad bad{.errors = !latency, .slow_ms = slow_ms, .limited = !incident.security};
    const double allowed = 1 - o.target;
    if (!is_missed(history, {.service = o.service, .operation = o.operation, .kind = 2}, bad, allowed, started, to))
      continue;
    const auto above = [&](const Symptom& x) { return goes_on(x) && comes_to(o, x, history); };
    if (std::none_of(incident.symptoms.begin(), incident.symptoms.end(), above)) continue;
    Bad& all = goal.requests.try_emplace({o.service, o.operation}, Bad{.errors = false}).first->second;
    all.errors |= bad.errors;
    if (latency) all.slow_ms = bad.slow_ms;
    goal.healthy = std::max(goal.healthy, allowed);
  }
}

// What departs is missed in its own kind: where rides fail and are slow for two reasons, a cure of the one leaves the
// other, and would seem to be none. In another kind only when nothing of its own is missed: a slow callee that is given
// up on.
void add_missed(Goal& goal, const Incident& incident, const config::Declarations& declarations, const Past& history) {
  const auto departs = [&](SymptomKind kind) {
    return std::any_of(incident.symptoms.begin(), incident.symptoms.end(),
                       [&](const Symptom& s) { return goes_on(s) && s.kind == kind; });
  };
  const bool errors = departs(SymptomKind::errors), slow = departs(SymptomKind::latency), either = errors == slow;
  if (errors || either) add_missed(goal, ObjectiveKind::availability, incident, declarations, history);
  if (slow || either) add_missed(goal, ObjectiveKind::latency, incident, declarations, history);
  if (either || !goal.requests.empty()) return;
  add_missed(goal, errors ? ObjectiveKind::latency : ObjectiveKind::availability, incident, declarations, history);
}

// When what departs now began: one that came back began anew.
UnixNanos onset(const Incident& incident) {
  UnixNanos first = 0;
  for (const auto& s : incident.symptoms)
    if (goes_on(s) && (first == 0 || s.started < first)) first = s.started;
  return first == 0 ? incident.started : first;
}

// The service of an incident of which no answer departs, only calls to others.
std::string suffering(const Incident& incident) {
  for (const auto& s : incident.symptoms)
    if (goes_on(s) && !s.service.empty()) return s.service;
  return incident.service;
}

void watch_series(Goal& goal, const Symptom& s) {
  goal.series = s.id, goal.started = s.started;
  goal.midpoint = (s.baseline + s.observed) / 2;
  goal.bad_above = s.observed > s.baseline;
  goal.measure = s.kind == SymptomKind::security ? "security" : s.kind == SymptomKind::kpi ? "kpi" : "load";
  goal.healthy = 0.2;
}

}  // namespace

const Bad* Goal::bad_of(const std::string& service, const std::string& operation) const {
  auto found = requests.find({service, operation});
  if (found == requests.end()) found = requests.find({service, ""});
  return found == requests.end() ? nullptr : &found->second;
}

int Goal::judge(const stream::Outcome& o) const {
  const Bad* bad = bad_of(o.service, o.operation);
  if (bad == nullptr) return -1;
  return (bad->errors && o.error) || (bad->denied && o.denied) || (bad->limited && o.limited) ||
         (bad->slow_ms > 0 && o.duration_ms > bad->slow_ms);
}

Goal goal_of(const Incident& incident, const config::Declarations& declarations, const Past& history) {
  Goal goal;
  goal.started = onset(incident);
  for (const auto& s : incident.symptoms)
    if (goes_on(s) && !s.objective.empty()) goal.ill.push_back(s.objective);
  auto symptoms = countable_symptoms(incident);
  bool security = incident.security;
  const Symptom* other = nullptr;
  for (const auto& s : incident.symptoms)
    if (goes_on(s) && !countable(s) && (other == nullptr || s.strength > other->strength)) other = &s;
  // An attack goes on whatever we answer: what is to get better is what it does to customers, when it does.
  if (security) add_missed(goal, incident, declarations, history);
  if (security && !goal.requests.empty()) {
    goal.measure = "security";
    for (auto& [where, bad] : goal.requests) bad.limited = false;  // it is the attacker who is to be turned away
    return goal;
  }
  if (other != nullptr && (security || symptoms.empty())) {
    watch_series(goal, *other);
    return goal;
  }
  goal.started = 0;
  const bool declared = !symptoms.empty() && !symptoms.front()->objective.empty();
  if (!declared) add_missed(goal, incident, declarations, history);
  goal.owed = declared || !goal.requests.empty();
  if (goal.requests.empty())
    for (const Symptom* s : symptoms) add_symptom(goal, *s, declarations, history);
  const bool errors = std::any_of(goal.requests.begin(), goal.requests.end(), [](auto& r) { return r.second.errors; });
  goal.measure = errors || goal.requests.empty() ? "errors" : "latency";
  if (goal.requests.empty()) goal.requests[{suffering(incident), ""}] = Bad{};
  if (goal.started == 0) goal.started = onset(incident);
  return goal;
}

std::vector<Block> blocks_of(const Goal& goal, const Past& history, const Latest& latest, int64_t from, int64_t to) {
  std::vector<Block> out;
  if (!goal.series.empty()) {
    for (auto it = latest.lower_bound(from); it != latest.end() && it->first < to; ++it)
      out.push_back({1, (it->second > goal.midpoint) == goal.bad_above ? 1.0 : 0.0});
    return out;
  }
  out.resize(static_cast<size_t>(std::max<int64_t>(0, to - from)));
  for (const auto& [where, bad] : goal.requests) {
    for (uint8_t kind : {uint8_t{2}, uint8_t{5}}) {
      auto some = history.blocks({.service = where.first, .operation = where.second, .kind = kind}, bad, from, to);
      for (size_t i = 0; i < some.size() && i < out.size(); ++i) {
        out[out.size() - some.size() + i] += some[i];
      }
    }
  }
  return out;
}

int64_t settle_s(const Goal& goal, const Past& history, int64_t second) {
  double slow_ms = 0;
  for (const auto& [where, bad] : goal.requests) {
    const auto seen = history.durations({.service = where.first, .operation = where.second, .kind = 2},
                                        second - settle_seen_s, second);
    slow_ms = std::max(slow_ms, seen.quantile(0.9));
  }
  return std::clamp<int64_t>(static_cast<int64_t>(std::ceil(slow_ms / 1000)), 1, settle_s_max);
}

SpeedLimits::SpeedLimits(const Past& history, const config::Declarations& declarations, int64_t from, int64_t to) {
  constexpr double slack = 3;
  std::map<std::pair<std::string, std::string>, stream::Sketch> seen;
  for (const auto& key : history.keys({.kind = 2})) seen.try_emplace({key.service, key.operation});
  for (auto& [where, sketch] : seen) {
    sketch = history.durations({.service = where.first, .operation = where.second, .kind = 2}, from, to);
    if (sketch.count() >= 20) limits_[where] = slack * sketch.quantile(0.95);
  }
  for (const auto& o : declarations.objectives)
    if (o.kind == ObjectiveKind::latency) limits_[{o.service, o.operation}] = static_cast<double>(o.threshold_ms);
}

double SpeedLimits::ms(const std::string& service, const std::string& operation) const {
  auto found = limits_.find({service, operation});
  if (found == limits_.end()) found = limits_.find({service, ""});
  return found == limits_.end() ? 0 : found->second;
}

nlohmann::json to_json(const Goal& goal) {
  auto requests = nlohmann::json::array();
  for (const auto& [where, bad] : goal.requests)
    requests.push_back({{"service", where.first},
                        {"operation", where.second},
                        {"errors", bad.errors},
                        {"slow_ms", bad.slow_ms},
                        {"denied", bad.denied},
                        {"limited", bad.limited}});
  return {
      {"requests", requests},    {"series", goal.series},   {"midpoint", goal.midpoint}, {"bad_above", goal.bad_above},
      {"measure", goal.measure}, {"healthy", goal.healthy}, {"broken", goal.broken},     {"owed", goal.owed},
      {"started", goal.started}, {"ill", goal.ill}};
}

Result<Goal> goal_from(const nlohmann::json& from) {
  Goal goal;
  if (!from.is_object()) return fail(Code::invalid_argument, "goal: not an object");
  for (const auto& r : list(from, "requests"))
    goal.requests[{field(r, "service", std::string()), field(r, "operation", std::string())}] = {
        field(r, "errors", true), field(r, "slow_ms", 0.0), field(r, "denied", false), field(r, "limited", true)};
  goal.series = field(from, "series", std::string()), goal.midpoint = field(from, "midpoint", 0.0);
  goal.bad_above = field(from, "bad_above", true), goal.measure = field(from, "measure", std::string("errors"));
  goal.healthy = field(from, "healthy", 0.01), goal.broken = field(from, "broken", 1.0);
  goal.owed = field(from, "owed", true), goal.started = field(from, "started", int64_t{0});
  for (const auto& name : list(from, "ill"))
    if (name.is_string()) goal.ill.push_back(name.get<std::string>());
  return goal;
}

}  // namespace hs::loop
