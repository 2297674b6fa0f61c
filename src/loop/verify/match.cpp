#include "loop/verify/match.h"

#include <cmath>

#include <fmt/format.h>

namespace hs::loop {
namespace {
constexpr size_t complete_min = 50;  // units before the split is tested
constexpr double split_z_max = 4;    // 1 in 16,000 by chance, looked at up to 45 times
constexpr double crossed_share_max = 0.05;
constexpr uint64_t crossed_slack = 3;   // a handful can happen: a user on two devices between two revisions
constexpr double claims_excess = 1.05;  // duplicated telemetry, and a tick that ended between answer and count
constexpr uint64_t claims_slack = 5;
constexpr size_t past_max = 120;  // frames: two minutes
constexpr double coverage_z_max = 4;
constexpr double served_min = 8;            // of each arm, before their reports are compared
constexpr double coverage_ratio_min = 0.8;  // fewer evaluations per request in one arm are possible, and harmless

// Of the evaluations that were served to each arm, the shares that are reported; and the error of their difference.
struct Coverage {
  double treated = 0, control = 0, error = 0;
};
std::optional<Coverage> coverage(const MatchInput& in) {
  auto nt = static_cast<double>(in.settled.treated), nc = static_cast<double>(in.settled.control);
  if (nt < served_min || nc < served_min) return std::nullopt;
  double t = std::min(1.0, static_cast<double>(in.reported.treated) / nt);
  double c = std::min(1.0, static_cast<double>(in.reported.control) / nc);
  double pooled = (t * nt + c * nc) / (nt + nc);
  return Coverage{t, c, std::sqrt(std::max(pooled * (1 - pooled), 0.01) * (1 / nt + 1 / nc))};
}
}  // namespace

void ServedCounts::add(const std::vector<stream::Served>& served, UnixNanos at) {
  if (!served.empty()) heard_ = at;
  for (const auto& s : served) {
    // While the candidate lives, both arms' answers carry its revision, and no other answer does.
    if (s.knob != knob_ || s.revision != revision_) continue;
    uint64_t& last = last_[s.variant];
    uint64_t since = s.count < last ? s.count : s.count - last;
    last = s.count;
    (s.variant == treated_variant_ ? treated_ : control_) += since;
  }
  past_.push_back({at, treated_, control_});
  if (past_.size() > past_max) past_.pop_front();
}

ServedCounts::At ServedCounts::before(UnixNanos at) const {
  At out;
  for (const auto& p : past_)
    if (p.at <= at) out = p;
  return out;
}

std::optional<double> silence(const MatchInput& in) {
  const auto seen = coverage(in);
  if (!seen) return std::nullopt;
  if (seen->treated >= coverage_ratio_min * seen->control) return 0;
  return (seen->control - seen->treated) / seen->error;
}

std::optional<KnownGood> known_good(const MatchInput& in, double repeats) {
  auto served_t = static_cast<double>(in.settled.treated), served_c = static_cast<double>(in.settled.control);
  if (served_t < served_min || served_c < served_min) return std::nullopt;
  // More of the control may be heard of than was served: the counts were asked for a moment earlier, of both arms.
  const double later = std::max(1.0, static_cast<double>(in.reported.control) / served_c);
  const auto arm = [&](double served, uint64_t reported, uint64_t bad) {
    const double n = served * later, heard = std::min(static_cast<double>(reported), n);
    return Successes{n / repeats, std::max(0.0, heard - static_cast<double>(bad)) / repeats};
  };
  return KnownGood{arm(served_t, in.reported.treated, in.reported.treated_bad),
                   arm(served_c, in.reported.control, in.reported.control_bad)};
}

bool Doubt::lasts(bool doubtful, UnixNanos now) {
  if (!doubtful) since_ = 0;
  if (doubtful && since_ == 0) since_ = now;
  return doubtful && now - since_ >= lasts_ms * nanos_per_ms;
}

std::optional<std::string> mismatch(const MatchInput& in) {
  double n = static_cast<double>(in.complete), treated = static_cast<double>(in.complete_treated);
  double z = (treated - n * in.exposure) / std::sqrt(n * in.exposure * (1 - in.exposure) + 1e-9);
  if (in.complete >= complete_min && std::abs(z) > split_z_max)
    return fmt::format("{} of {} units were treated, {:.0f} expected", in.complete_treated, in.complete,
                       n * in.exposure);
  if (static_cast<double>(in.crossed) > crossed_slack + crossed_share_max * static_cast<double>(in.units))
    return fmt::format("{} of {} units saw both values", in.crossed, in.units);
  const Claims& c = in.claims;
  if (c.wrong_revision > claims_slack && c.wrong_revision * 20 > c.treated)
    return fmt::format("{} requests report the candidate under another revision", c.wrong_revision);
  const uint64_t claimed = std::min(c.treated, in.claimed_treated);
  double claims_max = static_cast<double>(in.served_treated) * claims_excess + claims_slack;
  if (in.per_request ? static_cast<double>(claimed) > claims_max : in.served_treated == 0 && claimed > claims_slack)
    return fmt::format("telemetry claims {} treated requests, {} were served", claimed, in.served_treated);
  if (in.served_treated >= 50 && c.treated == 0 && c.control >= 50)
    return fmt::format("{} treated evaluations were served and none is reported", in.served_treated);
  if (silence(in).value_or(0) >= coverage_z_max)
    return fmt::format("{} of {} treated evaluations are reported, but {} of {} others", in.reported.treated,
                       in.settled.treated, in.reported.control, in.settled.control);
  return std::nullopt;
}

}  // namespace hs::loop
