#include "loop/decide/witness.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace hs::loop {
namespace {

constexpr int64_t recent_s = 8;                   // what is going on now
constexpr int64_t baseline_s = 90, margin_s = 3;  // how it was before the incident
constexpr double baseline_s_min = 8;              // seconds as usual, or all are taken
constexpr double baseline_n_min = 20, recent_n_min = 5;
constexpr double errors_rise_min = 0.05, errors_factor = 3;
constexpr double slow_factor = 1.6;               // of the upper quartile
constexpr double flood_share = 0.6, flood_z = 5;  // of the reported flood; standard deviations of the served rate
constexpr double silence = 0.4;                   // of the rate
constexpr double silence_n_min = 15;              // expected requests before their absence means anything
constexpr double asked_share = 0.6;               // of the usual evaluations: customers still come
constexpr double unanswered = 0.6;                // of the answers that are to be expected for them
constexpr double told_least = 0.75,
                 told_most = 1.1;     // answers for each evaluation, before; a sampled trace tells of fewer
constexpr double others_share = 0.6;  // of the rate of the same service's other operations
constexpr double others_n_min = 8;

using Range = std::pair<int64_t, int64_t>;  // seconds [first, second)

struct Window {
  int64_t from = 0, to = 0;
  std::vector<Range> base;  // when it was as usual, oldest first
  double base_s = 0;

