#include "loop/decide/witness.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

namespace hs::loop {
namespace {

constexpr int64_t recent_s = 8, lag_s = 1;        // what is going on now
constexpr int64_t baseline_s = 90, margin_s = 3;  // how it was before the incident
constexpr double baseline_n_min = 20, recent_n_min = 5;
constexpr double errors_rise_min = 0.05, errors_factor = 3;
constexpr double slow_factor = 1.6;               // of the upper quartile
constexpr double flood_share = 0.6, flood_z = 5;  // of the reported flood; standard deviations of the served rate
constexpr double silence = 0.4;                   // of the rate
constexpr double silence_n_min = 15;              // expected requests before their absence means anything

struct Window {
  int64_t from = 0, to = 0, base_from = 0, base_to = 0;
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

// More requests than usual are part of the story.
bool is_flood(const Incident& incident, const Goal& goal) { return incident.security || !goal.series.empty(); }

// Whether one series of one sender departs from its own past.
bool departs(const Past& history, const Past::Key& key, const Window& w, bool by_series) {
  Scope scope{key.service, key.operation, key.instance, key.peer, key.credential, key.kind};
  Block then = history.total(scope, Bad{}, w.base_from, w.base_to);
  Block now = history.total(scope, Bad{}, w.from, w.to);
  double past_s = static_cast<double>(w.base_to - w.base_from), now_s = static_cast<double>(w.to - w.from);
  if (then.n < baseline_n_min || past_s <= 0) return false;
  double expected = then.n / past_s * now_s;
  if (expected >= silence_n_min && now.n < silence * expected) return true;
  if (by_series && now.n > 2 * expected + recent_n_min) return true;  // a flood
  if (now.n < recent_n_min) return false;
  double share_then = then.bad / then.n, share_now = now.bad / now.n;
  if (share_now > std::max(errors_factor * share_then, share_then + errors_rise_min)) return true;
  double slow_then = history.durations(scope, w.base_from, w.base_to).quantile(0.75);
  double slow_now = history.durations(scope, w.from, w.to).quantile(0.75);
  return slow_now > slow_factor * slow_then && slow_now > slow_then + 5;
}

std::set<std::string> testifying(const Incident& incident, const Goal& goal, const Past& history, const Window& w,
                                 std::set<std::string>& heard) {
  std::set<std::string> out;
  for (const auto& service : concerned(incident, history)) {
    for (const auto& key : history.keys({.service = service})) {
      heard.insert(key.credential);
      if (!out.contains(key.credential) && departs(history, key, w, is_flood(incident, goal)))
        out.insert(key.credential);
    }
  }
  return out;
}

bool probe_testifies(const Incident& incident, const Past& history, const Window& w, std::string& which) {
  for (const auto& service : concerned(incident, history)) {
    auto past = history.probe_durations(service, w.base_from, w.base_to);
    double slow_ms = past.count() >= 5 ? std::max(2 * past.quantile(0.9), past.quantile(0.9) + 20) : 0;
    Block then = history.probes(service, slow_ms, w.base_from, w.base_to);
    Block now = history.probes(service, slow_ms, w.from, w.to);
    if (now.n < 2 || now.bad < 2 || now.bad / now.n < std::max(0.2, then.n > 0 ? 2 * then.bad / then.n : 0.2)) continue;
    which = service;
    return true;
  }
  return false;
}

// Bad requests that merely came on top of the real ones (a forgery) leave the good ones as many as ever, for each
// evaluation that we served. Real bad ones took the place of good ones.
bool served_testifies(const Goal& goal, const Past& history, const Window& w, std::string& which) {
  if (goal.requests.empty()) return false;
  Bad bad = goal.requests.begin()->second;
  for (const auto& knob : history.knobs_evaluated()) {
    auto then = history.evaluations(knob, bad, w.base_from, w.base_to);
    auto now = history.evaluations(knob, bad, w.from, w.to);
    if (then.served < baseline_n_min || now.served < 2 * recent_n_min || now.bad < recent_n_min) continue;
    double good_then = then.good / then.served, good_now = now.good / now.served;
    double all_then = (then.good + then.bad) / then.served, all_now = (now.good + now.bad) / now.served;
    if (good_now > 0.92 * good_then || all_now > 1.15 * all_then || all_then > 1.1) continue;
    which = knob;
    return true;
  }
  return false;
}

// A flood of requests that evaluate a knob is a flood of evaluations, and those we served ourselves.
bool served_flood(const Incident& incident, const Past& history, const Window& w, std::string& which) {
  double past_s = static_cast<double>(w.base_to - w.base_from), now_s = static_cast<double>(w.to - w.from);
  for (const auto& s : incident.symptoms) {
    if (s.ended != 0 || past_s <= 0 || now_s <= 0) continue;
    Scope scope{.service = s.service, .operation = s.operation, .kind = 2};
    double then = history.total(scope, Bad{}, w.base_from, w.base_to).n / past_s;
    double more = history.total(scope, Bad{}, w.from, w.to).n / now_s - then;
    if (more < then || more * now_s < silence_n_min) continue;
    for (const auto& knob : history.knobs_evaluated()) {
      if (!history.reads(s.service, s.operation, knob)) continue;
      double served_then = history.evaluations(knob, Bad{}, w.base_from, w.base_to).served / past_s;
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

Corroboration corroborate(const Incident& incident, const Goal& goal, const Past& history) {
  int64_t onset = goal.started / nanos_per_s, last = history.last_second();
  Window w{.from = std::max(onset, last - recent_s), .to = last - lag_s + 1};
  w.base_to = onset - margin_s, w.base_from = w.base_to - baseline_s;
  std::set<std::string> heard;
  auto witnesses = testifying(incident, goal, history, w, heard);
  if (witnesses.size() >= 2)
    return {true, fmt::format("{} senders with credentials of their own report it", witnesses.size())};
  std::string which;
  if (probe_testifies(incident, history, w, which)) return {true, fmt::format("our probe of {} sees it", which)};
  // With several senders around, the only one that tells of it may be the liar; what we served tells.
  if (!witnesses.empty() && served_testifies(goal, history, w, which))
    return {true, fmt::format("good requests that evaluated {} are missing by as many as are reported bad", which)};
  if (!witnesses.empty() && is_flood(incident, goal) && served_flood(incident, history, w, which))
    return {true, fmt::format("evaluations of {} that we served became more by as many", which)};
  if (witnesses.empty()) return {false, "no sender of telemetry shows it against its own past yet"};
  return {false, fmt::format("only one of {} senders reports it, and nothing of ours confirms it", heard.size())};
}

}  // namespace hs::loop
