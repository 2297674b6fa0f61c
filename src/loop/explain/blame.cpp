#include "loop/explain/blame.h"

#include <algorithm>
#include <set>

#include "loop/explain/explain.h"

namespace hs::loop {
namespace {

constexpr int depth_max = 12;              // services below an entry
constexpr double silent_share = 0.3;       // of the usual rate: below it, an operation does not answer
constexpr double worth_ms = 0.3;           // smaller changes of a mean are noise
constexpr double failing_share = 0.05;     // of its requests: a caller that fails may not come to all its calls
constexpr double denied_share = 0.05;      // of its requests, more than usual
constexpr double slower_factor = 1.4;      // a mean that is worth following
constexpr double unexplained_share = 0.3;  // of failed calls that failed at the callee: the others probably did, too
constexpr double waits_share = 0.9;        // of a silence, for services below that are silent with it
constexpr double waits_peer_share = 0.45;  // the same for peers: who stands still does not call them either
constexpr double repeated_share = 0.25;    // of calls that fail: that they are more is a consequence

struct Now {
  const Track* track = nullptr;
  Sums sums;
  double n() const { return sums.n; }
  double error_excess() const {
    return sums.per_request(sums.errors) - track->usual.sums.per_request(track->usual.sums.errors);
  }
  double own_error_excess() const {
    return sums.per_request(sums.own_errors) - track->usual.sums.per_request(track->usual.sums.own_errors);
  }
  double denied_excess() const {
    return sums.per_request(sums.denied) - track->usual.sums.per_request(track->usual.sums.denied);
  }
  double self_excess() const {
    return sums.per_request(sums.self_ms) - track->usual.sums.per_request(track->usual.sums.self_ms);
  }
  double total_excess() const {
    return sums.per_request(sums.total_ms) - track->usual.sums.per_request(track->usual.sums.total_ms);
  }
};

using Weighted = std::vector<std::pair<OperationKey, double>>;

Weighted normal(Weighted weighted, double total) {
  for (auto& [key, weight] : weighted) weight /= std::max(total, 1e-12);
  return weighted;
}

class Walk {
 public:
  Walk(const History& history, int64_t from, int64_t to) : history_(history), from_(from), to_(to) {}
  Blame result() {
    double total = 0;
    for (const auto& [origin, share] : blame_.shares) total += share;
    for (auto& [origin, share] : blame_.shares) share /= std::max(total, 1e-9);
    return std::move(blame_);
  }

  void errors(const OperationKey& at, double weight, int depth);
  void time(const OperationKey& at, double weight, int depth);
  void silence(const OperationKey& at, double weight, int depth);
  void waiting(const OperationKey& at, double weight, int depth);
  void denials(const OperationKey& at, double weight, int depth);
  void edge(const Symptom& symptom);
  void put(Starts starts, const std::string& service, const std::string& peer, double weight) {
    if (weight > 0) blame_.shares[{starts, service, peer}] += weight;
  }

 private:
  bool look(const OperationKey& at, Now& now) const;
  bool is_silent(const OperationKey& at) const;
  bool is_slower(const OperationKey& at) const;
  bool answers_others(const OperationKey& at) const;
  Weighted callee_operations(const std::string& callee, const std::map<std::string, double>& known) const;
  bool calls_fail(const OperationKey& callee) const;
  Weighted callers_of(const OperationKey& callee) const;
  void failed_calls(const OperationKey& at, const Outgoing& out, double weight, int depth);
  void slow_calls(const OperationKey& at, const Outgoing& out, double weight, int depth);
  template <class F>
  bool spread(const OperationKey& at, F&& measure, void (Walk::*follow)(const OperationKey&, double, int),
              double weight, int depth);