  double now_s() const { return static_cast<double>(to - from); }
};

// Services that the incident is about, and those that call them: who could have seen it.
std::set<std::string> concerned(const Incident& incident, const Past& history) {
  std::set<std::string> out;
  for (const auto& s : incident.symptoms)
    if (s.ended == 0) out.insert(s.service);
  if (!incident.causes.empty()) out.insert(incident.causes[0].service);
  out.erase("");
  std::set<std::string> callers;
  for (const auto& [edge, seen] : history.edges())
    if (out.contains(edge.second)) callers.insert(edge.first);
  out.merge(callers);
  return out;
}

Block total_before(const Past& history, const Scope& scope, const Window& w) {
  Block sum;
  for (const auto& [from, to] : w.base) sum += history.total(scope, Bad{}, from, to);
  return sum;
}

stream::Sketch durations_before(const Past& history, const Scope& scope, const Window& w) {
  stream::Sketch sum;
  for (const auto& [from, to] : w.base) sum.merge(history.durations(scope, from, to));
  return sum;
}

void add(Past::Evaluations& sum, const Past::Evaluations& more) {
  sum.served += more.served, sum.good += more.good, sum.bad += more.bad;
}

// Of what `told` tells of a range of seconds.
template <typename Told>
Past::Evaluations sum_before(const Window& w, const Told& told) {
  Past::Evaluations sum;
  for (const auto& [from, to] : w.base) add(sum, told(from, to));
  return sum;
}

Past::Evaluations evaluations_before(const Past& history, const std::string& knob, const Bad& bad, const Window& w) {
  return sum_before(w, [&](int64_t from, int64_t to) { return history.evaluations(knob, bad, from, to); });
}

// Seconds in which one of the services departed from what is usual, with what is before and after: no measure of that.
std::set<int64_t> ill_seconds(const std::set<std::string>& services, const Incidents& known, const Range& within) {
  std::set<int64_t> out;
  for (const Incident* incident : known)
    for (const auto& s : incident->symptoms) {
      if (!services.contains(s.service)) continue;
      const int64_t from = std::max(within.first, s.started / nanos_per_s - margin_s);
      const int64_t to = s.ended == 0 ? within.second : std::min(within.second, s.ended / nanos_per_s + margin_s);
      for (int64_t second = from; second < to; ++second) out.insert(out.end(), second);
    }
  return out;
}

// The last baseline_s seconds before `to` that were as usual, as far back as is known.
void look_back(Window& w, int64_t to, int64_t last, const std::set<std::string>& services, const Incidents& known) {
  const int64_t oldest = last - history_s + 1;
  const auto ill = ill_seconds(services, known, {oldest, to});
  for (int64_t second = to - 1; second >= oldest && w.base_s < baseline_s; --second) {
    if (ill.contains(second)) continue;
    if (!w.base.empty() && w.base.front().first == second + 1)
      w.base.front().first = second;
    else
      w.base.insert(w.base.begin(), {second, second + 1});
    w.base_s += 1;
  }
  if (w.base_s >= baseline_s_min) return;
  const int64_t from = std::max(oldest, to - baseline_s);  // something there is always ill: then that is usual
  if (from < to) w.base = {{from, to}}, w.base_s = static_cast<double>(to - from);
}

// More requests than usual are part of the story.
bool is_flood(const Incident& incident, const Goal& goal) { return incident.security || !goal.series.empty(); }

// Whether one series of one sender departs from its own past.
bool departs(const Past& history, const Past::Key& key, const Window& w, bool by_series) {
  Scope scope{key.service, key.operation, key.instance, key.peer, key.credential, key.kind};
  Block then = total_before(history, scope, w);
  Block now = history.total(scope, Bad{}, w.from, w.to);
  if (then.n < baseline_n_min || w.base_s <= 0) return false;
  double expected = then.n / w.base_s * w.now_s();
  if (expected >= silence_n_min && now.n < silence * expected) return true;
  if (by_series && now.n > 2 * expected + recent_n_min) return true;  // a flood
  if (now.n < recent_n_min) return false;
  double share_then = then.share(), share_now = now.share();
  if (share_now > std::max(errors_factor * share_then, share_then + errors_rise_min)) return true;
  double slow_then = durations_before(history, scope, w).quantile(0.75);
  double slow_now = history.durations(scope, w.from, w.to).quantile(0.75);
  return slow_now > slow_factor * slow_then && slow_now > slow_then + 5;
}

std::set<std::string> testifying(const std::set<std::string>& services, bool flood, const Past& history,
                                 const Window& w, std::set<std::string>& heard) {
  std::set<std::string> out;
  for (const auto& service : services) {
    for (const auto& key : history.keys({.service = service})) {
      heard.insert(key.credential);
      if (!out.contains(key.credential) && departs(history, key, w, flood)) out.insert(key.credential);
    }
  }
  return out;
}

bool probe_testifies(const std::set<std::string>& services, const Past& history, const Window& w, std::string& which) {
  for (const auto& service : services) {
    stream::Sketch past;
    for (const auto& [from, to] : w.base) past.merge(history.probe_durations(service, from, to));
    double slow_ms = past.count() >= 5 ? std::max(2 * past.quantile(0.9), past.quantile(0.9) + 20) : 0;
    Block then;
    for (const auto& [from, to] : w.base) then += history.probes(service, slow_ms, from, to);
    Block now = history.probes(service, slow_ms, w.from, w.to);
    if (now.n < 2 || now.bad < 2 || now.share() < std::max(0.2, then.n > 0 ? 2 * then.share() : 0.2)) continue;
    which = service;
    return true;
  }
  return false;
}

// Bad requests that merely came on top of the real ones (a forgery) leave the good ones as many as ever, for each
// evaluation that we served. Real bad ones took the place of good ones.
bool served_testifies(const Goal& goal, const Past& history, const Window& w, std::string& which) {
  if (goal.requests.empty()) return false;
  const auto& [where, bad] = *goal.requests.begin();
  const bool consumes = history.consumes(where.first, where.second);
  for (const auto& knob : history.knobs_evaluated()) {
    const auto told = [&](int64_t from, int64_t to) {
      return consumes ? history.consumed(knob, where.first, where.second, bad, from, to)
                      : history.evaluations(knob, bad, from, to);
    };
    const auto then = sum_before(w, told), now = told(w.from, w.to);
    if (then.served < baseline_n_min || now.served < 2 * recent_n_min || now.bad < recent_n_min) continue;
    double good_then = then.good / then.served, good_now = now.good / now.served;
    double all_then = (then.good + then.bad) / then.served, all_now = (now.good + now.bad) / now.served;
    if (good_now > 0.92 * good_then || all_now > 1.15 * all_then || all_then > 1.1) continue;
    which = knob;
    return true;
  }
  return false;
}

// Whether the service goes on telling of its other operations as ever: then what it does not tell of has not ended.
bool tells_of_others(const Past& history, const std::string& service, const std::string& silent, const Window& w) {
  double now = 0, then = 0;
  for (const auto& key : history.keys({.service = service})) {
    if (key.operation == silent || (key.kind != 2 && key.kind != 5)) continue;
    const Scope scope{.service = service,
                      .operation = key.operation,
                      .instance = key.instance,
                      .peer = key.peer,
                      .credential = key.credential,
                      .kind = key.kind};
    now += history.total(scope, Bad{}, w.from, w.to).n;
    then += total_before(history, scope, w).n;
  }
  const double expected = w.base_s > 0 ? then / w.base_s * w.now_s() : 0;
  return expected >= others_n_min && now >= others_share * expected;
}

// Requests came, for we served what they evaluated, and no answer is told of: neither a good nor a bad one. Nobody can
// make real answers disappear; that they are merely not reported is excluded where the same service goes on reporting
// everything else.
bool served_unanswered(const Incident& incident, const Past& history, const Window& w, std::string& which) {
  for (const auto& s : incident.symptoms) {
    const bool silent = s.ended == 0 && s.kind == SymptomKind::throughput && s.observed < s.baseline;
    if (!silent || !history.is_entry(s.service, s.operation)) continue;
    if (!tells_of_others(history, s.service, s.operation, w)) continue;
    for (const auto& knob : history.knobs_evaluated()) {
      if (!history.reads(s.service, s.operation, knob)) continue;
      const auto then = evaluations_before(history, knob, Bad{}, w);
      const auto now = history.evaluations(knob, Bad{}, w.from, w.to);
      if (then.served < baseline_n_min || w.base_s <= 0 || w.now_s() <= 0) continue;
      const double usual = then.served / w.base_s * w.now_s(), answers = (then.good + then.bad) / then.served;
      // Whoever forged answers until now, and stopped, has not silenced real ones: these alone were about as many.
      if (answers < told_least || answers > told_most) continue;
      const double expected = answers * now.served, told = now.good + now.bad;
      if (now.served < asked_share * usual || expected - told < silence_n_min || told > unanswered * expected) continue;
      which = knob;
      return true;
    }
  }
  return false;
}

// A flood of requests that evaluate a knob is a flood of evaluations, and those we served ourselves.
bool served_flood(const Incident& incident, const Past& history, const Window& w, std::string& which) {
  const double now_s = w.now_s();
  for (const auto& s : incident.symptoms) {
    if (s.ended != 0 || w.base_s <= 0 || now_s <= 0) continue;
    Scope scope{.service = s.service, .operation = s.operation, .kind = 2};
    double then = total_before(history, scope, w).n / w.base_s;
    double more = history.total(scope, Bad{}, w.from, w.to).n / now_s - then;
    if (more < then || more * now_s < silence_n_min) continue;
    for (const auto& knob : history.knobs_evaluated()) {
      if (!history.reads(s.service, s.operation, knob)) continue;
      double served_then = evaluations_before(history, knob, Bad{}, w).served / w.base_s;
      double served_more = history.evaluations(knob, Bad{}, w.from, w.to).served / now_s - served_then;
      double chance = flood_z * std::sqrt(served_then / now_s);  // what the rate may vary by
      if (served_more < flood_share * more || served_more < chance) continue;
      which = knob;
      return true;
    }
  }
  return false;
}

}  // namespace

