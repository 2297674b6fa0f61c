// Control: what to do about each incident, or why nothing.

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loop/decide/witness.h"
#include "loop/json.h"
#include "loop/machine/control.h"
#include "loop/machine/record.h"

namespace hs::loop {
namespace {

using nlohmann::json;
constexpr size_t options_told = 5;
constexpr int64_t growing_s = 3, growing_s_max = 16;
constexpr double few_users_share = 0.75;
constexpr int64_t own_doing_s = 60;                  // a symptom that begins so soon after our change may be its doing
constexpr int64_t onset_slack_ns = 3 * nanos_per_s;  // of the estimated onset
constexpr int64_t calm_s = 5;
constexpr double calm_n_min = 15;
constexpr int64_t instances_known_s = 6;        // after a start: each has told of itself since
constexpr double cause_probability_min = 0.15;  // below, the explanation is a guess

bool goes_on(const Incident& incident) {
  return incident.restored == 0 && incident.closed == 0 &&
         std::any_of(incident.symptoms.begin(), incident.symptoms.end(), [](const Symptom& s) { return s.ended == 0; });
}

bool is_owed(const Incident& incident) {  // some of it breaks what the team declared
  return std::any_of(incident.symptoms.begin(), incident.symptoms.end(),
                     [](const Symptom& s) { return s.ended == 0 && !s.objective.empty(); });
}

}  // namespace

bool Control::Case::repaired() const {
  return std::any_of(tried.begin(), tried.end(), [](const Tried& t) { return t.kind == VerdictKind::pass; });
}

void Control::Case::note(Tried what, const Policy& policy, UnixNanos now) {
  auto before = std::count_if(tried.begin(), tried.end(), [&](const Tried& t) {
    return t.knob == what.knob && t.to == what.to && t.ramp == what.ramp && t.again != 0;
  });
  bool again = what.again != 0 && static_cast<size_t>(before) < policy.retries_max;
  what.again = again ? now + (policy.retry_ms << (2 * before)) * nanos_per_ms : 0;
  tried.push_back(std::move(what));
}

void Control::Case::follow(const Incident& incident, UnixNanos now) {
  if (incident.causes.empty()) return;
  const std::string place = place_of(incident.causes[0]), first = place + " " + incident.causes[0].kind;
  if (explained != first) explained = first, explained_since = now;
  const bool again = incident.reopened != reopened;
  if (again && cause != place) tried.clear(), failed = 0, given_up = corroborated = false;
  if (again || cause.empty()) cause = place;
  reopened = incident.reopened;
}

Control::Case& Control::case_of(const std::string& incident) {
  if (cases_.size() >= cases_max && !cases_.contains(incident)) {
    auto oldest = std::min_element(cases_.begin(), cases_.end(), [](const auto& a, const auto& b) {
      return a.second.last_seen < b.second.last_seen;
    });
    cases_.erase(oldest);
  }
  Case& known = cases_[incident];
  known.last_seen = now_;
  return known;
}

const config::Knob* Control::knob_named(const std::string& key) const {
  for (const auto& knob : declarations_.knobs)
    if (knob.key == key) return &knob;
  return nullptr;
}

config::Value Control::settled(const config::Knob& knob) const {
  auto found = settled_.find(knob.key);
  return found == settled_.end() ? knob.base : found->second;
}

bool share_services(const config::Knob& a, const config::Knob& b) {
  if (a.services.empty() || b.services.empty()) return true;  // no services declared: it may be anybody's
  return std::any_of(a.services.begin(), a.services.end(), [&](const std::string& s) {
    return std::find(b.services.begin(), b.services.end(), s) != b.services.end();
  });
}

// One change at a time per service; and what has no control group must be alone where it is measured.
bool Control::in_the_way(const config::Knob& knob, const Goal& goal) const {
  // What was promoted a moment ago shows only when the data of the time before have passed.
  const auto is_fresh = [&](const Hold& h) {
    return now_ - h.since() < after_verdict_ns(h.goal()) && share_services(h.knob(), knob);
  };
  if (std::any_of(holds_.begin(), holds_.end(), is_fresh)) return true;
  return std::any_of(trials_.begin(), trials_.end(), [&](const Trial& t) {
    if (share_services(t.knob(), knob)) return true;
    bool shared = !t.isolated() || knob.effect == config::KnobEffect::shared;
    // A measure of the whole cannot tell two changes apart, wherever they are made.
    if (shared && (!goal.series.empty() || !t.goal().series.empty())) return true;
    bool overlap = std::any_of(goal.requests.begin(), goal.requests.end(), [&](const auto& r) {
      return t.goal().bad_of(r.first.first, r.first.second) != nullptr;
    });
    return shared && overlap;
  });
}

void Control::decide_all(const Incidents& incidents, Actions& out) {
  for (const Incident* incident : incidents) {
    if (!goes_on(*incident)) continue;
    Case& known = case_of(incident->id);
    if (ready(*incident, known)) decide(*incident, incidents, out);
  }
}

bool Control::ready(const Incident& incident, Case& known) const {
  if (known.given_up || now_ < known.wait_until) return false;
  bool busy =
      std::any_of(trials_.begin(), trials_.end(), [&](const Trial& t) { return t.change().incident == incident.id; });
  if (busy) return false;
  bool explained = !incident.causes.empty() && incident.state != IncidentState::detected;
  return explained || now_ - incident.detected > policy_.explain_ms * nanos_per_ms;
}

Block Control::lately(const Goal& goal, int64_t seconds) const {
  static const Latest none;
  auto found = latest_.find(goal.series);
  int64_t to = history_.last_second();
  return total(blocks_of(goal, history_, found == latest_.end() ? none : found->second, to - seconds, to));
}

// Whether the team declared what it owes on requests that come to where the incident is: then a departure from what is
// usual is worth knowing, but only a missed objective is worth a change.
bool Control::is_covered(const Incident& incident) const {
  return std::any_of(declarations_.objectives.begin(), declarations_.objectives.end(), [&](const config::Objective& o) {
    return std::any_of(incident.symptoms.begin(), incident.symptoms.end(), [&](const Symptom& s) {
      return s.ended == 0 && history_.leads_to(o.service, o.operation, s.service);
    });
  });
}

// Data of the time before a change have passed when the slowest reporter of the goal's requests has told of the time
// after.
int64_t Control::after_verdict_ns(const Goal& goal) const {
  int64_t delay_s = 1;
  for (const auto& [where, bad] : goal.requests) delay_s = std::max(delay_s, history_.delay_s(where.first));
  return policy_.after_verdict_ms * nanos_per_ms + (delay_s - 1) * nanos_per_s;
}

// Why the incident should be looked at again in a moment.
std::string Control::unsettled(const Goal& goal) const {
  Block sum = lately(goal, calm_s);
  bool counted = goal.series.empty();
  if (sum.n >= (counted ? calm_n_min : calm_s) && sum.bad <= goal.healthy * sum.n) return "it is over, or nearly";
  return "";
}

// One user's broken data, repeated, is no reason to change what everybody gets; nor could two arms tell anything of it.
std::string Control::few_users(const Goal& goal) const {
  if (goal.measure != "errors") return "";
  double few = 0, all = 0;
  for (const auto& [where, bad] : goal.requests) {
    const auto share = history_.users().of_few(where.first, where.second, goal.started / nanos_per_s);
    few += share.few, all += share.all;
  }
  return few > few_users_share * all ? "nearly all failed requests are of one or two users" : "";
}

// The incident is repaired but for the few that keep the old value on purpose: their symptoms want no other change.
std::string Control::held_back(const Incident& incident) const {
  auto repairs = [&](const Hold& hold) {
    return hold.promoted() && hold.change().incident == incident.id && hold.sufficient() &&
           std::all_of(incident.symptoms.begin(), incident.symptoms.end(), [&](const Symptom& s) {
             bool watched = s.objective.empty() || hold.goal().bad_of(s.service, s.operation) != nullptr;
             return s.ended != 0 || (watched && s.started <= hold.since());
           });
  };
  auto found = std::find_if(holds_.begin(), holds_.end(), repairs);
  return found == holds_.end() ? "" : "only those are ill that " + found->knob().key + " holds back";
}

// Fewer calls reach a service because we changed its caller: a fallback, a cache, a breaker. Its callers are watched.
std::string Control::own_doing(const Incident& incident, const Goal& goal) const {
  if (goal.measure != "load" || goal.bad_above) return "";
  bool called = std::all_of(incident.symptoms.begin(), incident.symptoms.end(), [&](const Symptom& s) {
    return s.ended != 0 || std::any_of(history_.edges().begin(), history_.edges().end(),
                                       [&](const auto& e) { return e.first.second == s.service; });
  });
  auto just_before = [&](UnixNanos at) {
    return at <= goal.started + onset_slack_ns && goal.started - at <= own_doing_s * nanos_per_s;
  };
  for (const auto& trial : trials_)
    if (called && just_before(trial.begun())) return "the calls became fewer with our change of " + trial.knob().key;
  for (const auto& hold : holds_)
    if (called && just_before(hold.since())) return "the calls became fewer with our change of " + hold.knob().key;
  return "";
}

// Changes that came before the incident, and not long before.
std::vector<Undo> Control::undos(const Incident& incident) const {
  std::vector<Undo> out;
  auto suspect = [&](UnixNanos at) {
    return at <= incident.started + onset_slack_ns && incident.started - at <= policy_.undo_ms * nanos_per_ms;
  };
  for (const auto& undo : undos_)
    if (suspect(undo.at)) out.push_back(undo);
  for (const auto& hold : holds_)
    if (hold.promoted() && suspect(hold.since())) out.push_back({hold.knob().key, hold.change().from, hold.since()});
  return out;
}

bool Control::showed_nothing(const Incident& incident, const config::Knob& knob, const config::Value& to) {
  std::string text = config::to_text(to);
  for (const auto& t : case_of(incident.id).tried)
    if (t.knob == knob.key && t.to == text && !t.ramp && t.kind == VerdictKind::inconclusive) return true;
  return false;
}

// An instance of its own could not be found in what was served or reported of the knob: there are none to tell apart.
bool Control::untold(const Incident& incident, const config::Knob& knob) {
  const auto& tried = case_of(incident.id).tried;
  return std::any_of(tried.begin(), tried.end(),
                     [&](const Tried& t) { return t.knob == knob.key && t.kind == VerdictKind::no_data; });
}

std::string Control::refusal(const Incident& incident, const config::Knob& knob, const config::Value& to, bool ramp) {
  if (std::string why = permits_.refusal(knob.key, policy_, now_); !why.empty()) return why;
  std::string text = config::to_text(to);
  for (const auto& tried : case_of(incident.id).tried)
    if (tried.knob == knob.key && tried.to == text && tried.ramp == ramp && (tried.again == 0 || now_ < tried.again))
      return "tried for this incident";
  const std::pair step{knob.key, direction_of(knob, settled(knob), to)};
  const auto& broken = case_of(incident.id).broken;
  if (std::find(broken.begin(), broken.end(), step) != broken.end()) return "it did not keep what it promised";
  std::string cause = incident.causes.empty() ? "" : place_of(incident.causes[0]);
  if (std::string why = permits_.refusal(knob.key, text + (ramp ? " ramp" : ""), cause, now_); !why.empty()) return why;
  for (const auto& hold : holds_)
    if (hold.knob().key == knob.key && hold.change().incident == incident.id && to == hold.change().from)
      return "it is held for this very incident";
  return "";
}

void Control::say(const Incident& incident, Case& known, std::string why, json more, Actions& out) {
  if (known.said == why) return;
  known.said = why;
  notes_.push_back({Note::Kind::decided, incident.id, why});
  more["incident"] = incident.id, more["decision"] = std::move(why);
  out.push_back(record("decision", more));
}

void Control::decide(const Incident& incident, const Incidents& incidents, Actions& out) {
  Case& known = case_of(incident.id);
  known.follow(incident, now_);
  if (known.failed >= policy_.changes_per_incident) {
    known.given_up = true;
    say(incident, known, fmt::format("needs a human: {} changes did not help", known.failed), {}, out);
    return;
  }
  if (permits_.stopped()) return say(incident, known, "nothing: stopped by the operator", {}, out);
  if (known.repaired() && !declarations_.objectives.empty() && !is_owed(incident))
    return say(incident, known, "nothing more: every objective holds again", {}, out);
  if (!incident.causes.empty() && incident.causes[0].probability < cause_probability_min)
    return say(incident, known, "nothing: the cause is not clear enough", {}, out);
  Goal goal = goal_of(incident, declarations_, history_);
  if (!goal.owed && is_covered(incident))
    return say(incident, known, "nothing: every objective that rests on it holds", {}, out);
  for (const std::string& why : {unsettled(goal), few_users(goal), held_back(incident), own_doing(incident, goal)})
    if (!why.empty()) return say(incident, known, "waits: " + why, {}, out);
  Situation situation{.incident = &incident, .goal = &goal, .declarations = &declarations_};
  situation.history = &history_, situation.effects = &effects_;
  situation.settled = [this](const config::Knob& knob) { return settled(knob); };
  situation.refusal = [&](const config::Knob& knob, const config::Value& to, bool ramp) {
    return refusal(incident, knob, to, ramp);
  };
  situation.showed_nothing = [&](const config::Knob& knob, const config::Value& to) {
    return showed_nothing(incident, knob, to);
  };
  situation.instances = [&](const config::Knob& knob) {
    return untold(incident, knob) || policy_.sabotage.everybody_first ? InstancePlan{}
                                                                      : plan_instances(knob, goal, history_);
  };
  Block now = lately(goal, calm_s);
  situation.bad_share = now.share();
  situation.undos = undos(incident), situation.now = now_;
  Choice choice = choose(situation);
  json told{{"options", json::array()}};
  for (size_t i = 0; i < std::min(choice.ranked.size(), options_told); ++i)
    told["options"].push_back(to_json(choice.ranked[i]));
  if (!choice.nothing.empty()) return say(incident, known, "nothing: " + choice.nothing, told, out);
  Corroboration word = corroborate(incident, goal, history_, incidents);
  if (known.corroborated && !word.given) word = {true, "confirmed before"};
  known.corroborated = word.given;
  if (!word.given && !policy_.sabotage.no_corroboration)
    return say(incident, known, "nothing yet: " + word.why, told, out);
  if (!policy_.act) return say(incident, known, "would change " + choice.ranked[0].knob->key, told, out);
  begin(incident, goal, choice, word.why, out);
}

// Before and after can only be compared once the fault has stopped spreading.
bool Control::growing(const Incident& incident, const Goal& goal) const {
  if (now_ - incident.started > growing_s_max * nanos_per_s) return false;
  Block late = lately(goal, growing_s), both = lately(goal, 2 * growing_s);
  double early_n = both.n - late.n, early_bad = both.bad - late.bad;
  return early_n > 0 && late.n > 0 && late.bad / late.n > 1.3 * early_bad / early_n;
}

void Control::begin(const Incident& incident, const Goal& goal, const Choice& choice, const std::string& corroboration,
                    Actions& out) {
  Case& known = case_of(incident.id);
  const Option& best = choice.ranked[0];
  if (best.ramp && now_ - known.explained_since < policy_.explained_ms * nanos_per_ms)
    return say(incident, known, "waits: the explanation is new", {}, out);
  if (best.ramp && growing(incident, goal)) return say(incident, known, "waits: the incident still grows", {}, out);
  const bool by_instance = best.knob->scope == config::KnobScope::instance;
  if (by_instance && history_.last_second() - history_.first_second() < instances_known_s)
    return say(incident, known, "waits: which instances there are is not known yet", {}, out);
  if (in_the_way(*best.knob, goal)) return say(incident, known, "waits: another change is under way there", {}, out);
  for (auto& hold : holds_)
    if (hold.probe() != nullptr && share_services(hold.knob(), *best.knob)) add(out, hold.yield_place(view()));
  json told{{"options", json::array()}, {"corroboration", corroboration}, {"goal", to_json(goal)}};
  for (size_t i = 0; i < std::min(choice.ranked.size(), options_told); ++i)
    told["options"].push_back(to_json(choice.ranked[i]));
  std::string why = fmt::format("{}: {} -> {} ({})", best.knob->key, config::to_text(best.from),
                                config::to_text(best.move.to), fmt::join(best.reasons, "; "));
  say(incident, known, why, told, out);
  Change change{.id = new_id(), .incident = incident.id, .knob = best.knob->key};
  change.from = best.from, change.to = best.move.to, change.reason = why;
  Trial trial(*best.knob, change, goal, best.ramp, policy_);
  trial.first_on(best.instances);
  if (!incident.causes.empty()) trial.set_cause(place_of(incident.causes[0]), incident.causes[0].kind);
  permits_.began(now_);
  notes_.push_back({Note::Kind::acted, incident.id, change.id});
  auto first = trial.begin(view());
  trials_.push_back(std::move(trial));
  add(out, std::move(first.actions));
}

std::vector<InFlight> Control::in_flight() const {
  std::vector<InFlight> out;
  for (const auto& trial : trials_) {
    InFlight f{.change = trial.change(), .phase = "trial", .since = trial.begun()};
    if (const auto c = trial.contrast()) {
      f.treated = c->treated_rate, f.control = c->control_rate, f.log_e = c->log_e_better;
      f.treated_n = static_cast<double>(c->treated_units), f.control_n = static_cast<double>(c->control_units);
    }
    out.push_back(std::move(f));
  }
  for (const auto& hold : holds_) {
    out.push_back({.change = hold.change(), .phase = "hold", .since = hold.since()});
    if (hold.probe() != nullptr) out.push_back({.change = *hold.probe(), .phase = "probe", .since = hold.since()});
  }
  return out;
}

nlohmann::json Control::snapshot() const {
  json cases = json::object(), settled = json::object();
  json holds = json::array(), undos = json::array(), live = json::array();
  for (const auto& [id, known] : cases_) {
    json tried = json::array();
    for (const auto& t : known.tried) tried.push_back({t.knob, t.to, static_cast<int>(t.kind), t.ramp, t.again});
    cases[id] = {{"tried", tried},
                 {"broken", known.broken},
                 {"failed", known.failed},
                 {"given_up", known.given_up},
                 {"corroborated", known.corroborated},
                 {"wait_until", known.wait_until},
                 {"reopened", known.reopened},
                 {"cause", known.cause},
                 {"last_seen", known.last_seen}};
  }
  for (const auto& hold : holds_) holds.push_back(hold.snapshot());
  for (const auto& [knob, value] : settled_) settled[knob] = to_json(value);
  for (const auto& undo : undos_)
    undos.push_back({{"knob", undo.knob}, {"previous", to_json(undo.previous)}, {"at", undo.at}});
  for (const auto& trial : trials_) live.push_back(trial.change().id);
  for (const auto& hold : holds_)
    if (hold.probe() != nullptr) live.push_back(hold.probe()->id);
  return {{"version", 1},       {"now", now_},    {"ids", ids_},    {"effects", effects_.snapshot()},
          {"holds", holds},     {"cases", cases}, {"undos", undos}, {"permits", permits_.snapshot()},
          {"settled", settled}, {"live", live}};
}

Status Control::restore(const json& from, const config::Declarations& declarations) {
  if (field(from, "version", 0) != 1) return fail(Code::invalid_argument, "loop state: of another version");
  HS_ASSIGN(Effects effects, Effects::restore(list(from, "effects")));
  Control fresh(policy_);
  fresh.effects_ = std::move(effects), fresh.declarations_ = declarations;
  fresh.now_ = field(from, "now", int64_t{0}), fresh.ids_ = field(from, "ids", uint64_t{0});
  fresh.permits_ = Permits::restore(field(from, "permits", json::object()));
  for (const auto& h : list(from, "holds"))
    if (auto hold = Hold::restore(h, declarations, policy_)) fresh.holds_.push_back(std::move(*hold));
  json cases = field(from, "cases", json::object()), settled = field(from, "settled", json::object());
  if (!cases.is_object() || !settled.is_object()) return fail(Code::invalid_argument, "loop state: not as written");
  for (const auto& [id, c] : cases.items()) {
    Case& known = fresh.cases_[id];
    for (const auto& t : list(c, "tried"))
      if (t.is_array() && t.size() == 5 && t[0].is_string() && t[1].is_string() && t[2].is_number() &&
          t[3].is_boolean() && t[4].is_number())
        known.tried.push_back({t[0].get<std::string>(), t[1].get<std::string>(),
                               static_cast<VerdictKind>(t[2].get<int>()), t[3].get<bool>(), t[4].get<UnixNanos>()});
    for (const auto& b : list(c, "broken"))
      if (b.is_array() && b.size() == 2 && b[0].is_string() && b[1].is_string())
        known.broken.emplace_back(b[0].get<std::string>(), b[1].get<std::string>());
    known.failed = field(c, "failed", size_t{0}), known.given_up = field(c, "given_up", false);
    known.corroborated = field(c, "corroborated", false);
    known.reopened = field(c, "reopened", int64_t{0}), known.cause = field(c, "cause", std::string());
    known.wait_until = field(c, "wait_until", int64_t{0}), known.last_seen = field(c, "last_seen", int64_t{0});
  }
  for (const auto& [knob, value] : settled.items())
    if (auto v = value_from(value)) fresh.settled_[knob] = *v;
  for (const auto& u : list(from, "undos"))
    if (auto previous = value_from(field(u, "previous", json())))
      fresh.undos_.push_back({field(u, "knob", std::string()), *previous, field(u, "at", int64_t{0})});
  for (const auto& id : list(from, "live"))
    if (id.is_string()) fresh.left_over_.push_back(id.get<std::string>());
  *this = std::move(fresh);
  return {};
}

}  // namespace hs::loop
