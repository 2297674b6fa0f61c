#include "loop/explain/candidates.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "loop/explain/explain.h"
#include "loop/explain/links.h"
#include "loop/explain/parts.h"

namespace hs::loop {
namespace {

// Weights of evidence, relative to "the service itself", as odds. Chosen by judgement, checked on random applications
// (loop_eval causes); the order matters more than the values.
constexpr double instance_odds = 8;        // one of several instances carries nearly all of the excess
constexpr double change_odds = 9;          // a change to the very service just before the onset
constexpr double restart_odds = 0.7;       // a restart may be a consequence
constexpr double change_fades_s = 40;      // how fast a change loses its suspicion
constexpr double change_of_caller = 0.35;  // what a change of a service says of its calls to others
constexpr double load_odds = 6;            // load rose by more than half when the service's own time or errors rose
constexpr double retries_odds = 2;         // a caller asks more often per request
constexpr double attack_odds = 5;          // two independent signals made the symptom already
constexpr double attackers_part = 0.4;     // of a surge of requests: what is denied, the rest may be limited or fail
constexpr double background = 1e-3;        // of every entity that is known: never certain that it is not that one
constexpr double operation_part = 0.8;     // of the service's own, when only one of its operations is ill
constexpr double silent_odds = 4;          // one instance of several does not answer; of what its callers see
constexpr double load_factor = 1.5;
constexpr size_t clues_max = 6;  // of one cause
constexpr double more_calls_factor = 1.5;

std::string entity_of(const OperationKey& key) { return "operation:" + key.service + "/" + key.operation; }
std::string entity_of(const InstanceKey& key) { return "instance:" + key.service + "/" + key.instance; }

class Ranking {
 public:
  Ranking(const Detector& detector, const Gathered& gathered, const std::vector<stream::RecentChange>& recent,
          int64_t now)
      : history_(detector.history()),
        gathered_(gathered),
        recent_(recent),
        onset_(onset(gathered, now)),
        from_(std::max(onset_, now - excess_window_s)),
        to_(now),
        links_(history_, gathered.symptoms, {onset_, now}) {
    for (const Symptom* s : detector.active())
      if (s->kind == SymptomKind::security) attacked_ = s->service;
  }
  std::vector<Cause> causes();

 private:
  static int64_t onset(const Gathered& gathered, int64_t now) {
    for (const Symptom* s : gathered.symptoms) now = std::min(now, s->started / nanos_per_s);
    return now;
  }
  void consider(const Origin& origin, double share);
  void service_itself(const Origin& origin, double share);
  void tell_own(Cause& cause, const Origin& origin, const std::string& operation, double share);
  void peer_or_edge(const Origin& origin, double share);
  void changes(const Origin& origin, const std::string& service, double share);
  void load(const Origin& origin, double share);
  void callers(const Origin& origin, double share);
  void more_calls(const Origin& origin, double share);
  void attack(const std::string& service);
  void everything_else();
  Cause& cause(const std::string& entity, const std::string& kind, double score, const std::string& service,
               const std::string& peer = "");
  Cause& cause_of(const OperationKey& key, const std::string& kind, double score);
  Cause& cause_of(const InstanceKey& key, const std::string& kind, double score);
  template <class Key>
  void suspect(const Key& key, double score) {  // of nothing in particular
    if (!found_.contains(entity_of(key))) cause_of(key, "slow", score);
  }
  void say(Cause& cause, std::string sentence, const About& about) const;
  void instance_is_silent(const Origin& origin, double share);
  std::vector<std::string> callers_of_peer(const std::string& peer, bool only_departed) const;
  bool is_attackers(const std::string& entry) const;
  double load_ratio(const std::string& service) const;