Corroboration corroborate(const Incident& incident, const Goal& goal, const Past& history, const Incidents& known) {
  int64_t onset = goal.started / nanos_per_s, last = history.last_second();
  const auto services = concerned(incident, history);
  int64_t delay_s = 1;  // what did not come yet is no silence
  for (const auto& service : services) delay_s = std::max(delay_s, history.delay_s(service));
  Window w{.to = last - delay_s + 1};
  w.from = std::max(onset, w.to - recent_s);
  const bool flood = is_flood(incident, goal);
  look_back(w, onset - margin_s, last, services, known);
  std::set<std::string> heard;
  auto witnesses = testifying(services, flood, history, w, heard);
  if (witnesses.size() >= 2)
    return {true, fmt::format("{} senders with credentials of their own report it", witnesses.size())};
  std::string which;
  if (probe_testifies(services, history, w, which)) return {true, fmt::format("our probe of {} sees it", which)};
  // With several senders around, the only one that tells of it may be the liar; what we served tells.
  if (!witnesses.empty() && served_testifies(goal, history, w, which))
    return {true, fmt::format("good requests that evaluated {} are missing by as many as are reported bad", which)};
  if (!witnesses.empty() && flood && served_flood(incident, history, w, which))
    return {true, fmt::format("evaluations of {} that we served became more by as many", which)};
  if (served_unanswered(incident, history, w, which))
    return {true, fmt::format("answers to requests that evaluated {} are missing", which)};
  if (witnesses.empty()) return {false, "no sender of telemetry shows it against its own past yet"};
  // What a user can do is part of the reason: with one credential for all, this is where every story ends.
  return {
      false,
      heard.size() == 1
          ? "all that tells of it has one ingest credential, and neither a probe of ours nor the "
            "evaluations that we served confirm it; give services credentials of their own, or declare a probe"
          : fmt::format("only one of {} senders reports it, and neither a probe of ours nor the evaluations that we "
                        "served confirm it",
                        heard.size())};
}

}  // namespace hs::loop
