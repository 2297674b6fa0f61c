#include "loop/detect/detector.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace hs::loop {
namespace {

constexpr double seconds_of_budget = false_alarm_hours * 3600;
constexpr double share_of_class = 0.5;   // declared and learned watches have half of the budget each
constexpr int64_t trouble_keeps_s = 30;  // learning waits so long after a symptom
constexpr int64_t frozen_max_s = 600;    // and so long while others suffer
constexpr double silent_share = 0.1;     // of an entry's usual rate
constexpr double rate_watched = 1;       // requests a second below which silence says little
constexpr double rate_caution = 0.8;     // of the learned rate: what is expected at least
constexpr double alive_share = 0.5;      // of the usual rate: an operation that still answers
constexpr double attack_subjects = 10;   // distinct addresses or users in 10 s: fewer is somebody's forgotten password
constexpr double attack_factor = 4;      // times the usual number of subjects, and of warnings
constexpr int64_t attack_window_s = 10;
constexpr double others_least = 3;  // failed requests of other users, beside one or two who fail again and again

Watch make(Measured measured, size_t limit = 0) {
  Watch w;
  w.measured = measured;
  w.limit = limit;
  return w;
}

Watch make(Measured measured, size_t limit, const std::string& objective, double bad_allowed) {
  Watch w = make(measured, limit);
  w.objective = objective;
  w.bad_allowed = bad_allowed;
  return w;
}

bool concerns(const config::Objective& o, const OperationKey& key) {
  return o.service == key.service && o.operation == key.operation;
}

// Takes a place for a declared limit; nothing when all are taken by other limits.
std::optional<size_t> take_limit(Track& track, double ms) {
  for (size_t i = 2; i < slow_limits_max; ++i) {
    if (track.slow_limits[i] == 0) {
      track.slow_limits[i] = ms;
      track.usual.sums.slow[i] = track.usual_ms.count() - track.usual_ms.count_at_most(ms);
    }
    if (track.slow_limits[i] == ms) return i;
  }
  return std::nullopt;
}

}  // namespace

double Detector::threshold(bool declared) const {
  const size_t sharing = std::max<size_t>(declared ? declared_watches_ : learned_watches_, 1);
  return std::log(static_cast<double>(sharing) * seconds_of_budget / share_of_class);
}

template <class Self, class F>
void Detector::each_watch(Self& self, F&& f) {
  for (auto& [key, watches] : self.operation_watches_)
    for (auto& w : watches) f(w, key.service);
  for (auto& [key, watches] : self.edge_watches_)
    for (auto& w : watches) f(w, key.service);
  for (auto* all : {&self.kpis_, &self.probes_})
    for (auto& [name, watched] : *all)
      for (auto& w : watched.watches) f(w, watched.place.service);
}

std::vector<Turn> Detector::step(const stream::Frame& frame, const config::Declarations& declarations) {
  now_ = frame.tick / nanos_per_s;
  turns_ = std::exchange(accepted_, {});
  history_.add(frame, now_);
  users_.add(frame, now_);
  declare(declarations);
  note_kpis(frame);
  note_probes(frame);
  note_warnings(frame);
  equip();
  for (auto& [key, track] : history_.operations)
    judge({key.service, key.operation, ""}, track, operation_watches_[key]);
  for (auto& [key, track] : history_.edges) judge({key.service, "", key.peer}, track, edge_watches_[key]);
  for (auto* all : {&kpis_, &probes_})
    for (auto& [name, watched] : *all) judge(watched.place, watched.track, watched.watches);
  each_watch(*this, [&](const Watch& w, const std::string& service) {
    if (w.open() == nullptr) return;
    trouble_[service] = now_;
    if (!w.symptom->peer.empty()) trouble_[w.symptom->peer] = now_;
  });
  history_.learn(now_, [&](const std::string& service) { return troubled(service); });
  for (auto* all : {&kpis_, &probes_, &warnings_})
    for (auto& [name, watched] : *all) History::learn(watched.track, now_, troubled(watched.place.service));
  return std::move(turns_);
}

