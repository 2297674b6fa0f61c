#include "loop/machine/trial.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "loop/decide/reach.h"

namespace hs::loop {
namespace {

// From the receipt to the first answer with the new value: `values` looks at its file at least every 50 ms.
constexpr int64_t in_force_ms = 200;
constexpr double exposures[] = {0.2, 0.3, 0.4};
constexpr int64_t lately_s = 10, usual_s = 30;
constexpr int64_t well_again_s = 8;
constexpr double well_again_n_min = 30;
constexpr uint64_t claims_min = 20;  // requests before "who reports the candidate" means anything

}  // namespace

const Latest& View::of(const Goal& goal) const {
  static const Latest none;
  auto found = latest->find(goal.series);
  return found == latest->end() ? none : found->second;
}

Trial::Trial(config::Knob knob, Change change, Goal goal, bool ramp, const Policy& policy)
    : knob_(std::move(knob)), change_(std::move(change)), goal_(std::move(goal)), policy_(policy), isolated_(!ramp) {
  policy_.ramp.first_look = policy.sabotage.first_look;
}

double Trial::exposure_for(const View& view) const {
  int64_t to = view.history->last_second();
  int64_t from = std::clamp(goal_.started / nanos_per_s + 1, to - lately_s, to - 1);
  const double bad = total(blocks_of(goal_, *view.history, {}, from, to)).bad;
  double bad_per_s = bad / static_cast<double>(to - from);
  for (double exposure : exposures) {
    double needed = first_look(policy_.canary.alpha_pass, -std::log1p(-exposure));
    if (exposure <= policy_.exposure_max && bad_per_s > 0 && needed / bad_per_s <= policy_.verdict_goal_s)
      return exposure;
  }
  return policy_.exposure_max;
}

// Telemetry that comes late is waited for.
void Trial::wait_for_telemetry(const Past& history) {
  int64_t delay_s = 1;
  for (const auto& [where, bad] : goal_.requests) delay_s = std::max(delay_s, history.delay_s(where.first));
  for (const auto& service : knob_.services) delay_s = std::max(delay_s, history.delay_s(service));
  const int64_t more_s = delay_s - 1, more_ms = 1'000 * more_s;
  policy_.canary.delay_s = policy_.ramp.delay_s = delay_s;
  policy_.canary.no_data_ms += more_ms, policy_.canary.max_ms += more_ms, policy_.stage_ms += more_ms;
  policy_.canary.promising_max_ms += more_ms;
  policy_.ramp.no_data_ms += more_ms, policy_.ramp.max_ms += more_ms;
  policy_.ramp.off_s_max += more_s, policy_.ramp.futile_s += more_s;
}

Trial::Out Trial::begin(const View& view) {
  begun_ = view.now;
  wait_for_telemetry(*view.history);
  int64_t onset = goal_.started / nanos_per_s;
  for (const auto& b : blocks_of(goal_, *view.history, {}, onset - usual_s, onset)) usual_per_s_ += b.n / usual_s;
  guards_ = StateGuards(goal_, view.now, *view.history, view.of(goal_), *view.declarations);
  const bool one_first = !plan_.treated.empty();
  if (!isolated_) ramp_.emplace(goal_, policy_.ramp, view.now, *view.history, view.of(goal_), *view.declarations);
  if (one_first) change_.instance = plan_.treated;
  if (one_first) return ask(view, plan_.share(), Phase::asked);
  if (isolated_) return ask(view, exposure_for(view), Phase::asked);
  bool by_request = knob_.scope == config::KnobScope::request;
  return by_request ? ask(view, policy_.veto_exposure, Phase::asked) : ask(view, 1, Phase::widening);
}

Trial::Out Trial::ask(const View& view, double exposure, Phase phase) {
  phase_ = phase, since_ = view.now, live_ = true;
  change_.exposure = exposure;
  change_.lease_ms = policy_.sabotage.no_lease ? int64_t{600'000} : policy_.lease_ms;
  return {{SetKnob{change_}}, {}};
}

Trial::Out Trial::ask_again(const View& view, double exposure, Phase phase) {
  Out out;
  if (live_) out.actions.push_back(Revert{change_.id, knob_.key, "a next stage begins with new arms"});
  change_.id = view.new_id(), change_.revision = 0;
  Out next = ask(view, exposure, phase);
  out.actions.insert(out.actions.end(), next.actions.begin(), next.actions.end());
  return out;
}

Canary Trial::make_canary(const Receipt& receipt, const View& view) const {
  ArmsSetup setup{.knob = knob_.key, .revision = receipt.revision, .exposure = change_.exposure};
  setup.start = receipt.at + in_force_ms * nanos_per_ms;
  setup.swapped = policy_.sabotage.swapped_arms;
  int64_t onset = goal_.started / nanos_per_s;
  SpeedLimits speed(*view.history, *view.declarations, onset - 90, onset - 3);
  const bool attack = goal_.measure == "security";  // then it is mostly the attacker who is turned away
  setup.bad = [goal = goal_, attack, speed = std::move(speed)](const stream::Outcome& o, Aspect m) {
    if (m == objective) return goal.judge(o);
    if (!o.entry) return -1;
    bool failed = o.error || (o.limited && (!attack || o.regular));
    if (m == errors_guard) return failed ? 1 : 0;
    // What fails at once is not fast: an answer that comes late at last is no harm beside it.
    double limit = speed.ms(o.service, o.operation);
    return limit <= 0 ? -1 : failed || o.duration_ms > limit ? 1 : 0;
  };
  Canary canary(std::move(setup), limits(), goal_.healthy, carried_);
  canary.guard(*view.declarations, attack);
  return canary;
}

CanaryLimits Trial::limits() const {
  CanaryLimits limits = policy_.canary;
  limits.first_look = policy_.sabotage.first_look, limits.trusting = policy_.sabotage.no_mismatch_check;
  limits.per_request = knob_.scope == config::KnobScope::request;
  return limits;
}

void Trial::begin_instance(const Receipt& receipt, const View& view) {
  InstanceSetup setup{.knob = knob_.key, .services = knob_.services, .revision = receipt.revision, .plan = plan_};
  setup.start = receipt.at + in_force_ms * nanos_per_ms, setup.swapped = policy_.sabotage.swapped_arms;
  instances_.emplace(std::move(setup), limits(), goal_, *view.history, *view.declarations);
}

Trial::Out Trial::on_receipt(const Receipt& receipt, const View& view) {
  if (receipt.deed == Deed::renewed && !receipt.ok) {
    live_ = false;
    return {{}, verdict(VerdictKind::inconclusive, "the lease ran out: " + receipt.error)};
  }
  if (receipt.deed != Deed::set) return {};
  if (!receipt.ok) {
    live_ = false;
    return {{}, verdict(VerdictKind::no_data, "the actuator refused: " + receipt.error)};
  }
  change_.revision = receipt.revision, since_ = receipt.at;
  if (phase_ == Phase::asked && !plan_.treated.empty()) {
    phase_ = Phase::instance;
    begin_instance(receipt, view);
  } else if (phase_ == Phase::asked) {
    phase_ = isolated_ ? Phase::canary : Phase::veto;
    canary_.emplace(make_canary(receipt, view));
  } else if (phase_ == Phase::widening || phase_ == Phase::switching_on) {
    phase_ = Phase::full;
    ramp_->on(receipt.at);
    listen(receipt.at + nanos_per_s);  // a request may have read the value just before
    adopted_ = knob_.scope == config::KnobScope::request;
    served_.emplace(knob_.key, receipt.revision, "candidate");
  }
  return {};
}

// Who reports the candidate, of requests that begin at `start` or later.
void Trial::listen(UnixNanos start) {
  ArmsSetup setup{.knob = knob_.key, .revision = change_.revision, .exposure = 1, .start = start};
  setup.bad = [](const stream::Outcome&, Aspect) { return -1; };
  claims_.emplace(std::move(setup));
}

Trial::Out Trial::on_frame(const stream::Frame& frame, const View& view) {
  switch (phase_) {
    case Phase::canary:
      return step_canary(frame, view);
    case Phase::veto:
      return step_veto(frame, view);
    case Phase::instance:
      return step_instance(frame, view);
    case Phase::full:
    case Phase::off:
      return step_full(frame, view);
    default:
      return on_time(view);
  }
}

Trial::Out Trial::on_time(const View& view) {
  bool waits = phase_ == Phase::asked || phase_ == Phase::widening || phase_ == Phase::switching_on;
  if (waits && view.now - since_ > policy_.receipt_ms * nanos_per_ms)
    return {{}, verdict(VerdictKind::no_data, "the actuator did not answer")};
  if (view.now - begun_ > (policy_.canary.promising_max_ms + policy_.ramp.max_ms) * nanos_per_ms)
    return {{}, verdict(VerdictKind::no_data, "no telemetry arrives")};
  return {};
}

// Another change has taken the requests past this knob, or ended what was wrong with them: the few that still read it
// would be waited for in vain. What the treated win is not counted as that.
bool Trial::is_over(const View& view) const {
  if (view.now - since_ < (well_again_s + 2) * nanos_per_s) return false;
  const int64_t to = view.history->last_second();
  const Block all = total(blocks_of(goal_, *view.history, {}, to - well_again_s, to));
  return all.n >= well_again_n_min && all.share() <= goal_.healthy * (1 - change_.exposure);
}

// KPIs have no arms: they are compared with what they were when the change began.
std::optional<Verdict> Trial::guarded(std::optional<Verdict> judged, const View& view) const {
  if (judged && judged->kind != VerdictKind::pass) return judged;
  const int64_t from = canary_->arms().setup().start / nanos_per_s + 1;
  auto why = guards_.kpi_harm(goal_, *view.history, view.of(goal_), {from, view.history->last_second()});
  return why ? canary_->fail(std::move(*why)) : judged;
}

Trial::Out Trial::step_canary(const stream::Frame& frame, const View& view) {
  canary_->add(frame);
  auto judged = guarded(canary_->judge(view.now), view);
  if (!judged && is_over(view)) {
    judged = verdict(VerdictKind::inconclusive, "the requests are well again, also those that do not read the knob");
    judged->evidence = Evidence::restored_only;
  }
  // Few failures tell late where they happen: what was not known at the beginning need not be waited for to the end.
  if (!judged && fail_before(goal_, *view.history, knob_))
    judged = verdict(VerdictKind::inconclusive, "the requests that fail do not come to the knob");
  if (judged) {
    judged->change = change_.id;
    return {{}, judged};
  }
  bool slow = view.now - since_ > policy_.stage_ms * nanos_per_ms;
  if (!slow || stage_ > 1 || change_.exposure >= policy_.exposure_max) return {};
  // The mean of the evidence so far and of none is an e-value too: a bad start must not burden the new arms for ever.
  carried_ = std::log((std::exp(std::min(canary_->carried() + canary_->objective_now().log_e_better, 50.0)) + 1) / 2);
  stage_++;
  return ask_again(view, policy_.exposure_max, Phase::asked);
}

Trial::Out Trial::step_veto(const stream::Frame& frame, const View& view) {
  canary_->add(frame);
  auto v = guarded(canary_->judge(view.now), view);
  if (v && (v->kind == VerdictKind::fail || v->kind == VerdictKind::mismatch)) {
    v->change = change_.id;
    return {{}, v};
  }
  if (view.now - since_ < policy_.veto_ms * nanos_per_ms) return {};
  return ask(view, 1, Phase::widening);  // the same change: the treated only become more
}

Trial::Out Trial::step_instance(const stream::Frame& frame, const View& view) {
  instances_->add(frame);
  auto judged = instances_->judge(*view.history, view.now);
  if (!judged && isolated_ && is_over(view)) {
    judged = verdict(VerdictKind::inconclusive, "the requests are well again, also those of the other instances");
    judged->evidence = Evidence::restored_only;
  }
  if (judged) {
    judged->change = change_.id;
    return {{}, judged};
  }
  if (isolated_ || !instances_->vetted()) return {};
  change_.instance.clear();
  return ask(view, 1, Phase::widening);
}

// Full exposure, and yet somebody reads something else, or nobody reads it at all.
std::optional<Verdict> Trial::unread(const View& view) {
  if (policy_.sabotage.no_mismatch_check) return std::nullopt;
  const Claims& c = claims_->claims();
  uint64_t others = c.control + c.wrong_revision + c.unknown, all = others + c.treated;
  // What an instance reads now and then is not in force before it has read it.
  bool may_tell = adopted_ || view.now - since_ > policy_.ramp.no_data_ms * nanos_per_ms;
  if (may_tell && all >= claims_min && others * 5 > all)
    return verdict(VerdictKind::mismatch, fmt::format("{} of {} requests do not report the candidate", others, all));
  bool per_request = knob_.scope == config::KnobScope::request;  // else many requests report one evaluation
  bool excess = per_request && static_cast<double>(c.treated) > 1.05 * static_cast<double>(served_->treated()) + 5;
  if (doubt_.lasts(excess, view.now))
    return verdict(VerdictKind::mismatch,
                   fmt::format("telemetry claims {} treated requests, {} were served", c.treated, served_->treated()));
  bool waited = view.now - since_ > policy_.ramp.no_data_ms * nanos_per_ms;
  if (waited && served_->treated() == 0) return verdict(VerdictKind::no_data, "nobody reads the knob");
  return std::nullopt;
}

Trial::Out Trial::step_full(const stream::Frame& frame, const View& view) {
  if (phase_ == Phase::full) {
    served_->add(frame.served, frame.tick);
    for (const auto& outcome : frame.outcomes) claims_->add(outcome);
    if (!adopted_ && claims_->claims().treated > 0) adopted_ = true, listen(view.now);
    if (auto v = unread(view)) return {{}, v};
  }
  auto step = ramp_->step(*view.history, view.of(goal_), view.now);
  if (step.verdict) {
    step.verdict->change = change_.id;
    return {{}, step.verdict};
  }
  if (step.ask == Ramp::Ask::on) return ask_again(view, 1, Phase::switching_on);
  if (step.ask == Ramp::Ask::nothing) return {};
  phase_ = Phase::off, live_ = false, since_ = view.now;
  ramp_->off(view.now);
  return {{Revert{change_.id, knob_.key, "switchback: does the incident come back without it?"}}, {}};
}

std::optional<Contrast> Trial::contrast() const {
  if (phase_ == Phase::instance) return instances_->contrast();
  if (!canary_) return std::nullopt;
  return canary_->objective_now();
}

Verdict Trial::verdict(VerdictKind kind, std::string why) const {
  return {.change = change_.id, .kind = kind, .why = std::move(why)};
}

}  // namespace hs::loop