  const History& history_;
  const Gathered& gathered_;
  const std::vector<stream::RecentChange>& recent_;
  const int64_t onset_, from_, to_;
  const Links links_;
  std::string attacked_;  // the service that an attack is going on at; "": none
  std::map<std::string, std::pair<double, Cause>> found_;
};

std::string kind_of(Starts starts) {
  switch (starts) {
    case Starts::own_errors:
    case Starts::edge_errors:
    case Starts::peer_errors:
      return "errors";
    case Starts::silence:
      return "down";
    case Starts::more_calls:
      return "load";
    case Starts::denied:
      return "security";
    default:
      return "slow";
  }
}

Cause& Ranking::cause(const std::string& entity, const std::string& kind, double score, const std::string& service,
                      const std::string& peer) {
  auto& [sum, c] = found_[entity];
  if (c.entity.empty()) {
    c.entity = entity;
    c.service = service;
    c.peer = peer;
  }
  if (score >= sum || c.kind.empty()) c.kind = kind;
  sum += score;
  return c;
}

Cause& Ranking::cause_of(const OperationKey& key, const std::string& kind, double score) {
  Cause& c = cause(entity_of(key), kind, score, key.service);
  c.operation = key.operation;
  return c;
}

Cause& Ranking::cause_of(const InstanceKey& key, const std::string& kind, double score) {
  Cause& c = cause(entity_of(key), kind, score, key.service);
  c.instance = key.instance;
  return c;
}

void Ranking::say(Cause& c, std::string sentence, const About& about) const {
  if (c.evidence.size() < clues_max) c.evidence.push_back({std::move(sentence), links_.of(about)});
}

double Ranking::load_ratio(const std::string& service) const {
  const auto found = history_.operations.find({service, ""});
  if (found == history_.operations.end() || !found->second.ready()) return 1;
  const int64_t until = std::max(from_, history_.settled(service, to_));
  const double rate = found->second.ring.sum(from_, until).n / static_cast<double>(until - from_ + 1);
  return rate / std::max(0.1, found->second.usual.rate());
}

// A service by its own doing; or one of its operations, or instances, and then the service right behind it.
void Ranking::service_itself(const Origin& o, double share) {
  const std::string operation = operation_at_fault(history_, o.service, o.starts, {from_, to_});
  const bool saturated = o.starts == Starts::own_time && load_ratio(o.service) > load_factor;
  const double left = operation.empty() ? share : share * (1 - operation_part);
  Cause& whole = cause("service:" + o.service, kind_of(o.starts), left, o.service);
  if (saturated) whole.kind = "saturated";
  tell_own(whole, o, "", share);
  if (!operation.empty()) {
    Cause& one = cause_of(OperationKey{o.service, operation}, kind_of(o.starts), share * operation_part);
    if (saturated) one.kind = "saturated";
    tell_own(one, o, operation, share);
  }
  if (o.starts == Starts::silence) return;
  const std::string instance = instance_at_fault(history_, o.service, o.starts, {from_, to_});
  if (instance.empty()) return;
  Cause& one = cause_of(InstanceKey{o.service, instance}, kind_of(o.starts), share * instance_odds);
  say(one, fmt::format("nearly all of it is on instance {} of {}", instance, o.service),
      {o.starts, o.service, "", instance});
}

// What an operation ("": the whole service) does by itself that it does not usually do.
void Ranking::tell_own(Cause& c, const Origin& o, const std::string& operation, double share) {
  const auto found = history_.operations.find({o.service, operation});
  if (found == history_.operations.end()) return;
  const Sums now = found->second.ring.sum(from_, to_);
  const Sums& usual = found->second.usual.sums;
  const int percent = static_cast<int>(share * 100);
  const std::string who = operation.empty() ? o.service : o.service + " " + operation;
  const std::string others = operation.empty() ? "" : "; its other operations are well";
  const About about{o.starts, o.service, operation};
  if (o.starts == Starts::own_time)
    say(c,
        fmt::format(
            "{} % of the excess is {}'s own time: {:.1f} ms a request instead of {:.1f}, its calls not counted{}",
            percent, who, now.per_request(now.self_ms), usual.per_request(usual.self_ms), others),
        about);
  if (o.starts == Starts::own_errors)
    say(c,
        fmt::format(
            "{} % of the excess are errors of {} without a failed call: {:.1f} % of its requests instead of {:.1f} %{}",
            percent, who, 100 * now.per_request(now.own_errors), 100 * usual.per_request(usual.own_errors), others),
        about);
  if (o.starts == Starts::silence)
    say(c,
        fmt::format("{} is called and does not answer: {:.1f} answers a second instead of {:.1f}{}", who,
                    now.n / static_cast<double>(to_ - from_ + 1), found->second.usual.rate(),
                    operation.empty() ? "" : "; its other operations answer"),
        about);
}

// Calls that fail or wait on the way to a service of which one instance does not answer: they went there.
void Ranking::instance_is_silent(const Origin& o, double share) {
  const std::string instance = silent_instance(history_, o.peer, {from_, to_});
  if (instance.empty()) return;
  Cause& c = cause_of(InstanceKey{o.peer, instance}, "down", share * silent_odds);
  say(c, fmt::format("instance {} of {} answers no more, and others of it do", instance, o.peer),
      {Starts::silence, o.peer, "", instance});
}

// Callers whose calls to a peer without spans have departed (or all of them).
std::vector<std::string> Ranking::callers_of_peer(const std::string& peer, bool only_departed) const {
  std::vector<std::string> callers;
  for (const auto& [key, track] : history_.edges) {
    if (key.peer != peer) continue;
    const Sums now = track.ring.sum(from_, to_);
    if (now.n < 3) continue;
    const Sums& usual = track.usual.sums;
    const bool slower = now.per_request(now.total_ms) > 1.5 * usual.per_request(usual.total_ms) + 0.5;
    const bool failing = now.per_request(now.errors) > usual.per_request(usual.errors) + 0.05;
    if (!only_departed || slower || failing) callers.push_back(key.service);
  }
  return callers;
}

void Ranking::peer_or_edge(const Origin& o, double share) {
  const std::string kind = kind_of(o.starts);
  const bool peer = o.starts == Starts::peer_errors || o.starts == Starts::peer_time;
  const auto edge = history_.edges.find({o.service, o.peer});
  std::string sentence;
  if (edge != history_.edges.end()) {
    const Sums now = edge->second.ring.sum(from_, to_);
    const Sums& usual = edge->second.usual.sums;
    sentence = fmt::format("calls of {} to {} take {:.1f} ms instead of {:.1f}, and {:.1f} % fail instead of {:.1f} %",
                           o.service, o.peer, now.per_request(now.total_ms), usual.per_request(usual.total_ms),
                           100 * now.per_request(now.errors), 100 * usual.per_request(usual.errors));
  }
  const std::string name = "edge:" + o.service + "->" + o.peer;
  const About about{o.starts, o.service, "", "", o.peer};
  if (!peer) {
    Cause& c = cause(name, kind, share, o.service, o.peer);
    say(c,
        sentence + (o.starts == Starts::edge_time ? "; the callee's answers do not explain it"
                                                  : "; the callee knows nothing of it"),
        about);
    cause("service:" + o.peer, kind, share * 0.25, o.peer);
    instance_is_silent(o, share);
    return;
  }
  const size_t all = callers_of_peer(o.peer, false).size(), departed = callers_of_peer(o.peer, true).size();
  // Whoever calls it suffers: it is the peer. One of several callers: it is the way there.
  const double of_peer = all <= 1        ? 0.75
                         : departed >= 2 ? 0.9 * static_cast<double>(departed) / static_cast<double>(all)
                                         : 0.15;
  Cause& whole = cause("peer:" + o.peer, kind, share * of_peer, "", o.peer);
  say(whole, all > 1 ? fmt::format("{}; {} of its {} callers see it", sentence, departed, all) : sentence, about);
  say(cause(name, kind, share * (1 - of_peer), o.service, o.peer), sentence, about);
}

void Ranking::more_calls(const Origin& o, double share) {
  const std::string sentence = fmt::format("{} calls {} more often for each request than usual", o.service, o.peer);
  const About about{Starts::more_calls, o.service, "", "", o.peer};
  say(cause("service:" + o.service, "load", share * 0.7, o.service, o.peer), sentence, about);
  say(cause("edge:" + o.service + "->" + o.peer, "retries", share * 0.5, o.service, o.peer), sentence, about);
}

void Ranking::changes(const Origin& o, const std::string& service, double share) {
  for (const stream::RecentChange& change : recent_) {
    if (change.service != service || change.second > onset_ + 3 || onset_ - change.second > change_reach_s) continue;
    const double gap = static_cast<double>(std::max<int64_t>(0, onset_ - change.second));
    const double odds = (change.kind == "restart" ? restart_odds : change_odds) * std::exp(-gap / change_fades_s);
    const std::string what = change.kind == "knob" ? change.kind + " " + change.detail : change.kind + " " + service;
    Cause& c = cause("change:" + what, "change", share * odds, service);
    c.change = change.detail;
    say(c, fmt::format("{} of {} ({}) {:.0f} s before it began", change.kind, service, change.detail, gap),
        {kind_of(o.starts) == "slow" ? Starts::own_time : Starts::own_errors, service});
  }
}

// More requests than usual reach the entries, and services get slow or fail by themselves.
void Ranking::load(const Origin& o, double share) {
  if (o.starts != Starts::own_time && o.starts != Starts::own_errors) return;
  if (load_ratio(o.service) < load_factor) return;
  std::string entry;
  double most = 0;
  for (const auto& [key, track] : history_.operations) {
    if (!key.operation.empty()) continue;
    const bool called = std::any_of(history_.calls.begin(), history_.calls.end(),
                                    [&](const auto& call) { return call.first.callee == key.service; });
    const double more = (load_ratio(key.service) - 1) * track.usual.rate();
    if (!called && load_ratio(key.service) >= load_factor && more > most) most = more, entry = key.service;
  }
  if (entry.empty()) return;
  const double ratio = load_ratio(entry);
  if (is_attackers(entry)) {
    Cause& attack = cause("attack:" + attacked_, "security", share * load_odds, attacked_);
    say(attack, fmt::format("what {} receives beyond its usual requests is what {} denies", entry, attacked_),
        {Starts::denied, attacked_});
    return;
  }
  Cause& c = cause("load:" + entry, "load", share * load_odds * std::min(2.0, ratio / load_factor), entry);
  say(c,
      fmt::format("{} receives {:.1f} times its usual requests, and {} gets {:.1f} times", entry, ratio, o.service,
                  load_ratio(o.service)),
      {Starts::more_calls, entry});
}

// Is the surge at an entry made of the requests that an attacked service denies?
bool Ranking::is_attackers(const std::string& entry) const {
  const auto target = history_.operations.find({attacked_, ""}), door = history_.operations.find({entry, ""});
  if (attacked_.empty() || target == history_.operations.end() || door == history_.operations.end()) return false;
  const double more =
      door->second.ring.sum(from_, to_).n - door->second.usual.rate() * static_cast<double>(to_ - from_ + 1);
  return target->second.ring.sum(from_, to_).denied > attackers_part * more;
}

// The service gets more requests though its callers do not: they repeat.
void Ranking::callers(const Origin& o, double share) {
  if (o.starts != Starts::own_time && o.starts != Starts::own_errors) return;
  if (load_ratio(o.service) < load_factor) return;
  for (const auto& [key, track] : history_.operations) {
    if (key.operation.empty()) continue;
    for (const Outgoing& out : outgoing(history_, key, from_, to_)) {
      if (out.callee != o.service || out.usual_n <= 0 || out.n < more_calls_factor * out.usual_n) continue;
      if (load_ratio(key.service) > load_factor) continue;
      Cause& c = cause("edge:" + key.service + "->" + o.service, "retries",
                       share * retries_odds * (1 - out.usual_n / out.n), key.service, o.service);
      say(c,
          fmt::format("{} {} calls {} {:.1f} times a request instead of {:.1f}", key.service, key.operation, o.service,
                      out.n, out.usual_n),
          {Starts::more_calls, key.service, "", "", o.service});
    }
  }
}

// Denied requests from many addresses explain the trouble of the service that denies them, and of whom they pass.
void Ranking::attack(const std::string& service) {
  double explained = 0;
  for (const auto& [origin, share] : gathered_.blame)
    if (origin.service == service || load_ratio(origin.service) >= load_factor) explained += share;
  Cause& c = cause("attack:" + service, "security", attack_odds * explained, service);
  say(c, fmt::format("requests to {} are denied, from many addresses at once, and its log says so, too", service),
      {Starts::denied, service});
}

void Ranking::consider(const Origin& o, double share) {
  switch (o.starts) {
    case Starts::denied:
      attack(o.service);
      break;
    case Starts::more_calls:
      more_calls(o, share);
      break;
    case Starts::edge_errors:
    case Starts::edge_time:
    case Starts::peer_errors:
    case Starts::peer_time:
      peer_or_edge(o, share);
      changes(o, o.service, share * change_of_caller);
      changes(o, o.peer, share * 0.5);
      return;
    default:
      service_itself(o, share);
      load(o, share);
      callers(o, share);
  }
  changes(o, o.service, share);
}

// Everything else that is known stays a candidate, with next to no probability.
void Ranking::everything_else() {
  for (const auto& [key, track] : history_.operations) {
    if (!key.operation.empty())
      suspect(key, background * 0.3);
    else if (!found_.contains("service:" + key.service))
      cause("service:" + key.service, "slow", background, key.service);
  }
  for (const auto& [key, track] : history_.edges) {
    const std::string entity = "edge:" + key.service + "->" + key.peer;
    if (!found_.contains(entity)) cause(entity, "slow", background * 0.5, key.service, key.peer);
    const bool traced = history_.operations.contains({key.peer, ""});
    if (!traced && !found_.contains("peer:" + key.peer)) cause("peer:" + key.peer, "slow", background, "", key.peer);
  }
  for (const auto& [key, track] : history_.instances) {
    suspect(key, background * 0.2);
  }
}

std::vector<Cause> Ranking::causes() {
  for (const auto& [origin, share] : gathered_.blame)
    if (share > 0.01) consider(origin, share);
  everything_else();
  double total = 0;
  for (const auto& [entity, scored] : found_) total += scored.first;
  std::vector<Cause> all;
  for (auto& [entity, scored] : found_) {
    scored.second.probability = scored.first / total;
    all.push_back(std::move(scored.second));
  }
  std::sort(all.begin(), all.end(), [](const Cause& a, const Cause& b) {
    return a.probability != b.probability ? a.probability > b.probability : a.entity < b.entity;
  });
  if (all.size() > causes_max) all.resize(causes_max);
  return all;
}

}  // namespace

std::vector<Cause> rank(const Detector& detector, const Gathered& gathered,
                        const std::vector<stream::RecentChange>& recent, int64_t now) {
  return Ranking(detector, gathered, recent, now).causes();
}

}  // namespace hs::loop