// A service's numbers are not learned while it suffers or, for a while, while anything does: what it sees may be the
// shadow of another's trouble.
bool Detector::troubled(const std::string& service) const {
  const auto own = trouble_.find(service);
  if (own != trouble_.end() && now_ - own->second <= trouble_keeps_s) return true;
  for (const Symptom* s : active())
    if (now_ - s->detected / nanos_per_s < frozen_max_s) return true;
  return false;
}

std::vector<Detector::Burning> Detector::burning() const {
  std::vector<Burning> all;
  each_watch(*this, [&](const Watch& w, const std::string&) {
    if (w.learned() || w.is_rate() || w.measured == Measured::probe) return;
    all.push_back({w.objective, w.burn.rate(5, w.bad_allowed), w.burn.rate(60, w.bad_allowed),
                   w.burn.rate(360, w.bad_allowed), w.page(), w.burn.bad(), w.burn.n()});
  });
  return all;
}

std::vector<const Symptom*> Detector::active() const {
  std::vector<const Symptom*> out;
  each_watch(*this, [&](const Watch& w, const std::string&) {
    if (const Symptom* s = w.open()) out.push_back(s);
  });
  return out;
}

void Detector::accept(const std::string& symptom, UnixNanos since) {
  each_watch(*this, [&](Watch& w, const std::string&) {
    if (w.open() == nullptr || w.symptom->id != symptom || !w.learned()) return;
    w.accepted = true;
    Symptom told = *w.symptom;
    told.ended = since;
    told.evidence += "; the repair costs that much, and every objective holds";
    accepted_.push_back({std::move(told), false});
  });
}

void Detector::declare(const config::Declarations& declarations) {
  const auto same = [](const config::Objective& a, const config::Objective& b) {
    return a.name == b.name && a.service == b.service && a.operation == b.operation && a.kind == b.kind &&
           a.target == b.target && a.threshold_ms == b.threshold_ms && a.window_ms == b.window_ms;
  };
  const auto same_kpi = [](const config::Kpi& a, const config::Kpi& b) {
    return a.name == b.name && a.target == b.target;
  };
  const bool objectives_stay = std::equal(declared_.objectives.begin(), declared_.objectives.end(),
                                          declarations.objectives.begin(), declarations.objectives.end(), same);
  const bool kpis_stay = std::equal(declared_.kpis.begin(), declared_.kpis.end(), declarations.kpis.begin(),
                                    declarations.kpis.end(), same_kpi);
  if (objectives_stay && kpis_stay) return;
  drop_watches();
  for (const config::Kpi& kpi : declarations.kpis) declare_kpi(kpi);
  declared_ = declarations;
}

// Watches are made anew for new declarations; what they saw last is told.
void Detector::drop_watches() {
  each_watch(*this, [&](Watch& w, const std::string&) {
    if (w.open() == nullptr) return;
    w.symptom->ended = now_ * nanos_per_s;
    turns_.push_back({*w.symptom, false});
  });
  for (const auto& [key, watches] : operation_watches_)
    if (const auto track = history_.operations.find(key); track != history_.operations.end())
      for (const Watch& w : watches) remember({key.service, key.operation, ""}, track->second, w, remembered_);
  for (auto& [name, watched] : kpis_) {
    for (const Watch& w : watched.watches) remember(watched.place, watched.track, w, remembered_);
    remembered_tracks_["kpi/" + name] = std::move(watched.track);
  }
  operation_watches_.clear();
  for (auto& [key, track] : history_.operations) track.slow_limits[2] = track.slow_limits[3] = 0;
  kpis_.clear();
}

std::vector<Watch> Detector::watches_for(const OperationKey& key, Track& track) const {
  std::vector<Watch> watches{make(Measured::errors)};
  if (!key.operation.empty()) {
    watches.push_back(make(Measured::slow, 0));
    watches.push_back(make(Measured::slow, 1));
    watches.push_back(make(Measured::drop));
    watches.push_back(make(Measured::denied));
  }
  for (const config::Objective& o : declared_.objectives) {
    if (!concerns(o, key)) continue;
    const double allowed = 1 - o.target;
    if (o.kind == config::ObjectiveKind::availability)
      watches.push_back(make(Measured::errors, 0, o.name, allowed));
    else if (const auto limit = take_limit(track, static_cast<double>(o.threshold_ms)))
      watches.push_back(make(Measured::slow, *limit, o.name, allowed));
    else
      continue;
    watches.back().budget_minutes = o.window_ms / 60'000;
  }
  return watches;
}

