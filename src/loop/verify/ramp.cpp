#include "loop/verify/ramp.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "loop/verify/canary.h"

namespace hs::loop {
namespace {

constexpr int64_t before_s_max = 20;  // the incident as it was just before the change
constexpr int64_t guard_s = 10, guard_s_min = 4;
constexpr double guard_n_min = 20;
constexpr double guard_rise_min = 0.05;  // of a share
constexpr int64_t slow_guard_s = 3;
constexpr double back_log_e = 3;  // switchback: the incident is back

int64_t second_of(UnixNanos t) { return t / nanos_per_s; }

// What nobody outside feels does not count against a change: that an inner service fails the last requests of a jam
// that is being cleared is no harm.
bool is_owed(const std::string& service, const std::string& operation, const Past& history,
             const config::Declarations& declarations) {
  const auto& edges = history.edges();
  if (std::none_of(edges.begin(), edges.end(), [&](const auto& e) { return e.first.second == service; })) return true;
  return std::any_of(declarations.objectives.begin(), declarations.objectives.end(), [&](const config::Objective& o) {
    return o.service == service && (o.operation.empty() || o.operation == operation);
  });
}

}  // namespace

Ramp::Ramp(Goal goal, RampLimits limits, UnixNanos start, const Past& history, const Latest& latest,
           const config::Declarations& declarations)
    : goal_(std::move(goal)), limits_(limits), start_(start), declared_(goal_, start, history, latest, declarations) {
  add_guards(history, declarations);
  settle_s_ = settle_s(goal_, history, second_of(start));
}

void Ramp::add_guards(const Past& history, const config::Declarations& declarations) {
  // The fault itself may still spread: a guard is compared with the last seconds of the incident, not with the peace
  // before it.
  int64_t to = second_of(start_), onset = second_of(goal_.started);
  int64_t from = std::clamp(onset + 1, to - guard_s, to - guard_s_min);
  SpeedLimits speed(history, declarations, onset - 90, onset - 3);
  std::map<std::pair<std::string, std::string>, bool> seen;
  for (const auto& key : history.keys({.kind = 2})) seen[{key.service, key.operation}] = true;
  for (const auto& [where, yes] : seen) {
    if (goal_.bad_of(where.first, where.second) != nullptr) continue;
    if (!is_owed(where.first, where.second, history, declarations)) continue;
    double limit_ms = speed.ms(where.first, where.second);  // what fails at once is not fast
    const bool limited = goal_.measure != "security";
    std::vector<Bad> bads = {Bad{.errors = true, .limited = limited}};
    if (limit_ms > 0) bads.push_back({.errors = true, .slow_ms = limit_ms, .limited = limited});
    for (const Bad& bad : bads) {
      auto before = history.blocks({.service = where.first, .operation = where.second, .kind = 2}, bad, from, to);
      if (total(before).n >= guard_n_min) guards_.push_back({where.first, where.second, bad, std::move(before)});
    }
  }
}

void Ramp::on(UnixNanos at) {
  phase_ = phase_ == Phase::waiting ? Phase::on : Phase::on_again;
  if (first_on_ == 0) first_on_ = at;
  phase_since_ = at;
}

void Ramp::off(UnixNanos at) { phase_ = Phase::off, phase_since_ = at; }

std::vector<Block> Ramp::before(const Past& history, const Latest& latest) const {
  int64_t to = second_of(start_), from = std::max(second_of(goal_.started) + 1, to - before_s_max);
  return blocks_of(goal_, history, latest, from, to);
}

std::vector<Block> Ramp::after(const Past& history, const Latest& latest) const {
  return blocks_of(goal_, history, latest, second_of(phase_since_) + 1 + settle_s_, history.last_second());
}

Drop Ramp::drop_now(const Past& history, const Latest& latest) const {
  return drop_between(before(history, latest), after(history, latest));
}

std::optional<std::string> Ramp::harm(const Past& history, const Latest& latest) const {
  int64_t from = second_of(first_on_) + 1, to = history.last_second();
  for (const auto& guard : guards_) {
    // What waits in queues when the change comes is slow still, and the incident may still spread.
    int64_t since = guard.bad.errors ? from : from + settle_s_ + slow_guard_s;
    if (since >= to) continue;
    auto now =
        history.blocks({.service = guard.service, .operation = guard.operation, .kind = 2}, guard.bad, since, to);
    Drop undone = drop_between(now, guard.before);  // a rise is a fall backwards
    bool rose = undone.before > undone.after + guard_rise_min && undone.before > 1.5 * undone.after;
    if (rose && undone.log_e > limits_.log_e_harm)
      return fmt::format("{} {}: {} {} after, {} before", guard.service, guard.operation, percent(undone.before),
                         guard.bad.slow_ms > 0 ? "slow or failed" : "errors", percent(undone.after));
  }
  if (auto why = declared_.objective_harm(goal_, history, latest, {from + settle_s_, to})) return why;
  return declared_.kpi_harm(goal_, history, latest, {from, to});
}

Ramp::Step Ramp::step(const Past& history, const Latest& latest, UnixNanos now) {
  if (phase_ == Phase::waiting || phase_ == Phase::waiting_again) return {};
  if (phase_ == Phase::off) return judge_off(history, latest);
  return judge_on(history, latest, now);
}

// A fault may end by itself at any moment of a long watch; that it ends in the very seconds after the change is
// unlikely.
bool Ramp::fell_promptly(const std::vector<Block>& then, const std::vector<Block>& since) const {
  auto first = std::min(since.size(), static_cast<size_t>(limits_.prompt_s));
  Drop drop = drop_between(then, std::span(since).first(first));
  return drop.log_e >= limits_.log_e_pass / 2 && drop.after <= std::max(0.6 * drop.before, goal_.healthy);
}

Ramp::Step Ramp::judge_on(const Past& history, const Latest& latest, UnixNanos now) {
  auto then = before(history, latest), since = after(history, latest);
  Drop drop = drop_between(then, since);
  if (auto why = harm(history, latest)) return {verdict(VerdictKind::fail, drop, *why)};
  // Against the last seconds before: an incident that still grew does not make the change harmful.
  auto late = std::span(then).last(std::min(then.size(), static_cast<size_t>(limits_.late_s)));
  Drop rise = drop_between(since, late);
  if (rise.log_e > limits_.log_e_harm && rise.before > 1.2 * rise.after)
    return {verdict(VerdictKind::fail, drop, "the objective got worse")};
  int64_t waited_ms = (now - phase_since_) / nanos_per_ms;  // of this stage: what was before it is no silence
  if (waited_ms > limits_.no_data_ms && (total(then).n == 0 || total(since).n == 0))
    return {verdict(VerdictKind::no_data, drop, "the objective's requests are not reported")};
  bool enough = static_cast<int64_t>(since.size()) >= limits_.after_s_min;
  bool fell =
      drop.log_e >= limits_.log_e_pass && drop.after <= std::max(limits_.ratio_max * drop.before, goal_.healthy);
  if (limits_.first_look && total(since).n > 0 && drop.after < drop.before)
    return {verdict(VerdictKind::pass, drop, "the first look is better")};
  if (enough && fell && phase_ == Phase::on_again)
    return {verdict(VerdictKind::pass, drop, "the incident came back without the change and went with it")};
  if (enough && fell && !drop.falling_before && fell_promptly(then, since))
    return {verdict(VerdictKind::pass, drop,
                    fmt::format("bad share fell from {} to {}", percent(drop.before), percent(drop.after)))};
  if (enough && fell && phase_ == Phase::on) {
    phase_ = Phase::waiting_again;  // until off() tells that it is gone
    return {std::nullopt, Ask::off};
  }
  bool hopeless =
      static_cast<int64_t>(since.size()) >= limits_.futile_s &&
      drop_between(then, std::span(since).last(static_cast<size_t>(limits_.late_s))).after > 0.85 * drop.before;
  if (waited_ms >= limits_.max_ms || hopeless)
    return {verdict(VerdictKind::inconclusive, drop, "no clear fall of the bad share")};
  return {};
}

Ramp::Step Ramp::judge_off(const Past& history, const Latest& latest) {
  int64_t from = second_of(phase_since_) + 1, to = history.last_second();
  auto without = blocks_of(goal_, history, latest, from, to);
  auto with = blocks_of(goal_, history, latest, second_of(first_on_) + 1 + settle_s_, second_of(phase_since_));
  Drop back = drop_between(without, with);
  Drop first = drop_between(before(history, latest), with);
  if (back.log_e > back_log_e && back.before >= 0.4 * first.before) {
    phase_ = Phase::waiting_again;
    return {std::nullopt, Ask::on};
  }
  if (to - from < limits_.off_s_max) return {};
  Verdict v =
      verdict(VerdictKind::inconclusive, first, "the incident did not come back when the change was taken away");
  v.evidence = Evidence::restored_only;
  return {v};
}

Verdict Ramp::verdict(VerdictKind kind, const Drop& drop, std::string why) const {
  Verdict v;
  v.kind = kind;
  v.evidence = kind == VerdictKind::no_data ? Evidence::none
               : phase_ == Phase::on_again  ? Evidence::switchback
                                            : Evidence::ramp;
  v.treated = drop.after, v.control = drop.before, v.log_e = drop.log_e;
  v.treated_n = drop.after_n, v.control_n = drop.before_n;
  v.why = std::move(why);
  return v;
}

}  // namespace hs::loop
