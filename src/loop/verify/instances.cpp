#include "loop/verify/instances.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace hs::loop {
namespace {

constexpr int64_t lately_s = 10, before_restart_s = 60;  // an instance that was heard of within it is there
constexpr double busy_n_min = 20;                        // requests lately: fewer tell nothing within a stage
constexpr double suffering_n_min = 5, suffering_bad_min = 3, suffering_share = 0.5;  // of all instances' bad share
constexpr int64_t before_s_max = 20;  // the incident as it was just before the change
constexpr uint64_t claims_min = 20;
constexpr uint64_t claims_slack = 5;
constexpr int64_t adoption_slack_ns = nanos_per_s;  // requests that run when the instance reads the candidate
constexpr int64_t blocks_min = 2;                   // PASS: blocks of the treated
constexpr double others_ill_min = 0.5;              // PASS: and the others are at least half as ill as they were
constexpr double suspicion_log_e = 1.5;
constexpr double futile_log_e = -3, futile_bad_min = 20;
constexpr int64_t recovered_s = 6;
constexpr double recovered_n_min = 20, recovered_bad_min = 8;
constexpr int64_t veto_max_ms = 20'000;
constexpr std::string_view measured_names[] = {"objective", "errors", "latency"};
constexpr uint8_t kinds[] = {2, 5};  // server, consumer

bool contains(const std::vector<std::string>& list, const std::string& what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

struct Known {
  double n = 0;
  Block goal;
};

// Instances of the services that read the knob, heard of in the last seconds.
std::map<std::string, Known> known_instances(const config::Knob& knob, const Past& history, int64_t seconds) {
  const int64_t to = history.last_second() + 1;
  std::map<std::string, Known> out;
  std::set<std::pair<std::string, std::string>> counted;
  for (const auto& key : history.keys({})) {
    if (key.instance.empty() || !contains(knob.services, key.service)) continue;
    if (!counted.insert({key.service, key.instance}).second) continue;
    for (const uint8_t kind : kinds)
      if (const double n =
              history.total({.service = key.service, .instance = key.instance, .kind = kind}, {}, to - seconds, to).n;
          n > 0)
        out[key.instance].n += n;
  }
  return out;
}

bool is_own(const Goal& goal, const config::Knob& knob) {
  return goal.series.empty() && !goal.requests.empty() &&
         std::all_of(goal.requests.begin(), goal.requests.end(),
                     [&](const auto& r) { return contains(knob.services, r.first.first); });
}

void add_goal(std::map<std::string, Known>& instances, const Goal& goal, const Past& history) {
  const int64_t to = history.last_second() + 1, from = std::max(goal.started / nanos_per_s, to - lately_s);
  for (auto& [name, known] : instances)
    for (const auto& [where, bad] : goal.requests)
      for (const uint8_t kind : kinds)
        known.goal += history.total({.service = where.first, .operation = where.second, .instance = name, .kind = kind},
                                    bad, from, to);
}

bool suffers(const Known& known, const Block& all) {
  return known.goal.n >= suffering_n_min && known.goal.bad >= suffering_bad_min &&
         known.goal.share() >= suffering_share * all.share();
}

// Seconds to blocks, the first of which begins with the first second.
void add_blocks(std::vector<Block>& to, const std::vector<Block>& seconds) {
  for (size_t i = 0; i < seconds.size(); ++i) {
    const size_t block = i / instance_block_s;
    if (to.size() <= block) to.resize(block + 1);
    to[block] += seconds[i];
  }
}

}  // namespace

InstancePlan plan_instances(const config::Knob& knob, const Goal& goal, const Past& history) {
  if (knob.scope != config::KnobScope::instance) return {};
  auto instances = known_instances(knob, history, lately_s);
  if (instances.size() < 2) instances = known_instances(knob, history, before_restart_s);  // they may all hang
  if (instances.size() < 2) return {};
  InstancePlan plan{.known = instances.size()};
  size_t ill = 0;
  Block all;
  if (is_own(goal, knob)) {
    add_goal(instances, goal, history);
    for (const auto& [name, known] : instances) all += known.goal;
    ill = static_cast<size_t>(
        std::count_if(instances.begin(), instances.end(), [&](const auto& i) { return suffers(i.second, all); }));
  }
  // One that suffers alone would be compared with others that have nothing to lose.
  plan.decisive = knob.effect == config::KnobEffect::isolated && ill >= 2;
  const Known* best = nullptr;
  const auto rank = [&](const Known& k) { return k.n >= busy_n_min ? k.n : 1e12 - k.n; };
  for (const auto& [name, known] : instances) {
    if (plan.decisive && !suffers(known, all)) continue;
    if (best == nullptr || rank(known) < rank(*best)) best = &known, plan.treated = name;
  }
  for (const auto& [name, known] : instances)
    if (name != plan.treated && plan.others.size() + 1 < instances_max) plan.others.push_back(name);
  return plan;
}

InstanceArms::InstanceArms(InstanceSetup setup, CanaryLimits limits, Goal goal, const Past& history,
                           const config::Declarations& declarations)
    : setup_(std::move(setup)),
      limits_(limits),
      goal_(std::move(goal)),
      served_(setup_.knob, setup_.revision, "candidate"),
      better_(limits.alpha_pass, first_look(limits.alpha_pass, -std::log1p(-setup_.plan.share()))) {
  const double each = limits.alpha_fail / static_cast<double>(measured_count);
  for (size_t m = 0; m < measured_count; ++m)
    worse_.emplace_back(each, std::max(3.0, first_look(each, -std::log(setup_.plan.share()))));
  before_to_ = setup_.start / nanos_per_s;
  before_from_ = std::max(goal_.started / nanos_per_s + 1, before_to_ - before_s_max);
  settle_s_ = settle_s(goal_, history, before_to_);
  add_requests(history, declarations);
}

void InstanceArms::add_requests(const Past& history, const config::Declarations& declarations) {
  const int64_t onset = goal_.started / nanos_per_s;
  const bool limited = goal_.measure != "security";
  SpeedLimits speed(history, declarations, onset - 90, onset - 3);
  for (const auto& [where, bad] : goal_.requests)
    for (const uint8_t kind : kinds)
      if (contains(setup_.services, where.first) && goal_.series.empty())
        requests_[objective].push_back({{.service = where.first, .operation = where.second, .kind = kind}, bad});
  for (const auto& service : setup_.services)
    for (const uint8_t kind : kinds)
      requests_[errors_guard].push_back({{.service = service, .kind = kind}, {.limited = limited}});
  std::set<std::tuple<std::string, std::string, uint8_t>> operations;
  for (const auto& key : history.keys({}))
    if (contains(setup_.services, key.service) && (key.kind == kinds[0] || key.kind == kinds[1]))
      operations.insert({key.service, key.operation, key.kind});
  for (const auto& [service, operation, kind] : operations) {
    if (const double limit_ms = speed.ms(service, operation); limit_ms > 0)
      requests_[latency_guard].push_back(
          {{.service = service, .operation = operation, .kind = kind}, {.slow_ms = limit_ms, .limited = limited}});
  }
}

bool InstanceArms::Told::mostly(uint64_t which) const {
  return which >= claims_min && which * 5 > candidate + other;  // more than a fifth
}

void InstanceArms::add(const stream::Frame& frame) {
  served_.add(frame.served, frame.tick);
  for (const auto& o : frame.outcomes) {
    const UnixNanos start = start_of(o);
    if (o.knob != setup_.knob || start < setup_.start) continue;
    const bool revision = o.revision == 0 || o.revision == setup_.revision;
    const bool candidate = o.variant == "candidate" && revision, mine = o.reader == setup_.plan.treated;
    if (mine && candidate && adopted_ == 0) adopted_ = start, mine_ = {};
    // An instance may read now and then: what it had before it read the candidate is no lie.
    if (mine && !candidate && adopted_ != 0 && start < adopted_ + adoption_slack_ns) continue;
    Told& told = mine ? mine_ : others_;
    ++(candidate ? told.candidate : told.other);
  }
}

std::optional<std::string> InstanceArms::odd() const {
  const std::string& treated = setup_.plan.treated;
  if (others_.mostly(others_.candidate))
    return fmt::format("{} requests of other instances than {} report the candidate", others_.candidate, treated);
  if (adopted_ != 0 && mine_.mostly(mine_.other))
    return fmt::format("{} of {} requests of {} do not report the candidate", mine_.other,
                       mine_.other + mine_.candidate, treated);
  if (served_.heard() != 0 && served_.treated() == 0 && mine_.candidate > claims_slack)
    return fmt::format("telemetry claims {} treated requests, 0 were served", mine_.candidate);
  return std::nullopt;
}

std::optional<Verdict> InstanceArms::judge_match(UnixNanos now) {
  const auto why = odd();
  if (doubt_.lasts(why.has_value(), now)) return verdict(VerdictKind::mismatch, *why);
  if (adopted_ != 0 || now - setup_.start < limits_.no_data_ms * nanos_per_ms) return std::nullopt;
  const std::string& treated = setup_.plan.treated;
  const uint64_t told = mine_.other + others_.other + others_.candidate;
  if (served_.treated() == 0 && told > 0)
    return verdict(VerdictKind::no_data,
                   fmt::format("no evaluation came from {}: does its context name service.instance.id?", treated));
  if (served_.treated() == 0) return verdict(VerdictKind::no_data, fmt::format("{} does not read the knob", treated));
  if (told == 0) return verdict(VerdictKind::no_data, "no evaluation of the knob is reported");
  return verdict(VerdictKind::mismatch, fmt::format("{} evaluations of {} were served, and it does not report them",
                                                    served_.treated(), treated));
}

int64_t InstanceArms::after_from() const { return std::max(setup_.start, adopted_) / nanos_per_s + 1 + settle_s_; }

Lived InstanceArms::lived(const Past& history, const std::string& instance, Aspect aspect) const {
  Lived out;
  for (const Requests& r : requests_[aspect]) {
    Scope scope = r.scope;
    scope.instance = instance;
    add_blocks(out.before, history.blocks(scope, r.bad, before_from_, before_to_));
    add_blocks(out.after, history.blocks(scope, r.bad, after_from(), history.last_second()));
  }
  return out;
}

Difference InstanceArms::difference(const Past& history, Aspect aspect) const {
  Lived treated = lived(history, setup_.plan.treated, aspect);
  std::vector<Lived> others;
  for (const auto& name : setup_.plan.others) others.push_back(lived(history, name, aspect));
  if (setup_.swapped && !others.empty()) std::swap(treated, others[0]);
  return difference_between(treated, others);
}

std::optional<Verdict> InstanceArms::judge(const Past& history, UnixNanos now) {
  if (!limits_.trusting) {
    if (auto v = judge_match(now)) return v;
    if (odd()) return std::nullopt;
  }
  if (auto v = judge_worse(history)) return v;
  if (adopted_ == 0 && !limits_.trusting) return std::nullopt;  // not for long: judge_match() ends that
  return setup_.plan.decisive ? judge_better(history, now) : judge_veto(history, now);
}

std::optional<Verdict> InstanceArms::judge_worse(const Past& history) {
  quiet_ = true;
  for (const Aspect m : {objective, errors_guard, latency_guard}) {
    const Difference d = difference(history, m);
    if (m == objective) seen_ = d;
    const bool rose = d.after > d.expected && d.after > d.before;
    quiet_ = quiet_ && !(rose && d.log_e_worse >= suspicion_log_e);
    if (!worse_[m].due(d.bad_effective)) continue;
    if (d.log_e_worse < worse_[m].threshold(d.bad_effective) || !rose) continue;
    seen_ = d;
    return verdict(VerdictKind::fail,
                   fmt::format("{} of {} got worse: {}, {} before and {} to be expected", measured_names[m],
                               setup_.plan.treated, percent(d.after), percent(d.before), percent(d.expected)));
  }
  return std::nullopt;
}

std::optional<Verdict> InstanceArms::judge_better(const Past& history, UnixNanos now) {
  const Difference& d = seen_;
  if (limits_.first_look && d.treated_n > 0 && d.control_n > 0 && d.after < d.expected)
    return verdict(VerdictKind::pass, "the first look is better");
  if (better_.due(d.bad_effective) && d.log_e_better >= better_.threshold(d.bad_effective)) is_better_ = true;
  const bool ill = d.control_after >= others_ill_min * d.control_before;
  const bool long_enough = history.last_second() - after_from() >= blocks_min * instance_block_s;
  if (is_better_ && ill && long_enough && quiet_ && d.after <= limits_.ratio_max * d.expected)
    return verdict(VerdictKind::pass,
                   fmt::format("bad requests of {} fell from {} to {}; as {} others fared, {} were to be expected",
                               setup_.plan.treated, percent(d.before), percent(d.after), setup_.plan.others.size(),
                               percent(d.expected)));
  return judge_end(history, now);
}

std::optional<Verdict> InstanceArms::judge_end(const Past& history, UnixNanos now) const {
  const Difference& d = seen_;
  if (d.bad_effective >= futile_bad_min && d.log_e_hoped < futile_log_e && d.log_e_better < 0 && quiet_)
    return verdict(VerdictKind::inconclusive, "no benefit in sight");
  if (others_recovered(history)) {
    Verdict v = verdict(VerdictKind::inconclusive, "the other instances recovered without the change");
    v.evidence = Evidence::restored_only;
    return v;
  }
  if (now - setup_.start < limits_.max_ms * nanos_per_ms) return std::nullopt;
  return verdict(VerdictKind::inconclusive,
                 fmt::format("no verdict after {}: {} blocks of {} and {} of others told too little of it",
                             format_duration_ms(limits_.max_ms), d.treated_n, setup_.plan.treated, d.control_n));
}

// So long that it is no luck: at the share of bad requests that they had before, some would have been among them.
bool InstanceArms::others_recovered(const Past& history) const {
  const int64_t to = history.last_second(), from = std::max(after_from(), to - recovered_s);
  if (to - from < recovered_s) return false;
  Block lately;
  for (const auto& name : setup_.plan.others)
    for (const Requests& r : requests_[objective]) {
      Scope scope = r.scope;
      scope.instance = name;
      lately += history.total(scope, r.bad, from, to);
    }
  if (lately.n < recovered_n_min || lately.n * seen_.control_before < recovered_bad_min) return false;
  return lately.bad <= std::max(goal_.healthy * lately.n, 0.5);
}

// A veto is over when the instance had the candidate for a block. What looks like harm, and is none yet, is waited for.
std::optional<Verdict> InstanceArms::judge_veto(const Past& history, UnixNanos now) {
  const bool long_enough = history.last_second() - after_from() >= instance_block_s;
  vetted_ = long_enough && quiet_;
  if (vetted_ || now - std::max(setup_.start, adopted_) < veto_max_ms * nanos_per_ms) return std::nullopt;
  return verdict(VerdictKind::inconclusive,
                 fmt::format("{} may have become worse: not for everybody", setup_.plan.treated));
}

Contrast InstanceArms::contrast() const {
  Contrast c{.log_e_better = seen_.log_e_better, .log_e_worse = seen_.log_e_worse, .log_e_hoped = seen_.log_e_hoped};
  c.treated_rate = seen_.after, c.control_rate = seen_.control_after;
  c.treated_units = static_cast<size_t>(seen_.treated_n), c.control_units = static_cast<size_t>(seen_.control_n);
  return c;
}

Verdict InstanceArms::verdict(VerdictKind kind, std::string why) const {
  Verdict v;
  v.kind = kind, v.evidence = kind == VerdictKind::no_data ? Evidence::none : Evidence::concurrent_control;
  v.treated = seen_.after, v.control = seen_.control_after;
  v.treated_n = seen_.treated_n, v.control_n = seen_.control_n;
  v.log_e = seen_.log_e_better;
  v.why = std::move(why);
  return v;
}

}  // namespace hs::loop