void Detector::equip() {
  std::erase_if(operation_watches_, [&](const auto& item) { return !history_.operations.contains(item.first); });
  std::erase_if(edge_watches_, [&](const auto& item) { return !history_.edges.contains(item.first); });
  for (auto& [key, track] : history_.operations) {
    std::vector<Watch>& watches = operation_watches_[key];
    if (!watches.empty()) continue;
    watches = watches_for(key, track);
    recall({key.service, key.operation, ""}, track, watches);
  }
  for (auto& [key, track] : history_.edges) {
    std::vector<Watch>& watches = edge_watches_[key];
    if (!watches.empty()) continue;
    watches = {make(Measured::errors), make(Measured::slow, 0), make(Measured::slow, 1)};
    recall({key.service, "", key.peer}, track, watches);
  }
  declared_watches_ = learned_watches_ = 0;
  each_watch(*this,
             [&](const Watch& w, const std::string&) { ++(w.learned() ? learned_watches_ : declared_watches_); });
}

void Detector::judge(const Place& place, Track& track, std::vector<Watch>& watches) {
  for (Watch& watch : watches) watch.is_rate() ? judge_rate(place, track, watch) : judge_share(place, track, watch);
}

void Detector::follow(Track& track, Watch& watch, int64_t settled) {
  bool over = follow_symptom(watch, track, settled);
  const int64_t lasts = now_ - watch.symptom->detected / nanos_per_s;
  if (!over && watch.learned() && lasts > new_normal_s) {
    watch.symptom->ended = now_ * nanos_per_s;
    watch.symptom->evidence += "; it lasts so long that it is taken as the new normal";
    track.usual = {};
    track.usual_ms = {};
    over = true;
  }
  if (!over) return;
  if (!watch.accepted) turns_.push_back({*watch.symptom, false});
  watch.reset();
}

void Detector::start(const Place& place, const Track& track, Watch& watch, const Norm& norm, int64_t onset,
                     int64_t settled) {
  open_symptom(watch, place, track, norm, onset, settled, now_ * nanos_per_s);
  turns_.push_back({*watch.symptom, true});
}

// What is counted from metrics comes when they are exported, which may be much later than its service's spans.
int64_t Detector::settled(const Place& place, const Track& track) const {
  return std::min(history_.settled(place.service, now_), now_ - 2 - static_cast<int64_t>(track.lag_s));
}

void Detector::judge_share(const Place& place, Track& track, Watch& watch) {
  const int64_t settled = this->settled(place, track);
  if (!watch.learned() && track.fresh.n > 0) watch.burn.add(now_, bad_of(watch, track.fresh), track.fresh.n);
  if (watch.symptom) {
    watch.symptom->page = watch.page();
    return follow(track, watch, settled);
  }
  const auto norm = norm_of(watch, track);
  if (!norm) return;
  const double bound = threshold(!watch.learned());
  if (add_fresh(watch, track, *norm, bound) < bound) return;
  if (watch.measured == Measured::denied && !is_attack(place, track)) return;
  const int64_t newest = std::max(settled, std::min(track.last_second, now_));
  const int64_t onset = onset_of(watch, track, *norm, newest);
  const Sums since = track.ring.sum(onset, newest);
  const double bad = bad_of(watch, since);
  if (bad <= 0 || bad < norm->smallest * since.n) return;  // certain, but too little to matter
  if (watch.measured != Measured::probe && bad * since.spans < events_needed(watch, place, track) * since.n) return;
  if (watch.measured == Measured::errors && is_of_few(place, watch, since, *norm, onset))
    return watch.reset();  // or it would be told when these users are forgotten
  start(place, track, watch, *norm, onset, settled);
}

