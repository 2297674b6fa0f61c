#include "sim/suite.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace hs::sim {
namespace {

const std::vector<std::string>& scenario_kinds() {
  static const std::vector<std::string> kinds = [] {
    auto all = fault_kinds();
    all.insert(all.end(), {"two", "forged", "survivors", "inverted"});
    return all;
  }();
  return kinds;
}

loop::Sabotage sabotage_of(const std::string& mutant) {
  loop::Sabotage s;
  s.no_lease = mutant == "no-lease", s.swapped_arms = mutant == "swapped-arms", s.first_look = mutant == "first-look";
  s.no_mismatch_check = mutant == "no-mismatch-check", s.no_corroboration = mutant == "no-corroboration";
  s.no_revert = mutant == "no-revert";
  return s;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))];
}

void add(Summary& sum, const Judgement& j, uint64_t seed) {
  Tally& t = sum.kinds[j.kind];
  t.runs++, t.felt += j.felt, t.curable += j.curable && j.felt;
  t.repaired += j.curable && j.felt && j.restored;
  t.bad_on += j.bad_on, t.bad_off += j.bad_off;
  if (j.felt && j.restored && j.curable) t.restored++, t.restored_s.push_back(j.restored_s);
  if (j.changed_s >= 0) t.changed_s.push_back(j.changed_s);
  if (j.promoted_s >= 0) t.promoted++, t.promoted_s.push_back(j.promoted_s);
  for (const auto& p : j.promotions) {
    if (j.kind == "stuffing") continue;
    sum.promotions++, sum.useful += p.useful(), sum.moot += p.moot(), sum.harmful += p.harmful();
  }
  for (const auto& [kind, n] : j.verdicts) sum.verdicts[kind] += n;
  sum.changes += j.changes;
  for (const auto& v : j.violations) sum.violations.push_back(fmt::format("seed {} ({}) {}", seed, j.kind, v));
}

// Laws of many runs: promotions that did nothing or harm must be as rare as declared, with the interval's lower end.
void judge_promotions(Summary& sum) {
  constexpr double useless_max = 0.08, harmful_max = 0.02;
  auto n = static_cast<double>(sum.promotions);
  double useless = static_cast<double>(sum.promotions - sum.useful - sum.moot),
         harmful = static_cast<double>(sum.harmful);
  if (share_interval(useless, n).first > useless_max)
    sum.violations.push_back(fmt::format("{} of {} promoted changes do not help", useless, n));
  if (share_interval(harmful, n).first > harmful_max)
    sum.violations.push_back(fmt::format("{} of {} promoted changes harm", harmful, n));
}

}  // namespace

Summary run_suite(const Options& options) {
  Summary sum;
  loop::Policy policy;
  policy.sabotage = sabotage_of(options.mutant);
  const auto& kinds = scenario_kinds();
  for (uint64_t i = 0; i < options.seeds; ++i) {
    uint64_t seed = options.from + i;
    Scenario s{.seed = seed, .kind = options.kind.empty() ? kinds[seed % kinds.size()] : options.kind};
    s.expectations = options.expectations, s.policy = policy, s.kill = seed % 3 == 0;
    Judgement j = run(s, options.verbose);
    if (options.verbose) {
      fmt::print("--- seed {} {} felt {} curable {} restored {:.0f} bad {} against {}\n", seed, j.kind, j.felt,
                 j.curable, j.restored ? j.restored_s : -1, j.bad_on, j.bad_off);
      for (const auto& line : j.story) fmt::print("{}\n", line);
    }
    add(sum, j, seed);
  }
  judge_promotions(sum);
  for (double left = options.healthy_hours; left > 0; left -= 1) {
    Healthy h = run_healthy(options.from + static_cast<uint64_t>(left * 1000), std::min(1.0, left), policy);
    sum.healthy.service_hours += h.service_hours, sum.healthy.changes += h.changes;
    sum.violations.insert(sum.violations.end(), h.violations.begin(), h.violations.end());
  }
  return sum;
}

std::string text_of(const Summary& s) {
  std::string out = fmt::format("{:<13}{:>5}{:>6}{:>8}{:>9}{:>12}{:>12}{:>14}\n", "kind", "runs", "felt", "curable",
                                "repaired", "after s", "worst s", "bad on/off");
  for (const auto& [kind, t] : s.kinds)
    out += fmt::format("{:<13}{:>5}{:>6}{:>8}{:>9}{:>12.0f}{:>12.0f}{:>14}\n", kind, t.runs, t.felt, t.curable,
                       t.repaired, quantile(t.restored_s, 0.5), quantile(t.restored_s, 1),
                       fmt::format("{:.0f}/{:.0f}", t.bad_on, t.bad_off));
  std::string verdicts;
  for (const auto& [kind, n] : s.verdicts) verdicts += fmt::format(" {} {}", kind, n);
  out += fmt::format("changes {}; verdicts:{}; promotions {}, useful {}, moot {}, harmful {}\n", s.changes, verdicts,
                     s.promotions, s.useful, s.moot, s.harmful);
  if (s.healthy.service_hours > 0) {
    auto [low, high] = rate_interval(static_cast<double>(s.healthy.changes), s.healthy.service_hours);
    out += fmt::format("healthy: {} changes in {:.0f} service-hours: {:.4f} [{:.4f}, {:.4f}] an hour\n",
                       s.healthy.changes, s.healthy.service_hours,
                       static_cast<double>(s.healthy.changes) / s.healthy.service_hours, low, high);
  }
  for (const auto& v : s.violations) out += "LAW BROKEN: " + v + "\n";
  out += s.violations.empty() ? "all laws held\n" : fmt::format("{} violations\n", s.violations.size());
  return out;
}

// Wilson-Hilferty's approximation of the chi-square quantiles: within 1 % here.
std::pair<double, double> rate_interval(double events, double exposure) {
  auto chi = [](double df, double z) {
    double a = 2 / (9 * df), b = 1 - a + z * std::sqrt(a);
    return df * b * b * b;
  };
  double low = events > 0 ? chi(2 * events, -1.96) / 2 : 0, high = events > 0 ? chi(2 * events + 2, 1.96) / 2 : 3.689;
  return {low / exposure, high / exposure};
}

std::pair<double, double> share_interval(double events, double n) {
  if (n <= 0) return {0, 1};
  double z = 1.96, p = events / n, middle = p + z * z / (2 * n);
  double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)), scale = 1 + z * z / n;
  return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

}  // namespace hs::sim
