#include "loop/decide/reach.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace hs::loop {
namespace {

using config::Knob;
using config::KnobScope;

// What a request evaluated is known when its trace has been joined: so much later than its telemetry comes.
constexpr int64_t reading_lag_s = 3;
constexpr int64_t reading_s = 6, reading_s_max = 24;  // longer where few fail
constexpr double reading_n_min = 12, reading_share = 0.1;
constexpr int64_t asked_s = 5, asked_before_s = 60;
constexpr double asked_min = 15;                          // evaluations to be expected, or nothing follows
constexpr double unasked_share = 0.1, asked_share = 0.5;  // of what is usual
constexpr uint8_t client_kind = 3;
constexpr int64_t well_s = 10, well_s_min = 3, usual_s = 60, margin_s = 3;
constexpr double well_n_min = 15, as_many = 0.8, as_fast = 1.5, well_errors = 0.02;

// How many evaluations of the knob we served in the last seconds, and how many that would be usually.
std::pair<double, double> asked(const Goal& goal, const Past& history, const Knob& knob) {
  const int64_t onset = goal.started / nanos_per_s, to = history.last_second() + 1;
  const double now = history.evaluations(knob.key, {}, to - asked_s, to).served;
  const double before = history.evaluations(knob.key, {}, onset - asked_before_s, onset).served;
  return {now, before * asked_s / asked_before_s};
}

// Requests end, or stand still, before they come to the knob: nobody asks for it any more, though the same service asks
// for another one as ever. That is known at once, also of requests that have not ended and that nobody tells of.
bool is_unasked(const Goal& goal, const config::Declarations& declarations, const Past& history, const Knob& knob) {
  if (knob.scope != KnobScope::request || history.last_second() < goal.started / nanos_per_s + asked_s) return false;
  const auto [now, usual] = asked(goal, history, knob);
  if (usual < asked_min || now > unasked_share * usual) return false;
  return std::any_of(declarations.knobs.begin(), declarations.knobs.end(), [&](const Knob& other) {
    if (other.scope != KnobScope::request || other.services != knob.services) return false;
    const auto [others_now, others_usual] = asked(goal, history, other);
    return others_usual >= asked_min && others_now >= asked_share * others_usual;
  });
}

int64_t delay_s(const Goal& goal, const Past& history, const Knob& knob) {
  int64_t most = 1;
  for (const auto& [where, bad] : goal.requests) most = std::max(most, history.delay_s(where.first));
  for (const auto& service : knob.services) most = std::max(most, history.delay_s(service));
  return most;
}

// Calls that the knob's services make of its dependency.
struct Calls {
  Block block;
  stream::Sketch durations;
};
Calls calls_of_dependency(const Past& history, const Knob& knob, int64_t from, int64_t to) {
  Calls out;
  for (const auto& service : knob.services) {
    std::set<std::string> peers;
    for (const auto& key : history.keys({.service = service, .kind = client_kind}))
      if (is_called(knob.dependency, key.peer)) peers.insert(key.peer);
    for (const auto& peer : peers) {
      const Scope scope{.service = service, .peer = peer, .kind = client_kind};
      out.block += history.total(scope, Bad{}, from, to);
      out.durations.merge(history.durations(scope, from, to));
    }
  }
  return out;
}

}  // namespace

bool is_called(std::string_view name, std::string_view peer) {
  if (name.empty() || !peer.starts_with(name)) return false;
  const std::string_view rest = peer.substr(name.size());
  return rest.empty() || (rest.size() > 1 && rest[0] == ':' && rest.find_first_not_of("0123456789", 1) == rest.npos);
}

bool is_about_a_well_one(const Goal& goal, const Past& history, const Knob& knob) {
  if (knob.dependency.empty()) return false;
  const int64_t onset = goal.started / nanos_per_s, to = history.last_second() + 1 - delay_s(goal, history, knob);
  const int64_t from = std::max(onset, to - well_s), oldest = onset - margin_s - usual_s;
  if (to - from < well_s_min) return false;
  const Calls now = calls_of_dependency(history, knob, from, to);
  const Calls then = calls_of_dependency(history, knob, oldest, onset - margin_s);
  const double usual_n = then.block.n / usual_s * static_cast<double>(to - from);
  if (usual_n < well_n_min || now.block.n < as_many * usual_n) return false;
  if (now.block.share() > then.block.share() + well_errors) return false;
  return now.durations.quantile(0.9) <= as_fast * then.durations.quantile(0.9);
}

bool fail_before(const Goal& goal, const Past& history, const Knob& knob) {
  if (knob.scope != KnobScope::request || goal.requests.empty()) return false;
  const auto from_outside = [&](const auto& r) { return history.is_entry(r.first.first, r.first.second); };
  if (std::none_of(goal.requests.begin(), goal.requests.end(), from_outside)) return false;
  const int64_t to = history.last_second() - reading_lag_s - delay_s(goal, history, knob);
  const int64_t oldest = std::max(goal.started / nanos_per_s, to - reading_s_max);
  if (to <= oldest) return false;
  for (int64_t from = std::max(oldest, to - reading_s);; --from) {
    const double bad = total(blocks_of(goal, history, {}, from, to)).bad;
    if (bad < reading_n_min && from > oldest) continue;
    const auto read = history.evaluations(knob.key, goal.requests.begin()->second, from, to);
    return bad >= reading_n_min && read.bad < reading_share * bad;
  }
}

bool comes_to(const Goal& goal, const config::Declarations& declarations, const Past& history, const Knob& knob) {
  if (is_unasked(goal, declarations, history, knob)) return false;
  if (goal.requests.empty() || !history.is_read(knob.key)) return true;
  if (fail_before(goal, history, knob)) return false;
  return std::any_of(goal.requests.begin(), goal.requests.end(),
                     [&](const auto& r) { return history.reads(r.first.first, r.first.second, knob.key); });
}

}  // namespace hs::loop