// One or two users fail again and again, and without them nothing would be said. The burn rate counts them all the
// same.
bool Detector::is_of_few(const Place& place, const Watch& watch, const Sums& since, const Norm& norm,
                         int64_t onset) const {
  double few = users_.of_few(place.service, place.operation, onset).few;
  if (!place.peer.empty()) few = std::max(few, users_.of_few(place.peer, "", onset).few);
  const double bad = bad_of(watch, since), others = std::max(0.0, bad - few);
  return few > 0 && others < std::max(others_least, norm.smallest * (since.n - (bad - others)));
}

double Detector::expected_rate(const Watch& watch, const Track& track, int64_t settled) const {
  if (watch.measured != Measured::drop) return watch.bad_allowed;
  constexpr int64_t skip_s = 8, over_s = 30;  // recent, but before what is being judged
  const double recent = track.ring.sum(settled - skip_s - over_s, settled - skip_s).n / static_cast<double>(over_s + 1);
  return rate_caution * std::min(track.usual.rate(), recent);
}

void Detector::judge_rate(const Place& place, Track& track, Watch& watch) {
  const int64_t settled = this->settled(place, track);
  if (watch.symptom) return follow(track, watch, settled);
  if (watch.measured == Measured::drop && !track.ready()) return;
  const double expected = expected_rate(watch, track, settled);
  if (watch.measured == Measured::drop && expected < rate_watched) return watch.drop.reset();
  const double bound = threshold(!watch.learned());
  watch.usual = expected;
  if (add_settled(watch, track, expected, track.rate_spread.value(), settled, bound) < bound) return;
  if (watch.measured == Measured::drop && !is_hung(place, track, settled)) return;
  const int64_t onset = onset_of(watch, track, {}, settled);
  const double seen = track.ring.sum(onset, settled).n / static_cast<double>(settled - onset + 1);
  if (watch.measured == Measured::drop && seen > expected) return watch.drop.reset();  // it is back already
  start(place, track, watch, {}, onset, settled);
}

bool Detector::is_alive(const OperationKey& key, int64_t settled) const {
  const auto found = history_.operations.find(key);
  if (found == history_.operations.end()) return false;
  const Track& t = found->second;
  return t.ready() && t.ring.sum(settled - 2, settled).n / 3 >= alive_share * t.usual.rate();
}

// Silence is a departure of this operation's own when the system is otherwise asked (some operation still answers) and
// its callers are not simply busy with something else: one of them is silent too, or its calls fail.
bool Detector::is_hung(const Place& place, const Track& track, int64_t settled) const {
  bool asked = false;
  for (const auto& [key, track] : history_.operations)
    asked |= !key.operation.empty() && track.usual.rate() >= rate_watched && is_alive(key, settled);
  if (!asked) return false;
  bool has_callers = false;
  for (const auto& [key, call] : history_.calls) {
    if (key.callee != place.service || (!key.callee_operation.empty() && key.callee_operation != place.operation))
      continue;
    has_callers = true;
    const CallSums recent = call.ring.sum(settled - 3, settled);
    if (!is_alive({key.service, key.operation}, settled) || recent.errors > 0.5 * recent.n) return true;
  }
  // Nobody tells how often an entry is asked: customers may go away. All of them at once do not.
  return !has_callers && track.ring.sum(settled - 3, settled).n < silent_share * 4 * track.usual.rate();
}

bool Detector::is_attack(const Place& place, const Track& track) const {
  const auto warnings = warnings_.find(place.service);
  if (warnings == warnings_.end()) return false;
  const Track& logs = warnings->second.track;
  const double usual_warnings = logs.usual.rate() * attack_window_s;
  const double usual_subjects = logs.usual.seconds > 0 ? logs.usual.sums.subjects / logs.usual.seconds : 0;
  const Sums said = logs.ring.sum(now_ - attack_window_s, now_);
  const Sums seen = track.ring.sum(now_ - attack_window_s, now_);
  const double subjects = std::max(said.subjects, seen.subjects);
  return said.n >= std::max(attack_subjects, attack_factor * usual_warnings) && subjects >= attack_subjects &&
         subjects >= attack_factor * usual_subjects * attack_window_s;
}

}  // namespace hs::loop
