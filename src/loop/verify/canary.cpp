#include "loop/verify/canary.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <fmt/format.h>

namespace hs::loop {
namespace {

constexpr double futile_log_e = -3;  // half the bad share is 20 times less likely than no effect: stop hoping
constexpr double futile_bad_min = 20;
constexpr double promising_log_e = 2;    // 7 to 1 that it helps
constexpr double suspicion_log_e = 1.5;  // a guard that leans this far forbids PASS, though it is no FAIL yet
constexpr double treated_expected_min = 5;
constexpr int64_t recovered_seconds = 6;
constexpr double recovered_n_min = 20;
constexpr double recovered_bad_min = 8;       // to be expected: none of them by chance is 1 in 3,000
constexpr double settle_slow_ms_max = 4'000;  // slower ones would hold up every verdict
constexpr int64_t settle_base_ns = 2'500 * nanos_per_ms;
constexpr int64_t guards_wait_ns = 8 * nanos_per_s;  // for requests of declared objectives; then the hold watches them
constexpr double own_alpha_share = 0.5;              // of alpha_fail
constexpr size_t complete_min = 12;                  // PASS: units whose arm could be checked against the exposure
constexpr std::string_view measured_names[] = {"objective", "errors", "latency"};

std::string why_no_data(const Claims& claims) {
  if (claims.unknown > claims.control + claims.by_instance) return "the application reports its own default";
  if (claims.by_instance > 0) return "requests carry no targeting key: there are no units to compare";
  return "no treated request was reported";
}

}  // namespace

std::string percent(double share) { return fmt::format("{:.{}f} %", share * 100, share < 0.1 ? 1 : 0); }

Canary::Canary(ArmsSetup setup, CanaryLimits limits, double healthy, double carried)
    : arms_(setup),
      served_(setup.knob, setup.revision, setup.treated_variant),
      limits_(limits),
      healthy_(healthy),
      carried_(carried),
      better_(limits.alpha_pass, first_look(limits.alpha_pass, -std::log1p(-setup.exposure))),
      known_(better_) {
  double each = own_alpha_share * limits.alpha_fail / static_cast<double>(measured_count);
  for (Aspect m : {objective, errors_guard, latency_guard})
    guards_.push_back({m, Looks(each, std::max(3.0, first_look(each, -std::log(setup.exposure))))});
}

void Canary::guard(const config::Declarations& declarations, bool security) {
  declared_ = ArmGuards(arms_.setup(), declarations, security, (1 - own_alpha_share) * limits_.alpha_fail);
}

void Canary::add(const stream::Frame& frame) {
  served_.add(frame.served, frame.tick);
  for (const auto& outcome : frame.outcomes) {
    arms_.add(outcome);
    declared_.add(outcome);
    last_second_ = std::max(last_second_, outcome.second);
  }
}

MatchInput Canary::match_input(UnixNanos now) const {
  MatchInput in{.exposure = arms_.setup().exposure, .units = arms_.units(), .crossed = arms_.crossed()};
  std::tie(in.complete, in.complete_treated) = arms_.split(now - settle_ns());
  in.claims = arms_.claims(), in.served_treated = served_.treated();
  // Counts are up to a second old when they are heard, and older while `values` does not answer.
  in.claimed_treated = arms_.reported_before(served_.heard() - nanos_per_s).treated;
  in.settled = served_.before(now - settle_ns());
  in.reported = arms_.reported_before(in.settled.at);
  in.per_request = limits_.per_request;
  return in;
}

// PASS: the arms could be checked, and nothing about them is odd.
bool Canary::match_quiet(const MatchInput& in) const {
  if (limits_.trusting) return true;
  return in.complete >= complete_min && (is_known_ || !in.per_request);
}

// A request is known when it must have been reported: the slowest one seen, export, and a tick.
int64_t Canary::settle_ns() const {
  return static_cast<int64_t>(std::min(arms_.slowest_ms(), settle_slow_ms_max) * nanos_per_ms) + settle_base_ns +
         (limits_.delay_s - 1) * nanos_per_s;
}

std::optional<Verdict> Canary::judge(UnixNanos now) {
  const MatchInput in = match_input(now);
  const auto why = limits_.trusting ? std::nullopt : mismatch(in);
  if (doubt_.lasts(why.has_value(), now)) return verdict(VerdictKind::mismatch, *why);
  if (why) return std::nullopt;
  if (auto v = judge_worse()) return v;
  Contrast c = arms_.contrast(objective);
  if (auto v = judge_better(c, in, now)) return v;
  return judge_end(c, now);
}

std::optional<Verdict> Canary::judge_worse() {
  for (auto& guard : guards_) {
    Contrast c = arms_.contrast(guard.measure);
    if (!guard.looks.due(c.bad_effective)) continue;
    if (c.log_e_worse < guard.looks.threshold(c.bad_effective)) continue;
    if (c.treated_rate <= c.control_rate) continue;
    return verdict(VerdictKind::fail,
                   fmt::format("{} got worse: {} of the treated against {}", measured_names[guard.measure],
                               percent(c.treated_rate), percent(c.control_rate)));
  }
  if (auto why = declared_.harm()) return verdict(VerdictKind::fail, std::move(*why));
  return std::nullopt;
}

bool Canary::guards_quiet(UnixNanos now) const {
  const int64_t waited_ns = now - arms_.setup().start;
  const bool waits = waited_ns < guards_wait_ns + (limits_.delay_s - 1) * nanos_per_s;
  return (!waits || declared_.heard()) && declared_.quiet() &&
         std::all_of(guards_.begin(), guards_.end(),
                     [&](const Guard& g) { return arms_.contrast(g.measure).log_e_worse < suspicion_log_e; });
}

// What a look has refuted stays refuted: looks are few, and each has spent its part of the error budget.
void Canary::look(const Contrast& c, const MatchInput& in) {
  if (better_.due(c.bad_effective) && carried_ + c.log_e_better >= better_.threshold(c.bad_effective))
    is_better_ = true;
  const auto known = known_good(in, c.bad_effective > 0 ? c.bad / c.bad_effective : 1);
  if (!known || !known_.due(known->others())) return;
  if (fisher(known->treated, known->control) >= known_.threshold(known->others())) is_known_ = true;
}

std::optional<Verdict> Canary::judge_better(const Contrast& c, const MatchInput& in, UnixNanos now) {
  if (limits_.first_look && c.treated_units >= 1 && c.control_units >= 1 && c.control_rate > c.treated_rate)
    return verdict(VerdictKind::pass, "the first look is better");
  look(c, in);
  if (!is_better_) return std::nullopt;
  if (c.treated_units < limits_.units_min || c.treated_rate > limits_.ratio_max * c.control_rate) return std::nullopt;
  if (!guards_quiet(now) || !match_quiet(in)) return std::nullopt;
  return verdict(VerdictKind::pass,
                 fmt::format("bad requests fell from {} of {} units in control to {} of {} treated",
                             percent(c.control_rate), c.control_units, percent(c.treated_rate), c.treated_units));
}

std::optional<Verdict> Canary::judge_end(const Contrast& c, UnixNanos now) {
  int64_t elapsed_ms = (now - arms_.setup().start) / nanos_per_ms;
  const Claims& claims = arms_.claims();
  double exposure = arms_.setup().exposure;
  double expected = static_cast<double>(c.control_units) * exposure / (1 - exposure);
  bool silent = c.treated_units == 0 && (c.control_units == 0 || expected >= treated_expected_min);
  if (elapsed_ms >= limits_.no_data_ms && silent) return verdict(VerdictKind::no_data, why_no_data(claims));
  if (c.bad_effective >= futile_bad_min && c.log_e_hoped < futile_log_e && carried_ + c.log_e_better < 0)
    return verdict(VerdictKind::inconclusive, "no benefit in sight");
  if (has_recovered(elapsed_ms / 1000)) {
    Verdict v = verdict(VerdictKind::inconclusive, "the control recovered without the change");
    v.evidence = Evidence::restored_only;
    return v;
  }
  const bool promising = is_better_ || carried_ + c.log_e_better >= promising_log_e;
  const int64_t max_ms = promising ? limits_.promising_max_ms : limits_.max_ms;
  if (elapsed_ms >= max_ms)
    return verdict(VerdictKind::inconclusive,
                   fmt::format("no verdict after {}: {} treated and {} other units told too little of it",
                               format_duration_ms(max_ms), c.treated_units, c.control_units));
  return std::nullopt;
}

// Lately nothing is wrong with the control, for so long that it is no luck: at the share of bad requests that it had
// before, some would have been among them.
bool Canary::has_recovered(int64_t elapsed_s) const {
  const Block all = control_lately(last_second_, elapsed_s);
  for (int64_t seconds = recovered_seconds; seconds + 2 <= elapsed_s; seconds *= 2) {
    const Block lately = control_lately(last_second_, seconds);
    const Block before{all.n - lately.n, all.bad - lately.bad};
    if (lately.n < recovered_n_min || lately.n * before.share() < recovered_bad_min) continue;
    return lately.bad <= std::max(healthy_ * lately.n, 0.5);
  }
  return false;
}

Block Canary::control_lately(int64_t second, int64_t seconds) const {
  Block sum;
  const auto& all = arms_.control_seconds();
  for (auto it = all.upper_bound(second - seconds); it != all.end() && it->first <= second; ++it) sum += it->second;
  return sum;
}

Verdict Canary::verdict(VerdictKind kind, std::string why) const {
  Contrast c = arms_.contrast(objective);
  Verdict v;
  v.kind = kind, v.evidence = kind == VerdictKind::no_data ? Evidence::none : Evidence::concurrent_control;
  v.treated = c.treated_rate, v.control = c.control_rate;
  v.treated_n = static_cast<int64_t>(c.treated_units), v.control_n = static_cast<int64_t>(c.control_units);
  v.log_e = carried_ + c.log_e_better;
  v.why = std::move(why);
  return v;
}

}  // namespace hs::loop