  const History& history_;
  int64_t from_, to_;
  Blame blame_;
};

bool Walk::look(const OperationKey& at, Now& now) const {
  const auto found = history_.operations.find(at);
  if (found == history_.operations.end()) return false;
  now.track = &found->second;
  now.sums = found->second.ring.sum(from_, to_);
  return true;
}

bool Walk::is_silent(const OperationKey& at) const {
  Now now;
  return look(at, now) && loop::is_silent(history_, *now.track, at.service, from_, to_);
}

// Whether another operation of the same service goes on: then it is not the service that stands still.
bool Walk::answers_others(const OperationKey& at) const {
  for (auto it = history_.operations.lower_bound({at.service, ""}); it != history_.operations.end(); ++it) {
    if (it->first.service != at.service) break;
    if (it->first.operation.empty() || it->first.operation == at.operation) continue;
    if (it->second.usual.rate() > 0.3 && !is_silent(it->first)) return true;
  }
  return false;
}

bool Walk::is_slower(const OperationKey& at) const {
  Now now;
  if (!look(at, now) || now.n() <= 0) return false;
  const double usual = now.track->usual.sums.per_request(now.track->usual.sums.total_ms);
  return now.total_excess() > worth_ms && now.sums.per_request(now.sums.total_ms) > slower_factor * usual;
}

// Which of the callee's operations answer these calls (`known`: by what was joined); all that have traffic when no call
// was joined.
Weighted Walk::callee_operations(const std::string& callee, const std::map<std::string, double>& known) const {
  Weighted found;
  double total = 0;
  const auto add = [&](const OperationKey& key, double weight) {
    found.emplace_back(key, weight);
    total += weight;
  };
  for (const auto& [operation, n] : known)
    if (!operation.empty() && n > 0 && history_.operations.contains({callee, operation})) add({callee, operation}, n);
  if (!found.empty()) return normal(std::move(found), total);
  for (auto at = history_.operations.lower_bound({callee, ""}); at != history_.operations.end(); ++at) {
    if (at->first.service != callee) break;
    if (!at->first.operation.empty()) add(at->first, at->second.usual.rate() + 1e-6);
  }
  return normal(std::move(found), total);
}

// A service as a whole: its operations by what each contributes.
template <class F>
bool Walk::spread(const OperationKey& at, F&& measure, void (Walk::*follow)(const OperationKey&, double, int),
                  double weight, int depth) {
  if (!at.operation.empty()) return false;
  std::vector<std::pair<OperationKey, double>> parts;
  double total = 0;
  for (auto it = history_.operations.lower_bound(at); it != history_.operations.end(); ++it) {
    if (it->first.service != at.service) break;
    Now now;
    if (it->first.operation.empty() || !look(it->first, now)) continue;
    const double part = std::max(0.0, measure(now));
    if (part > 0) parts.emplace_back(it->first, part);
    total += part;
  }
  for (const auto& [key, part] : parts) (this->*follow)(key, weight * part / total, depth);
  return !parts.empty();
}

void Walk::errors(const OperationKey& at, double weight, int depth) {
  const auto contribution = [](const Now& now) { return now.error_excess() * now.n(); };
  if (spread(at, contribution, &Walk::errors, weight, depth)) return;
  Now now;
  if (depth >= depth_max || !look(at, now)) return put(Starts::own_errors, at.service, "", weight);
  const double own = std::max(0.0, now.own_error_excess());
  std::vector<std::pair<Outgoing, double>> failing;
  double calls = 0;
  for (const Outgoing& out : outgoing(history_, at, from_, to_)) {
    const double excess = std::max(0.0, out.errors - out.usual_errors);
    if (excess < 1e-4 || out.async) continue;
    failing.emplace_back(out, excess);
    calls += excess;
  }
  // Errors that came with a failed call belong to the calls, in proportion to how often each failed.
  const double passed_on = std::max(0.0, now.error_excess() - own);
  const double total = own + (failing.empty() ? 0 : passed_on);
  if (total <= 0 && now.denied_excess() > denied_share) return denials(at, weight, depth);
  if (total <= 0) return put(Starts::own_errors, at.service, "", weight);
  put(Starts::own_errors, at.service, "", weight * own / total);
  for (const auto& [out, excess] : failing) failed_calls(at, out, weight * passed_on / total * excess / calls, depth);
}

// Whoever denies tells its caller, who passes it on: the innermost service that denies more than usual is the one that
// decides.
void Walk::denials(const OperationKey& at, double weight, int depth) {
  if (depth < depth_max) {
    for (const Outgoing& out : outgoing(history_, at, from_, to_)) {
      for (const auto& [operation, n] : out.operations) {
        Now now;
        if (out.async || !look({out.callee, operation}, now) || now.denied_excess() < denied_share) continue;
        return denials({out.callee, operation}, weight, depth + 1);
      }
    }
  }
  put(Starts::denied, at.service, "", weight);
}

// Calls that fail: because the callee fails, because it is silent or too slow (the caller gave up), or on the way.
void Walk::failed_calls(const OperationKey& at, const Outgoing& out, double weight, int depth) {
  if (weight <= 0) return;
  if (!out.traced) return put(Starts::peer_errors, at.service, out.callee, weight);
  const double answered = std::min(1.0, out.answered_errors / std::max(1e-9, out.errors));
  const double joined = std::clamp(out.joined / std::max(1e-9, out.n_calls), 0.1, 1.0);  // what an export delay leaves
  const double heard = std::min(1.0, answered / joined);
  const double at_callee = heard * std::min(1.0, out.callee_errors / std::max(1e-9, out.answered_errors));
  if (at_callee > 0)
    for (const auto& [key, share] : callee_operations(out.callee, out.failing))
      errors(key, weight * at_callee * share, depth + 1);
  const double rest = weight * (1 - at_callee);
  if (rest < 0.02) return;
  for (const auto& [key, share] : callee_operations(out.callee, out.operations)) {
    if (is_silent(key))
      silence(key, rest * share, depth + 1);
    else if (is_slower(key))
      time(key, rest * share, depth + 1);
    else if (at_callee > unexplained_share)
      errors(key, rest * share, depth + 1);
    else
      put(Starts::edge_errors, at.service, out.callee, rest * share);
  }
}

void Walk::time(const OperationKey& at, double weight, int depth) {
  const auto contribution = [](const Now& now) { return now.total_excess() * now.n(); };
  if (spread(at, contribution, &Walk::time, weight, depth)) return;
  Now now;
  if (depth >= depth_max || !look(at, now)) return put(Starts::own_time, at.service, "", weight);
  const double own = std::max(0.0, now.self_excess());
  std::vector<std::pair<Outgoing, double>> slower;
  double calls = 0;
  for (const Outgoing& out : outgoing(history_, at, from_, to_)) {
    const double excess = out.ms - out.usual_ms;
    if (excess < worth_ms / 3 || out.async) continue;
    slower.emplace_back(out, excess);
    calls += excess;
  }
  const double total = own + calls;
  if (total <= 0) return put(Starts::own_time, at.service, "", weight);
  put(Starts::own_time, at.service, "", weight * own / total);
  for (const auto& [out, excess] : slower) slow_calls(at, out, weight * excess / total, depth);
}

// Time in calls grew: there are more of them, the callee takes longer, or the way does.
void Walk::slow_calls(const OperationKey& at, const Outgoing& out, double weight, int depth) {
  if (weight <= 0) return;
  const double each = out.n > 0 ? out.ms / out.n : 0, usual_each = out.usual_n > 0 ? out.usual_ms / out.usual_n : each;
  const bool repeated = out.errors - out.usual_errors > repeated_share * out.n;  // calls are more because they fail
  const double more = std::max(0.0, out.n - out.usual_n) * std::min(each, usual_each);
  const double longer = std::max(0.0, each - usual_each) * out.n;
  if (repeated) return failed_calls(at, out, weight, depth);
  const double total = more + longer;
  if (total <= 0) return put(Starts::own_time, at.service, "", weight);
  put(Starts::more_calls, at.service, out.callee, weight * more / total);
  const double rest = weight * longer / total;
  if (!out.traced) return put(Starts::peer_time, at.service, out.callee, rest);
  for (const auto& [key, share] : callee_operations(out.callee, out.operations)) {
    if (is_silent(key)) {
      silence(key, rest * share, depth + 1);
      continue;
    }
    double callee = 0, way = 0;
    if (out.joined > 0) {
      callee = std::max(0.0, out.callee_ms / out.joined - out.usual_callee_ms);
      way = std::max(0.0, (out.joined_ms - out.callee_ms) / out.joined - out.usual_edge_ms);
    }
    if (callee + way < worth_ms / 3) (is_slower(key) ? callee : way) = 1;
    time(key, rest * share * callee / (callee + way), depth + 1);
    put(Starts::edge_time, at.service, out.callee, rest * share * way / (callee + way));
  }
}

bool Walk::calls_fail(const OperationKey& callee) const {
  double n = 0, failed = 0;
  for (const auto& [key, track] : history_.calls) {
    if (key.callee != callee.service) continue;
    const CallSums now = track.ring.sum(from_, to_);
    n += now.n, failed += now.errors;
  }
  return failed > 0.4 * n && failed >= 2;
}

Weighted Walk::callers_of(const OperationKey& callee) const {
  Weighted callers;
  double total = 0;
  for (const auto& [key, track] : history_.calls) {
    if (key.callee != callee.service || track.async) continue;
    if (track.traced && !callee.operation.empty() && key.callee_operation != callee.operation) continue;
    callers.push_back({{key.service, key.operation}, track.usual.rate() + 1e-6});
    total += callers.back().second;
  }
  return normal(std::move(callers), total);
}

// An operation that does not answer any more. If calls to it fail, it is asked, and it is at fault. Otherwise it may
// not be asked at all: because its callers are silent themselves, or fail before they come to it.
void Walk::silence(const OperationKey& at, double weight, int depth) {
  const Weighted callers = callers_of(at);
  if (depth >= depth_max || callers.empty() || calls_fail(at)) return waiting(at, weight, depth);
  double blamed = 0;
  for (const auto& [caller, share] : callers) {
    Now now;
    if (share < 0.05 || caller.service == at.service || !look(caller, now)) continue;
    if (is_silent(caller))
      silence(caller, weight * share, depth + 1);
    else if (now.n() > 0 && now.error_excess() > failing_share)
      errors(caller, weight * share, depth + 1);
    else
      continue;
    blamed += share;
  }
  put(Starts::silence, at.service, "", weight * (1 - std::min(1.0, blamed)));
}

// It is asked and does not answer: by its own doing, or because somebody below does not answer it. Nobody tells of a
// call that has not ended; who below is silent with it may be waited for. A callee may also be silent because nobody
// asks it any more: unless the caller goes on with everything else, it is the caller that stands still.
void Walk::waiting(const OperationKey& at, double weight, int depth) {
  std::set<OperationKey> services;
  std::set<std::string> peers;
  for (auto it = history_.calls.lower_bound({at.service, at.operation, "", ""}); it != history_.calls.end(); ++it) {
    const CallKey& key = it->first;
    if (key.service != at.service || (!at.operation.empty() && key.operation != at.operation)) break;
    if (it->second.async) continue;
    const auto edge = history_.edges.find({at.service, key.callee});
    if (history_.operations.contains({key.callee, ""})) {
      if (is_silent({key.callee, key.callee_operation})) services.insert({key.callee, key.callee_operation});
    } else if (edge != history_.edges.end() && loop::is_silent(history_, edge->second, at.service, from_, to_)) {
      peers.insert(key.callee);
    }
  }
  if (!answers_others(at)) services.clear();
  if (depth >= depth_max) services.clear(), peers.clear();
  const double below = !services.empty() ? waits_share : !peers.empty() ? waits_peer_share : 0;
  put(Starts::silence, at.service, "", weight * (1 - below));
  for (const OperationKey& callee : services)
    waiting(callee, weight * below / static_cast<double>(services.size()), depth + 1);
  if (!services.empty()) return;
  for (const std::string& peer : peers)
    put(Starts::peer_time, at.service, peer, weight * below / static_cast<double>(peers.size()));
}

void Walk::edge(const Symptom& s) {
  Outgoing out;
  out.callee = s.peer;
  const auto whole = history_.operations.find({s.peer, ""});
  out.traced = whole != history_.operations.end();
  const bool slow = s.kind == SymptomKind::latency;
  double total = 0;
  std::vector<std::pair<OperationKey, Outgoing>> parts;
  for (auto at = history_.operations.lower_bound({s.service, ""}); at != history_.operations.end(); ++at) {
    if (at->first.service != s.service) break;
    if (at->first.operation.empty()) continue;
    const double requests = at->second.ring.sum(from_, to_).n;
    for (Outgoing& o : outgoing(history_, at->first, from_, to_)) {
      if (o.callee != s.peer) continue;
      const double excess = requests * std::max(0.0, slow ? o.ms - o.usual_ms : o.errors - o.usual_errors);
      if (excess <= 0) continue;
      total += excess;
      o.offset_ms = excess;
      parts.emplace_back(at->first, std::move(o));
    }
  }
  for (const auto& [key, o] : parts) {
    const double weight = o.offset_ms / total;
    slow ? slow_calls(key, o, weight, 0) : failed_calls(key, o, weight, 0);
  }
  if (!parts.empty()) return;
  if (out.traced && slow && is_slower({s.peer, ""})) return time({s.peer, ""}, 1, 0);
  const Starts starts =
      out.traced ? (slow ? Starts::edge_time : Starts::edge_errors) : (slow ? Starts::peer_time : Starts::peer_errors);
  put(starts, s.service, s.peer, 1);
}

}  // namespace

bool is_silent(const History& history, const Track& track, const std::string& service, int64_t from, int64_t to) {
  const int64_t until = history.settled(service, to) + 1;  // nearly complete will do for a share of 30 %
  const int64_t since = std::min(until, std::max(from, until - 4));
  const double rate = track.ring.sum(since, until).n / static_cast<double>(until - since + 1);
  return track.usual.rate() > 0.3 && rate < silent_share * track.usual.rate();
}

Origin Blame::first() const {
  const auto most =
      std::max_element(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == shares.end() ? Origin{} : most->first;
}

std::vector<Outgoing> outgoing(const History& history, const OperationKey& caller, int64_t from, int64_t to) {
  std::map<std::string, Outgoing> by_callee;
  const auto own = history.operations.find(caller);
  if (own == history.operations.end()) return {};
  const double n = std::max(1e-9, own->second.ring.sum(from, to).n);
  const double usual_rate = std::max(1e-9, own->second.usual.rate());
  std::map<std::string, CallSums> usual;
  for (auto at = history.calls.lower_bound({caller.service, caller.operation, "", ""}); at != history.calls.end();
       ++at) {
    const CallKey& key = at->first;
    if (key.service != caller.service || key.operation != caller.operation) break;
    Outgoing& out = by_callee[key.callee];
    out.callee = key.callee;
    out.async |= at->second.async;
    const CallSums now = at->second.ring.sum(from, to);
    out.n_calls += now.n, out.n += now.n / n, out.errors += now.errors / n, out.ms += now.total_ms / n;
    out.answered_errors += now.answered_errors / n, out.callee_errors += now.callee_errors / n;
    if (now.callee_errors > 0) out.failing[key.callee_operation] += now.callee_errors;
    out.joined += now.joined, out.joined_ms += now.joined_ms, out.callee_ms += now.callee_ms;
    const double per = at->second.usual.seconds > 0 ? 1 / at->second.usual.seconds / usual_rate : 0;
    CallSums u = at->second.usual.sums;
    usual[key.callee].joined += u.joined, usual[key.callee].joined_ms += u.joined_ms;
    usual[key.callee].callee_ms += u.callee_ms, usual[key.callee].n += u.n, usual[key.callee].offset_ms += u.offset_ms;
    out.usual_n += u.n * per, out.usual_errors += u.errors * per, out.usual_ms += u.total_ms * per;
    if (at->second.traced) out.operations[key.callee_operation] += now.joined + u.joined * 0.01;
  }
  std::vector<Outgoing> all;
  for (auto& [callee, out] : by_callee) {
    const CallSums& u = usual[callee];
    out.traced = history.operations.contains({callee, ""});
    if (u.joined > 0) {
      out.usual_callee_ms = u.callee_ms / u.joined;
      out.usual_edge_ms = (u.joined_ms - u.callee_ms) / u.joined;
    }
    if (u.n > 0) out.offset_ms = u.offset_ms / u.n;
    all.push_back(std::move(out));
  }
  return all;
}

Blame blame(const History& history, const Symptom& s, int64_t now) {
  const int64_t from = std::max(s.started / nanos_per_s, now - excess_window_s);
  Walk walk(history, from, now);
  if (s.kind == SymptomKind::security)
    walk.denials({s.service, s.operation}, 1, 0);
  else if (!s.peer.empty())
    walk.edge(s);
  else if (s.kind == SymptomKind::latency)
    walk.time({s.service, s.operation}, 1, 0);
  else if (s.kind == SymptomKind::throughput)
    walk.silence({s.service, s.operation}, 1, 0);
  else
    walk.errors({s.service, s.operation}, 1, 0);
  return walk.result();
}

}  // namespace hs::loop
