#include "loop/verify/guards.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "loop/json.h"
#include "loop/verify/canary.h"

namespace hs::loop {
namespace {

using config::Kpi;
using config::KpiDirection;
using config::KpiKind;
using config::Objective;
using config::ObjectiveKind;
using nlohmann::json;

constexpr double suspicion_log_e = 1.5;  // of one guard; with n of them log n more
constexpr size_t heard_units_min = 6;
constexpr int64_t before_s = 10, before_s_min = 4;
constexpr double before_n_min = 20;
constexpr double slack = 1.5;  // over what is allowed, or was: only what is clearly more is harm
constexpr double allowed_min = 0.002;
constexpr double met_z = 2;               // before the change: an objective is met unless it is missed by so much
constexpr double bad_min = 4;             // requests, or values: fewer are somebody's bad luck
constexpr double ill_more = 0.05;         // so much worse off are the goal's requests: the incident itself grows
constexpr double good_before_min = 0.05;  // of the requests: what is left of them says little
constexpr double kpi_fall_max = 0.7;
constexpr double kpi_events_min = 20;
constexpr double kpi_z_min = 3.5, kpi_overdispersion = 2;  // 1 in 4,300 at a look
constexpr int64_t kpi_lag_s = 4;         // a KPI follows the requests: work in queues, metrics exported now and then
constexpr int64_t kpi_delay_s_max = 10;  // one that comes later tells of harm when it is done
constexpr int64_t peace_s = 60, peace_gap_s = 3;  // the onset is an estimate
constexpr double kpi_seconds_min = 0.5;  // of the seconds have points; rarer ones come in lumps that tell no rate
constexpr double quantile_slack = 1.5;   // times what it was, where no target is declared

int64_t second_of(UnixNanos t) { return t / nanos_per_s; }
bool higher_is_better(const Kpi& kpi) { return kpi.direction == KpiDirection::higher_is_better; }

// Log of the likelihood ratio of more than `allowed` being bad, mixed over how much more.
double log_e_more(double n, double bad, double allowed) {
  constexpr std::array odds = {2.5, 6.0, 20.0};
  double sum = 0;
  for (double ratio : odds) {
    const double more = allowed * ratio / (1 - allowed + allowed * ratio);
    const double log_ratio = bad * std::log(more / allowed) + (n - bad) * std::log((1 - more) / (1 - allowed));
    sum += std::exp(std::min(log_ratio / overdispersion_min, 500.0));
  }
  return std::log(sum / static_cast<double>(odds.size()));
}

// Clearly more than is allowed.
bool is_broken(double n, double bad, double allowed, double threshold) {
  return bad >= bad_min && bad > allowed * n && log_e_more(n, bad, allowed) > threshold;
}

bool was_met(double n, double bad, double allowed) {
  return bad <= allowed * n + met_z * std::sqrt(n * allowed * (1 - allowed)) + 0.5;
}

double with_slack(double allowed) { return std::min(0.95, slack * std::max(allowed, allowed_min)); }

// Events, or values, of a KPI that are bad, of how many.
Block bad_share(const Kpi& kpi, const Past::KpiSum& sum, double limit) {
  if (kpi.kind == KpiKind::ratio) {
    const double good = higher_is_better(kpi) ? sum.numerator : sum.denominator - sum.numerator;
    return {sum.denominator, std::max(0.0, sum.denominator - good)};
  }
  const double n = sum.values.count(), below = sum.values.count_at_most(limit);
  return {n, higher_is_better(kpi) ? below : n - below};
}

// The share of values that may be bad: beyond a quantile's limit, declared or not, lies what is beyond the quantile; of
// a ratio its target tells. Nothing where neither does.
std::optional<double> allowance(const Kpi& kpi) {
  if (kpi.kind == KpiKind::quantile) return higher_is_better(kpi) ? kpi.quantile : 1 - kpi.quantile;
  if (!kpi.target) return std::nullopt;
  return std::clamp(higher_is_better(kpi) ? 1 - *kpi.target : *kpi.target, 0.0, 1.0);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// An attack goes on whatever we answer: that it does says nothing of those who are served.
bool is_attack(const Goal& goal) { return goal.measure == "security" && !goal.series.empty(); }

double good_share(const Goal& goal, const Past& history, const Latest& latest, int64_t from, int64_t to) {
  if (is_attack(goal)) return 1;
  return 1 - total(blocks_of(goal, history, latest, from, to)).share();
}

}  // namespace

int bad_for(const Objective& objective, const stream::Outcome& o, bool security) {
  const bool failed = o.error || (o.limited && (!security || o.regular));
  if (objective.kind == ObjectiveKind::availability) return failed ? 1 : 0;
  // What fails at once is not fast.
  return failed || o.duration_ms > static_cast<double>(objective.threshold_ms) ? 1 : 0;
}

ArmGuards::ArmGuards(const ArmsSetup& setup, const config::Declarations& declarations, bool security, double alpha) {
  if (declarations.objectives.empty()) return;
  const double each = alpha / static_cast<double>(declarations.objectives.size());
  for (const Objective& o : declarations.objectives) {
    ArmsSetup of = setup;
    of.bad = [o, security](const stream::Outcome& outcome, Aspect m) {
      return m == Aspect::objective ? bad_for(o, outcome, security) : -1;
    };
    guards_.push_back({o, Arms(std::move(of)), Looks(each, first_look(each, -std::log(setup.exposure)))});
  }
}

void ArmGuards::add(const stream::Outcome& outcome) {
  for (Guard& guard : guards_) {
    const Objective& o = guard.objective;
    if (o.service == outcome.service && (o.operation.empty() || o.operation == outcome.operation))
      guard.arms.add(outcome);
  }
}

std::optional<std::string> ArmGuards::harm() {
  for (Guard& guard : guards_) {
    const Contrast c = guard.arms.contrast(Aspect::objective);
    if (!guard.looks.due(c.bad_effective)) continue;
    const bool certain = c.log_e_worse >= guard.looks.threshold(c.bad_effective);
    const double allowed = 1 - guard.objective.target;
    if (!certain || c.treated_rate <= c.control_rate || c.treated_rate <= allowed) continue;
    return fmt::format("objective {} got worse: {} of the treated are bad against {}, {} are allowed",
                       guard.objective.name, percent(c.treated_rate), percent(c.control_rate), percent(allowed));
  }
  return std::nullopt;
}

bool ArmGuards::leans(const Guard& guard, const Contrast& c) const {
  return c.log_e_worse >= suspicion_log_e + std::log(static_cast<double>(guards_.size())) &&
         c.treated_rate > 1 - guard.objective.target;
}

bool ArmGuards::quiet() const {
  return std::none_of(guards_.begin(), guards_.end(),
                      [&](const Guard& g) { return leans(g, g.arms.contrast(Aspect::objective)); });
}

bool ArmGuards::heard() const {
  return std::all_of(guards_.begin(), guards_.end(), [&](const Guard& g) {
    const Contrast c = g.arms.contrast(Aspect::objective);
    return c.treated_units + c.control_units == 0 || c.treated_units >= heard_units_min;
  });
}

StateGuards::StateGuards(const Goal& goal, UnixNanos at, const Past& history, const Latest& latest,
                         const config::Declarations& declarations) {
  // The fault itself may still spread: compared is with the last seconds of the incident, not with the peace before it.
  const int64_t to = second_of(at), onset = second_of(goal.started);
  const int64_t from = std::clamp(onset + 1, to - before_s, to - before_s_min);
  good_before_ = good_share(goal, history, latest, from - kpi_lag_s, to - kpi_lag_s);
  add_objectives(goal, history, declarations, from, to);
  for (const Kpi& kpi : declarations.kpis)
    if (!contains(goal.ill, kpi.name)) add_kpi(kpi, goal, history, from, to);
}

void StateGuards::add_objectives(const Goal& goal, const Past& history, const config::Declarations& declarations,
                                 int64_t from, int64_t to) {
  const bool security = goal.measure == "security";
  const auto add = [&](const Objective& o, const Bad& bad, double allowed) {
    const Scope scope{.service = o.service, .operation = o.operation, .kind = 2};
    const Block before = history.total(scope, bad, from, to);
    if (was_met(before.n, before.bad, allowed)) objectives_.push_back({o, bad, allowed});
  };
  for (const Objective& o : declarations.objectives) {
    const double allowed = 1 - o.target;
    const bool latency = o.kind == ObjectiveKind::latency;
    if (!contains(goal.ill, o.name)) {
      const double slow_ms = latency ? static_cast<double>(o.threshold_ms) : 0;
      add(o, {.errors = true, .slow_ms = slow_ms, .limited = !security}, allowed);
    }
    if (!latency) add(o, {.errors = false, .regulars = true}, std::min(allowed, turned_away_max));
  }
}

void StateGuards::add_kpi(const Kpi& kpi, const Goal& goal, const Past& history, int64_t from, int64_t to) {
  OfKpi guard{.kpi = kpi, .delay_s = history.kpi_delay_s(kpi.name)};
  if (guard.delay_s > kpi_delay_s_max) return;
  guard.of_incident = from - kpi_lag_s > second_of(goal.started);
  guard.seconds = static_cast<double>(to - from);
  const Past::KpiSum before = history.kpi(kpi.name, from - (guard.delay_s - 1), to - (guard.delay_s - 1));
  if (before.told < kpi_seconds_min * guard.seconds) return;
  const bool counted = kpi.kind == KpiKind::counter || (kpi.kind == KpiKind::ratio && higher_is_better(kpi));
  if (counted && before.numerator >= kpi_events_min) guard.per_s = before.numerator / guard.seconds;
  if (guard.per_s > 0) add_peace(guard, goal, history);
  if (kpi.kind == KpiKind::quantile) {
    const double was = before.values.quantile(kpi.quantile);
    guard.limit = kpi.target ? *kpi.target : higher_is_better(kpi) ? was / quantile_slack : was * quantile_slack;
  }
  // An attack alone makes a ratio of all who come bad: there only the good are counted.
  const bool shared = kpi.kind != KpiKind::counter && goal.measure != "security";
  const Block share = bad_share(kpi, before, guard.limit);
  if (shared && share.n >= before_n_min) {
    const double owed = allowance(kpi).value_or(share.share());
    if (was_met(share.n, share.bad, owed)) guard.allowed = with_slack(std::max(owed, share.share()));
  }
  if (guard.per_s > 0 || guard.allowed < 1) kpis_.push_back(std::move(guard));
}

// What is in force for everybody is compared with the time before the incident: there is more of it, and an incident
// that brought load, or took it, is over. Unless the KPI was ill for reasons of its own.
void StateGuards::add_peace(OfKpi& guard, const Goal& goal, const Past& history) const {
  const int64_t to = second_of(goal.started) - peace_gap_s, from = to - peace_s;
  const Past::KpiSum peace = history.kpi(guard.kpi.name, from, to);
  if (peace.told < kpi_seconds_min * peace_s) return;
  const double per_s = peace.numerator / static_cast<double>(peace_s);
  const double left = is_attack(goal) ? 1 : good_before_;
  if (higher_is_better(guard.kpi) && guard.per_s < kpi_fall_max * per_s * left) return;
  guard.peace_per_s = per_s, guard.peace_s = static_cast<double>(peace_s);
}

double StateGuards::threshold() const {
  return std::log(static_cast<double>(objectives_.size() + kpis_.size()) / state_guards_alpha);
}

int64_t StateGuards::delay_s() const {
  int64_t latest = 1;
  for (const OfKpi& guard : kpis_) latest = std::max(latest, guard.delay_s);
  return latest;
}

std::optional<std::string> StateGuards::objective_harm(const Goal& goal, const Past& history, const Latest& latest,
                                                       Span span) const {
  if (good_share(goal, history, latest, span.from, span.to) < good_before_ - ill_more) return std::nullopt;
  for (const OfObjective& guard : objectives_) {
    const Objective& o = guard.objective;
    const Scope scope{.service = o.service, .operation = o.operation, .kind = 2};
    const Block now = history.total(scope, guard.bad, span.from, span.to);
    if (!is_broken(now.n, now.bad, with_slack(guard.allowed), threshold())) continue;
    if (guard.bad.regulars)
      return fmt::format(
          "objective {}: {} of {:.0f} requests of those who were well served before are turned away, "
          "{} may be",
          o.name, percent(now.share()), now.n, percent(guard.allowed));
    return fmt::format("objective {} is missed since the change: {} of {:.0f} requests are bad, {} are allowed", o.name,
                       percent(now.share()), now.n, percent(guard.allowed));
  }
  return std::nullopt;
}

// What the incident itself does to a KPI is no harm of the change: as fewer of the goal's requests are good than when
// the KPI was measured, so much less of the good is expected. How much more of the bad an incident
// makes is only known from its own seconds.
std::optional<std::string> StateGuards::count_harm(const OfKpi& guard, const Past::KpiSum& now, double seconds,
                                                   double good, bool repaired) const {
  const bool higher = higher_is_better(guard.kpi), peace = repaired && guard.peace_per_s > 0;
  const double left = std::min(1.0, peace ? good : good / std::max(good_before_, good_before_min));
  const double before = peace ? guard.peace_per_s : guard.per_s, over_s = peace ? guard.peace_s : guard.seconds;
  const double expected = before * seconds * (higher ? left : 1);
  if (expected < kpi_events_min || now.told < 1) return std::nullopt;
  const bool fell = higher ? now.numerator < kpi_fall_max * expected : now.numerator * kpi_fall_max > expected;
  // Both counts vary: the one before, too.
  const double deviation = std::sqrt(kpi_overdispersion * (expected + expected * seconds / over_s));
  if (!fell || std::abs(now.numerator - expected) <= kpi_z_min * deviation) return std::nullopt;
  return fmt::format("KPI {}: {:.1f} a second, {:.1f} before", guard.kpi.name, now.numerator / seconds, before);
}

std::optional<std::string> StateGuards::harm_of(const OfKpi& guard, const Goal& goal, double good, const Past& history,
                                                Span span) const {
  const int64_t until = span.to - (guard.delay_s - 1);  // what did not come yet has not fallen
  if (until <= span.from) return std::nullopt;
  const bool higher = higher_is_better(guard.kpi), known = guard.of_incident || span.repaired;
  // Falls as the goal's requests fail.
  const bool follows = higher && guard.kpi.kind != KpiKind::quantile && !is_attack(goal);
  if (!follows && !known) return std::nullopt;
  const double left = std::min(1.0, good / std::max(good_before_, good_before_min));
  const Past::KpiSum now = history.kpi(guard.kpi.name, span.from, until);
  if (guard.per_s > 0)
    if (auto why = count_harm(guard, now, static_cast<double>(until - span.from), good, span.repaired)) return why;
  if (guard.allowed >= 1 || (!follows && good < good_before_ - ill_more)) return std::nullopt;
  const Block share = bad_share(guard.kpi, now, guard.limit);
  const double allowed = follows ? std::min(0.95, 1 - (1 - guard.allowed) * left) : guard.allowed;
  if (!is_broken(share.n, share.bad, allowed, threshold())) return std::nullopt;
  if (guard.kpi.kind == KpiKind::quantile)
    return fmt::format("KPI {}: {:.4g}, where {:.4g} was the limit", guard.kpi.name,
                       now.values.quantile(guard.kpi.quantile), guard.limit);
  return fmt::format("KPI {}: {} since the change, where {} was the limit", guard.kpi.name,
                     percent(higher ? 1 - share.share() : share.share()), percent(higher ? 1 - allowed : allowed));
}

std::optional<std::string> StateGuards::kpi_harm(const Goal& goal, const Past& history, const Latest& latest,
                                                 Span span) const {
  if (kpis_.empty()) return std::nullopt;
  // Some follow at once.
  const double good = std::min(good_share(goal, history, latest, span.from, span.to),
                               good_share(goal, history, latest, span.from - kpi_lag_s, span.to - kpi_lag_s));
  for (const OfKpi& guard : kpis_)
    if (auto why = harm_of(guard, goal, good, history, span)) return why;
  return std::nullopt;
}

std::optional<std::string> StateGuards::harm(const Goal& goal, const Past& history, const Latest& latest,
                                             Span span) const {
  if (span.to <= span.from) return std::nullopt;
  if (auto why = objective_harm(goal, history, latest, span)) return why;
  return kpi_harm(goal, history, latest, span);
}

json StateGuards::snapshot() const {
  json objectives = json::array(), kpis = json::array();
  for (const OfObjective& g : objectives_)
    objectives.push_back({{"name", g.objective.name},
                          {"allowed", g.allowed},
                          {"errors", g.bad.errors},
                          {"slow_ms", g.bad.slow_ms},
                          {"limited", g.bad.limited},
                          {"regulars", g.bad.regulars}});
  for (const OfKpi& g : kpis_)
    kpis.push_back({{"name", g.kpi.name},
                    {"per_s", g.per_s},
                    {"seconds", g.seconds},
                    {"peace_per_s", g.peace_per_s},
                    {"peace_s", g.peace_s},
                    {"limit", g.limit},
                    {"allowed", g.allowed},
                    {"delay_s", g.delay_s},
                    {"of_incident", g.of_incident}});
  return {{"objectives", objectives}, {"kpis", kpis}, {"good_before", good_before_}};
}

StateGuards StateGuards::restore(const json& from, const config::Declarations& declarations) {
  StateGuards out;
  const auto declared = [](const auto& all, const json& guard) {
    const std::string name = field(guard, "name", std::string());
    return std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
  };
  for (const json& g : list(from, "objectives")) {
    const auto o = declared(declarations.objectives, g);
    if (o == declarations.objectives.end()) continue;  // it is not owed any more
    const Bad bad{.errors = field(g, "errors", true),
                  .slow_ms = field(g, "slow_ms", 0.0),
                  .limited = field(g, "limited", true),
                  .regulars = field(g, "regulars", false)};
    out.objectives_.push_back({*o, bad, field(g, "allowed", 1 - o->target)});
  }
  for (const json& g : list(from, "kpis")) {
    const auto kpi = declared(declarations.kpis, g);
    if (kpi == declarations.kpis.end()) continue;
    out.kpis_.push_back({*kpi, field(g, "per_s", 0.0), field(g, "seconds", 0.0), field(g, "peace_per_s", 0.0),
                         field(g, "peace_s", 0.0), field(g, "limit", 0.0), field(g, "allowed", 1.0),
                         field(g, "delay_s", int64_t{1}), field(g, "of_incident", true)});
  }
  out.good_before_ = field(from, "good_before", 1.0);
  return out;
}

}  // namespace hs::loop
