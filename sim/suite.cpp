#include "sim/suite.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "sim/statistics.h"

namespace hs::sim {
namespace {

constexpr double unlikely = 1e-3;       // of a correct loop: one suite in a thousand
constexpr double null_pass_max = 0.01;  // stated: CanaryLimits::alpha_pass, RampLimits::log_e_pass
constexpr double good_fail_max = 0.05;  // stated: CanaryLimits::alpha_fail
constexpr double honest_mismatch_max = 0.02;
constexpr double toll_pass_max = 0.25;  // the goal's evidence may be there before that of what it breaks
constexpr double repaired_min = 0.4;    // of what can be repaired: a loop that does nothing keeps every other law

loop::Sabotage sabotage_of(const std::string& mutant) {
  loop::Sabotage s;
  s.no_lease = mutant == "no-lease", s.swapped_arms = mutant == "swapped-arms", s.first_look = mutant == "first-look";
  s.no_mismatch_check = mutant == "no-mismatch-check", s.no_corroboration = mutant == "no-corroboration";
  s.no_revert = mutant == "no-revert", s.everybody_first = mutant == "everybody-first";
  return s;
}

bool lies(const std::string& kind) { return kind == "survivors" || kind == "inverted" || kind == "forged"; }
bool disturbed(const std::string& kind) { return kind == "stopped" || kind == "budget"; }

void add_trial(Verdicts& v, const Trial& t, const std::string& kind) {
  v.kinds[t.verdict]++;
  bool pass = t.verdict == "PASS";
  if (t.null()) v.null_trials++, v.null_passed += pass && !t.moot();
  if (!lies(kind)) v.honest_trials++, v.honest_mismatches += t.verdict == "MISMATCH";
  if (t.good() && !t.breaks) v.good_trials++, v.good_failed += t.verdict == "FAIL";
  if (t.by_instance && t.harmful()) v.traps++, v.sprung += t.everybody;
  if (t.seen) v.tolls++, v.tolls_passed += pass;
  if (pass && !t.breaks) v.promotions++, v.useful += t.good(), v.moot += t.moot(), v.harmful += t.harmful();
}

void add(Summary& sum, const Judgement& j, uint64_t seed) {
  Tally& t = sum.kinds[j.kind];
  bool matters = j.felt && !lies(j.kind);
  t.runs++, t.felt += j.felt, t.early += j.before, t.left += j.left;
  if (j.felt && j.detected_s >= 0) t.detected++, t.detected_s.push_back(j.detected_s);
  if (matters && j.curable) t.curable++;
  if (matters && j.curable && j.restored) t.repaired++, t.restored_s.push_back(j.restored_s);
  t.bad_on += j.bad_on, t.bad_off += j.bad_off;
  for (const auto& trial : j.trials) {
    add_trial(sum.verdicts, trial, j.kind);
    t.promoted += trial.verdict == "PASS", t.harmful += trial.verdict == "PASS" && trial.harmful();
  }
  for (const auto& v : j.violations) sum.violations.push_back(fmt::format("seed {} ({}) {}", seed, j.kind, v));
}

// Laws of many runs: errors of the verdicts must be as rare as declared.
void judge_many(Summary& sum) {
  const Verdicts& v = sum.verdicts;
  auto rare = [&](size_t events, size_t n, double p, const char* what) {
    if (events > 0 && at_least(events, n, p) < unlikely)
      sum.violations.push_back(fmt::format("{} of {} {}: more than {:.0f} %", events, n, what, 100 * p));
  };
  rare(v.null_passed, v.null_trials, null_pass_max, "changes that do nothing passed");
  rare(v.good_failed, v.good_trials, good_fail_max, "changes that help failed");
  rare(v.honest_mismatches, v.honest_trials, honest_mismatch_max, "changes were called MISMATCH though nothing lied");
  rare(v.harmful, v.promotions, null_pass_max, "promoted changes harm");
  rare(v.tolls_passed, v.tolls, toll_pass_max, "changes that break another objective passed");
  size_t curable = 0, repaired = 0;
  for (const auto& [kind, t] : sum.kinds)
    if (!disturbed(kind)) curable += t.curable, repaired += t.repaired;
  if (curable > 0 && share_interval(static_cast<double>(repaired), static_cast<double>(curable)).second < repaired_min)
    sum.violations.push_back(fmt::format("only {} of {} curable incidents were repaired", repaired, curable));
}

void tell(const Judgement& j, uint64_t seed) {
  fmt::print("--- seed {} {} felt {} curable {} detected {:.0f} restored {:.0f} bad {} against {}\n", seed, j.kind,
             j.felt, j.curable, j.detected_s, j.restored ? j.restored_s : -1, j.bad_on, j.bad_off);
  for (const auto& line : j.story) fmt::print("{}\n", line);
}

Scenario scenario_of(const Options& options, uint64_t seed) {
  const auto& kinds = options.kinds.empty() ? scenario_kinds() : options.kinds;
  Scenario s{.seed = seed, .kind = kinds[seed % kinds.size()]};
  s.expectations = options.expectations, s.renamed = options.renamed;
  s.export_s = options.export_s, s.kept = options.kept;
  s.policy.sabotage = sabotage_of(options.mutant);
  s.dies = seed % 3 == 0 && s.kind != "killed";
  return s;
}

// Runs, each a function of its number, on `jobs` threads; `take` is given what they return in order, on this one.
template <class Of, class Take>
void in_order(uint64_t runs, unsigned jobs, const Of& of, const Take& take) {
  std::vector<std::promise<decltype(of(0))>> done(runs);
  std::atomic<uint64_t> next = 0;
  const auto work = [&] {
    for (uint64_t i = next++; i < runs; i = next++) done[i].set_value(of(i));
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < jobs; ++i) threads.emplace_back(work);
  for (uint64_t i = 0; i < runs; ++i) take(i, done[i].get_future().get());
}

void add_incidents(Summary& sum, const Options& options) {
  const auto one = [&](uint64_t i) { return run(scenario_of(options, options.from + i), options.verbose); };
  in_order(options.seeds, options.jobs, one, [&](uint64_t i, const Judgement& j) {
    if (options.verbose) tell(j, options.from + i);
    add(sum, j, options.from + i);
  });
}

void add_healthy(Summary& sum, const Options& options) {
  const double hours = options.healthy_hours;
  const auto one = [&](uint64_t i) {
    return run_healthy(scenario_of(options, options.from + i), std::min(1.0, hours - static_cast<double>(i)),
                       options.verbose);
  };
  in_order(static_cast<uint64_t>(std::ceil(hours)), options.jobs, one, [&](uint64_t i, const Healthy& h) {
    const uint64_t seed = options.from + i;
    sum.healthy.system_hours += h.system_hours, sum.healthy.service_hours += h.service_hours;
    sum.healthy.changes += h.changes, sum.healthy.incidents += h.incidents;
    for (const auto& v : h.violations) sum.violations.push_back(fmt::format("seed {} (healthy) {}", seed, v));
    if (options.verbose && h.incidents > 0) fmt::print("--- seed {} healthy\n{}\n", seed, fmt::join(h.story, "\n"));
  });
}

std::string text_of(const Healthy& h) {
  auto line = [&](const char* what, size_t events) {
    auto [low, high] = rate_interval(static_cast<double>(events), h.service_hours);
    return fmt::format(
        "healthy: {} {} in {:.1f} service-hours ({:.1f} system-hours): {:.5f} [{:.5f}, {:.5f}] an hour\n", events, what,
        h.service_hours, h.system_hours, static_cast<double>(events) / h.service_hours, low, high);
  };
  return line("false incidents", h.incidents) + line("false changes", h.changes);
}

std::string text_of(const Verdicts& v) {
  std::string kinds;
  for (const auto& [kind, n] : v.kinds) kinds += fmt::format("  {} {}", kind, n);
  auto share = [](const char* what, size_t events, size_t n) {
    auto [low, high] = share_interval(static_cast<double>(events), static_cast<double>(n));
    return fmt::format("  {}: {} of {} [{:.1f} %, {:.1f} %]\n", what, events, n, 100 * low, 100 * high);
  };
  return fmt::format("verdicts:{}\n", kinds) + share("passed though it does nothing", v.null_passed, v.null_trials) +
         share("failed though it helps", v.good_failed, v.good_trials) +
         share("called MISMATCH though nothing lied", v.honest_mismatches, v.honest_trials) +
         share("promoted though it harms", v.harmful, v.promotions) +
         share("harms, decided for an instance, and everybody had it", v.sprung, v.traps) +
         share("passed though it breaks another objective", v.tolls_passed, v.tolls) +
         fmt::format("  promoted: {}, useful {}, fault over at that moment {}\n", v.promotions, v.useful, v.moot);
}

std::string row_of(const std::string& kind, const Tally& t) {
  return fmt::format("{:<13}{:>10}{:>6}{:>9}{:>13}{:>12}{:>11}{:>9}{:>10}{:>8}{:>8}{:>14}\n", kind, t.runs, t.felt,
                     t.detected, fmt::format("{:.0f}/{:.0f}", quantile(t.detected_s, .5), quantile(t.detected_s, .95)),
                     fmt::format("{}/{}", t.repaired, t.curable),
                     fmt::format("{:.0f}/{:.0f}", quantile(t.restored_s, .5), quantile(t.restored_s, .95)), t.promoted,
                     t.harmful, t.left, t.early, fmt::format("{:.0f}/{:.0f}", t.bad_on, t.bad_off));
}

}  // namespace

Summary run_suite(const Options& options) {
  Summary sum;
  add_incidents(sum, options);
  judge_many(sum);
  add_healthy(sum, options);
  return sum;
}

std::string text_of(const Summary& s) {
  std::string out;
  if (!s.kinds.empty()) {
    out = fmt::format("{:<13}{:>10}{:>6}{:>9}{:>13}{:>12}{:>11}{:>9}{:>10}{:>8}{:>8}{:>14}\n", "kind", "incidents",
                      "felt", "detected", "s p50/p95", "repaired/of", "s p50/p95", "promoted", "harmful", "left",
                      "early", "bad on/off");
    Tally all;
    for (const auto& [kind, t] : s.kinds) out += row_of(kind, t);
    out += text_of(s.verdicts);
  }
  if (s.healthy.service_hours > 0) out += text_of(s.healthy);
  for (const auto& v : s.violations) out += "LAW BROKEN: " + v + "\n";
  return out + (s.violations.empty() ? "all laws held\n" : fmt::format("{} violations\n", s.violations.size()));
}

}  // namespace hs::sim
