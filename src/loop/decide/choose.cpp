#include "loop/decide/choose.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <fmt/format.h>

#include "loop/decide/reach.h"

namespace hs::loop {
namespace {

using config::Applies;
using config::Expectation;
using config::Knob;
using config::KnobEffect;

// Log odds that a change of a knob near the cause helps, before anything is known: most do not.
constexpr double ignorance = -1.5;
constexpr double expected_gain = 2.5, expected_harm = -4, opposite_gain = -2.5;
constexpr double undo_gain = 2.5;
constexpr double hint_gain = 0.2;
constexpr double closeness_gain = 1.5;
constexpr double learned_weight = 1.5;
constexpr double shared_cost = 0.7;    // the first exposure of a shared effect reaches everybody
constexpr double retry_cost = 0.6;     // what a canary did not show may show when everybody has it: where all queue up
constexpr double crowded = 0.5;        // bad share from which treated and control wait for one another
constexpr double size_cost = 0.08;     // of each doubling: a small step is a small risk
constexpr double relief_size_max = 4;  // doublings up to which more relief is better
constexpr double other_dependency = 0.3, well_dependency = 0.1;
constexpr double unknown_cost = 0.3;   // to try on everybody what nobody said anything about: after canaries as near
constexpr double unknown_near = 0.35;  // and only that near the cause
constexpr double rest_cost = 0.5;      // no expectation names the suffering operation, only the service
constexpr double named_gain = 0.5;          // an expectation names the very operation that is at fault
constexpr double explored_share_max = 0.4;  // of the instances: of two, one is half of everybody
constexpr double worth_trying = -2.2;       // about one in ten: below, a change costs more than it can bring
constexpr size_t causes_considered = 4;
constexpr double cause_probability_min = 0.05;

bool contains(const std::vector<std::string>& list, const std::string& what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

std::string_view name_of(config::Measure measure) {
  constexpr std::string_view names[] = {"errors", "latency", "load"};
  return names[static_cast<size_t>(measure)];
}

bool suffers(const Incident& incident, const std::string& service, const std::string& operation) {
  return std::any_of(incident.symptoms.begin(), incident.symptoms.end(), [&](const Symptom& s) {
    return s.ended == 0 && s.service == service &&
           (operation.empty() || s.operation.empty() || s.operation == operation);
  });
}

std::string opposite(const std::string& direction) {
  if (direction == "raised") return "lowered";
  if (direction == "lowered") return "raised";
  if (direction == "enabled") return "disabled";
  if (direction == "disabled") return "enabled";
  return "";
}

bool is_overload(const Cause& cause) {
  return cause.kind == "saturated" || cause.kind == "load" || cause.kind == "retries" || cause.kind == "security";
}

// Requests that suffer come to the cause through this service: what it promises of itself, it promises of them.
bool on_the_way(const Situation& s, const std::string& service) {
  const std::string& cause = s.incident->causes[0].service;
  const bool leads = s.history->calls(service, s.incident->causes[0].peer) ||
                     (!cause.empty() && s.history->leads_to(service, "", cause));
  return leads && std::any_of(s.incident->symptoms.begin(), s.incident->symptoms.end(), [&](const Symptom& x) {
           return x.ended == 0 && s.history->leads_to(x.service, x.operation, service);
         });
}

// What one expectation says of this move; 0: nothing.
double gain_of(const Situation& s, const Option& option, const Expectation& e) {
  bool same = e.when == option.move.direction, other = e.when == opposite(option.move.direction);
  if (!same && !other) return 0;
  const Cause& cause = s.incident->causes[0];
  bool about = suffers(*s.incident, e.service, e.operation);
  bool near = about || suffers(*s.incident, e.service, "") || cause.service == e.service ||
              is_called(e.service, cause.peer) || on_the_way(s, e.service);
  bool named = !cause.operation.empty() && cause.service == e.service && cause.operation == e.operation;
  bool load = e.measure == config::Measure::load;
  bool measure = name_of(e.measure) == s.goal->measure || s.goal->measure == "kpi" || (load && is_overload(cause));
  // Answers that do not come are failures and slowness that nobody tells of, and not too much of anything.
  if (s.goal->measure == "load" && !s.goal->bad_above) measure = !load;
  // Errors guard every change, whatever it is for: what is declared to cause them will not pass.
  bool breaks = same && !e.improves && e.measure == config::Measure::errors;
  if (!near || (!measure && !breaks && !load)) return 0;
  double gain = same ? (e.improves ? expected_gain : expected_harm) : (e.improves ? opposite_gain : 0);
  if (gain > 0 && !about && !named && !(load && measure)) gain -= rest_cost;
  if (gain > 0 && named) gain += named_gain;
  return gain > 0 && !measure ? gain / 2 : gain;
}

// How many of the first causes to look at: an operation and its service are one place.
size_t considered(const Incident& incident) {
  size_t places = 0, i = 0;
  for (; i < incident.causes.size() && places < causes_considered; ++i)
    places += place_of(incident.causes[i]) == incident.causes[i].entity;
  return i;
}

// A knob about one dependency says little when another one is at fault, and less when its own is as well as ever.
double relevance(const Situation& s, const Knob& knob) {
  if (knob.dependency.empty()) return 1;
  double sum = 0, all = 0;
  for (size_t i = 0; i < considered(*s.incident); ++i) {
    const Cause& c = s.incident->causes[i];
    bool about = is_called(knob.dependency, c.peer) || knob.dependency == c.service;
    bool other = !about && (!c.peer.empty() || !contains(knob.services, c.service));
    sum += c.probability * (other ? other_dependency : 1), all += c.probability;
  }
  const double about_the_cause = all > 0 ? sum / all : 1;
  return is_about_a_well_one(*s.goal, *s.history, knob) ? std::min(about_the_cause, well_dependency) : about_the_cause;
}

// What the declaration promises of this move for this incident. Where all queue up, what takes load off decides: that
// more retries mean fewer errors is true on every day but this one.
double expectation(const Situation& s, Option& option) {
  double best = 0, best_load = 0, harm = 0;
  for (const Expectation& e : option.knob->expect) {
    double gain = gain_of(s, option, e);
    if (gain <= expected_harm) harm = gain;
    double& which = e.measure == config::Measure::load ? best_load : best;
    if (std::abs(gain) > std::abs(which)) which = gain;
  }
  if (is_overload(s.incident->causes[0]) && best_load != 0)
    best = best_load, option.relief = best > 0;
  else if (std::abs(best_load) > std::abs(best))
    best = best_load;
  if (best > 0) best = best * relevance(s, *option.knob) + harm;
  if (best > 0) option.reasons.push_back(fmt::format("declared: {} helps {}", option.move.direction, s.goal->measure));
  if (best < 0) option.reasons.push_back(fmt::format("declared: {} does not help", option.move.direction));
  return best;
}

// Nothing is promised for what is wrong with those who suffer: a direction that is declared to do them some other good
// is the likelier one.
double hint(const Situation& s, const Option& option) {
  double sum = 0;
  for (const Expectation& e : option.knob->expect) {
    if (!e.improves || !suffers(*s.incident, e.service, e.operation)) continue;
    sum += e.when == option.move.direction ? hint_gain : e.when == opposite(option.move.direction) ? -hint_gain : 0;
  }
  return std::clamp(sum, -hint_gain, hint_gain);
}

double learned(const Situation& s, Option& option) {
  Effect key{.knob = option.knob->key, .to = option.move.direction};
  key.cause_kind = s.incident->causes[0].kind, key.measure = s.goal->measure;
  Effect e = s.effects->estimate(key, s.now);
  if (e.n <= 0) return 0;
  option.reasons.push_back(fmt::format("learned: log odds {:.1f} from {:.1f} trials", e.mean, e.n));
  return learned_weight * e.mean;
}

double nearest(const Situation& s, Option& option) {
  double best = 0, sum = 0;
  const Cause* which = nullptr;
  size_t count = considered(*s.incident);
  for (size_t i = 0; i < count; ++i) {
    const Cause& cause = s.incident->causes[i];
    if (cause.probability < cause_probability_min) continue;
    double here = closeness(*option.knob, cause, *s.incident, *s.history) * cause.probability;
    sum += here;
    if (here > best) best = here, which = &cause;
  }
  if (which != nullptr) option.reasons.push_back(fmt::format("near {} ({:.2f})", which->entity, sum));
  return sum;
}

// Too much comes in, as far as is known, and all wait for one another: a canary that showed nothing tells nothing of
// the value, and the next one would not either.
bool jammed(const Situation& s) { return s.incident->causes[0].kind == "load" && s.bad_share >= crowded; }

double ramp_cost(const Situation& s, const Knob& knob) {
  if (!contained(knob)) return shared_cost;
  return jammed(s) ? 0 : retry_cost;
}

void judge(const Situation& s, Option& option) {
  double near = nearest(s, option);
  double promised = expectation(s, option), known = learned(s, option);
  option.log_odds = ignorance + closeness_gain * near + promised + known;
  if (option.undo) {
    option.log_odds += undo_gain;
    option.reasons.push_back("undoes the most recent change");
  }
  option.learning = promised <= 0 && known <= 0 && !option.undo;
  if (option.learning && option.reasons.empty()) option.reasons.push_back("nothing is known of it: tried to find out");
  option.unknown = option.learning && option.knob->expect.empty() && near >= unknown_near;
  option.score = option.log_odds - size_cost * option.move.size + (promised == 0 ? hint(s, option) : 0);
  // Retries feed themselves, and attackers do not tire: a little less of them ends nothing. What goes too far hurts
  // others.
  const std::string& kind = s.incident->causes[0].kind;
  double size = option.move.size, too_far = std::max(0.0, size - relief_size_max);
  if ((option.relief || option.unknown) && (kind == "retries" || kind == "security"))
    option.score = option.log_odds + size_cost * (size - 3 * too_far);
  if (option.ramp) option.score -= ramp_cost(s, *option.knob);
  if (option.ramp && option.unknown) option.score -= unknown_cost;
}

// A change that promises nothing may be explored only where a canary can contain it. One of which nothing was said may
// be tried on everybody when an objective is missed and it is near the cause: a part has it first, and harm ends it.
bool allowed(const Situation& s, const Option& option) {
  if (option.knob->applies != Applies::live) return false;
  if (option.learning && !option.ramp && option.instances.known > 0 && option.instances.share() > explored_share_max)
    return false;
  return !option.learning || !option.ramp || (option.unknown && s.goal->owed);
}

// In an overload a canary shows no contrast: the treated queue behind the others.
bool overloaded(const Situation& s) { return is_overload(s.incident->causes[0]) || s.bad_share >= crowded; }

void add_option(const Situation& s, Option option, Choice& choice) {
  judge(s, option);
  if (!allowed(s, option)) return;
  if (std::string why = s.refusal(*option.knob, option.move.to, option.ramp); why.empty()) {
    choice.ranked.push_back(std::move(option));
    return;
  }
  choice.refused++;
  bool retry = !option.ramp && overloaded(s) && s.showed_nothing(*option.knob, option.move.to);
  if (!retry) return;
  option.ramp = true, option.reasons.clear();
  add_option(s, std::move(option), choice);
}

void add_options(const Situation& s, const Knob& knob, Choice& choice) {
  config::Value settled = s.settled(knob);
  auto moves = moves_of(knob, settled);
  const Undo* undo = nullptr;
  for (const auto& u : s.undos)
    if (u.knob == knob.key && u.previous != settled && (undo == nullptr || u.at > undo->at)) undo = &u;
  if (undo != nullptr) {
    std::erase_if(moves, [&](const Move& m) { return m.to == undo->previous; });
    moves.push_back({undo->previous, direction_of(knob, settled, undo->previous), 1});
  }
  const InstancePlan instances = s.instances ? s.instances(knob) : InstancePlan{};
  for (auto& move : moves) {
    Option option{.knob = &knob, .move = move, .from = settled, .instances = instances};
    option.undo = undo != nullptr && move.to == undo->previous;
    // Where no evaluation names a user there are no units to compare: the incident's own continuation must tell.
    const bool users = contained(knob) && s.goal->series.empty() && !s.history->is_keyless(knob.key);
    option.ramp = !users && !instances.decisive;
    add_option(s, std::move(option), choice);
  }
}

std::string one_in(double log_odds) { return fmt::format("1 in {:.0f}", 1 + std::exp(-log_odds)); }

std::string why_nothing(const Situation& s, const Choice& choice, size_t near, const std::vector<std::string>& unread) {
  const Cause& cause = s.incident->causes[0];
  if (near == 0 && !unread.empty())
    return fmt::format("the requests that suffer do not come to the knobs near {} ({})", cause.entity,
                       fmt::join(unread, ", "));
  if (near == 0) return fmt::format("no declared knob is near {}", cause.entity);
  if (choice.ranked.empty() && choice.refused > 0) return "every change near the cause was tried or is refused for now";
  if (choice.ranked.empty()) return "what is near the cause may only be changed with a reason, and there is none";
  const Option& best = choice.ranked[0];
  return fmt::format("no knob is expected to help: the best is {} ({}), and that would be {}", best.knob->key,
                     best.move.direction, one_in(best.log_odds));
}

}  // namespace

bool contained(const Knob& knob) {
  return knob.effect == KnobEffect::isolated && knob.scope == config::KnobScope::request;
}

double closeness(const Knob& knob, const Cause& cause, const Incident& incident, const Past& history) {
  double best = 0;
  bool reads = contains(knob.services, cause.service) ||
               std::any_of(knob.services.begin(), knob.services.end(), [&](const auto& s) {
                 return is_called(s, cause.peer);  // it sends no spans: its callers know it by its address
               });
  bool about = !knob.dependency.empty() && (is_called(knob.dependency, cause.peer) || knob.dependency == cause.service);
  if (about) best = 1;
  if (!cause.change.empty() && cause.change == knob.key) best = 1;
  // A knob in the failing service; less so if it is about another dependency of it.
  if (reads) best = std::max(best, knob.dependency.empty() ? 0.8 : 0.4);
  for (const auto& reader : knob.services) {
    if (history.calls(reader, cause.service)) best = std::max(best, knob.dependency.empty() ? 0.5 : 0.3);
    for (const auto& s : incident.symptoms)
      if (s.ended == 0 && s.service == reader) best = std::max(best, 0.3);
  }
  return best;
}

Choice choose(const Situation& s) {
  Choice choice;
  if (s.incident->causes.empty()) {
    choice.nothing = "no cause is known yet";
    return choice;
  }
  size_t near = 0;
  std::vector<std::string> unread;
  for (const Knob& knob : s.declarations->knobs) {
    double best = 0;
    for (size_t i = 0; i < considered(*s.incident); ++i)
      best = std::max(best, closeness(knob, s.incident->causes[i], *s.incident, *s.history));
    if (best <= 0) continue;
    if (!comes_to(*s.goal, *s.declarations, *s.history, knob)) {
      unread.push_back(knob.key);
      continue;
    }
    near++;
    add_options(s, knob, choice);
  }
  std::sort(choice.ranked.begin(), choice.ranked.end(), [](const Option& a, const Option& b) {
    auto key = [](const Option& o) { return std::tuple(-o.score, o.knob->key, config::to_text(o.move.to)); };
    return key(a) < key(b);
  });
  if (choice.ranked.empty() || choice.ranked[0].log_odds < worth_trying)
    choice.nothing = why_nothing(s, choice, near, unread);
  return choice;
}

}  // namespace hs::loop
