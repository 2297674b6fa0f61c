#include "loop/machine/hold.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "loop/json.h"
#include "loop/machine/record.h"

namespace hs::loop {
namespace {

constexpr int64_t in_force_ms = 200;
constexpr int64_t epoch_ms = 60'000;  // evidence older than this says little about now
constexpr double epoch_longer_max = 5;
constexpr double maybe_gone_log_odds = 2;
constexpr double gone_log_odds_min = 5;  // the fault is gone for 150 to 1
constexpr double still_there_log_odds = -4;
constexpr size_t gone_units_min = 8, few_units_min = 3;
constexpr double within_unit = 0.1;    // correlation of one unit's requests, assumed
constexpr double harm_alpha = 0.01;    // of each epoch
constexpr int64_t release_ms = 8'000;  // half of the units without the change, before everybody is
constexpr int64_t shared_release_ms = 12'000;
constexpr double release_n_min = 20;
constexpr double release_exposure = 0.5;
constexpr size_t others_min = 12;  // units with the change, before they can be called well
constexpr double well_min = 0.02;
constexpr int64_t useless_s = 10, useless_after_ms = 15'000;
constexpr int64_t looked_away_ms = 5'000;  // between two frames: a restart, or a process that was stopped
constexpr double useless_n_min = 30, useless_ratio = 0.7;
constexpr int64_t guard_settle_s = 4;  // requests of the time before end, KPIs follow
constexpr int64_t guarded_s = 60;
constexpr double crowd_factor = 1.5;
constexpr double owed_share = 0.4;      // of what an objective allows: more may not fail to those who are held back
constexpr double hold_back_min = 0.01;  // fewer tell nothing within an hour

}  // namespace

std::string_view name_of(Hold::End end) {
  constexpr std::string_view names[] = {"none", "harmful", "useless", "released", "not_promoted"};
  return names[static_cast<size_t>(end)];
}

Hold::Hold(config::Knob knob, Change change, Goal goal, Verdict verdict, bool isolated, const Policy& policy,
           UnixNanos at)
    : knob_(std::move(knob)),
      change_(std::move(change)),
      goal_(std::move(goal)),
      verdict_(std::move(verdict)),
      isolated_(isolated),
      policy_(policy),
      since_(at),
      next_probe_(at),
      wait_ms_(policy.hold_ms) {}

Hold::Out Hold::on_receipt(const Receipt& receipt, const View& view) {
  if (receipt.change == change_.id) {
    if (receipt.deed == Deed::promoted && !receipt.ok) {
      std::string why = "not promoted: " + receipt.error;
      return {{Revert{change_.id, knob_.key, why}}, End::not_promoted, why};
    }
    if (receipt.deed == Deed::promoted) {
      promoted_ = true, since_ = receipt.at;
      next_probe_ = isolated_ ? receipt.at : receipt.at + wait_ms_ * nanos_per_ms;
    }
    return {};
  }
  if (receipt.deed == Deed::reverted) return {};
  if (!receipt.ok) {  // refused, or its lease ran out: try again later
    phase_ = Phase::quiet, next_probe_ = view.now + policy_.hold_ms * nanos_per_ms;
    return {};
  }
  if (receipt.deed != Deed::set) return {};
  probe_.revision = receipt.revision, probe_since_ = receipt.at;
  bool all = !isolated_ || probe_.exposure >= release_exposure;
  phase_ = all ? Phase::releasing : Phase::held_back;
  new_epoch(receipt.at + in_force_ms * nanos_per_ms);
  return {};
}

void Hold::new_epoch(UnixNanos at) {
  epoch_since_ = at;
  ArmsSetup setup{.knob = knob_.key, .revision = probe_.revision, .exposure = probe_.exposure, .start = at};
  setup.bad = [goal = goal_](const stream::Outcome& o, Aspect m) { return m == objective ? goal.judge(o) : -1; };
  arms_.emplace(std::move(setup));
  looks_.emplace(harm_alpha, first_look(harm_alpha, -std::log1p(-probe_.exposure)));
}

// Those who are held back meet the fault still: their part of it must leave room in what is owed.
double Hold::held_back_share(const View& view) const {
  double allowed = 1;
  for (const auto& o : view.declarations->objectives)
    if (goal_.bad_of(o.service, o.operation) != nullptr) allowed = std::min(allowed, 1 - o.target);
  const double ill = std::max(verdict_.control, 0.02);
  const double share = std::min(policy_.hold_back, std::max(hold_back_min, owed_share * allowed / ill));
  return std::round(share * 1'000) / 1'000;
}

Hold::Out Hold::start_probe(const View& view, double exposure) {
  probe_ = change_;
  probe_.id = view.new_id(), probe_.from = change_.to, probe_.to = change_.from;
  probe_.exposure = exposure, probe_.lease_ms = policy_.lease_ms, probe_.revision = 0;
  probe_.reason = exposure < release_exposure ? "held back: a control for as long as the change is in force"
                                              : "is it still needed? everybody has the old value for a moment";
  phase_ = Phase::asked, probe_since_ = view.now;
  return {.actions = {SetKnob{probe_}}};
}

Hold::Out Hold::end_probe(const View& view, std::string why, bool needed) {
  if (needed) wait_ms_ = std::min(2 * wait_ms_, policy_.hold_max_ms);
  next_probe_ = view.now + wait_ms_ * nanos_per_ms;
  phase_ = Phase::quiet;
  return {.actions = {Revert{probe_.id, knob_.key, std::move(why)}}};
}

std::vector<Action> Hold::yield_place(const View& view) {
  if (phase_ == Phase::quiet) return {};
  next_probe_ = view.now + policy_.hold_ms * nanos_per_ms;
  phase_ = Phase::quiet;
  return {Revert{probe_.id, knob_.key, "another change needs the place"}};
}

// Most requests had the default of the code: what they met tells nothing of the value that is held.
bool Hold::is_unheard(const stream::Frame& frame) const {
  size_t told = 0, defaults = 0;
  for (const auto& o : frame.outcomes)
    if (o.knob == knob_.key) ++(o.variant.empty() ? defaults : told);
  return defaults > told;
}

Hold::Out Hold::release(const View&, std::string why) {
  Out out{{Revert{change_.id, knob_.key, "released: " + why}}, End::released, why};
  if (phase_ != Phase::quiet) out.actions.push_back(Revert{probe_.id, knob_.key, "the base holds for everybody now"});
  phase_ = Phase::quiet;
  return out;
}

Hold::Out Hold::on_frame(const stream::Frame& frame, const View& view, bool may_probe) {
  if (!promoted_) return {};
  if (view.now - last_frame_ > looked_away_ms * nanos_per_ms || is_unheard(frame)) watched_since_ = view.now;
  last_frame_ = view.now;
  bool stuck = phase_ == Phase::asked && view.now - probe_since_ > policy_.receipt_ms * nanos_per_ms;
  if (stuck) return end_probe(view, "the actuator did not answer", false);
  bool watched = phase_ == Phase::quiet || phase_ == Phase::held_back;
  if (watched && benefit_gone(view))
    return take_back(view, End::useless, "it does not help any more", "the objective is as bad as before");
  if (watched && may_probe)
    if (const auto why = broken_since(view)) return take_back(view, End::harmful, *why, *why);
  if (phase_ == Phase::held_back) return watch_held_back(frame, view);
  if (phase_ == Phase::releasing) return isolated_ ? watch_release(frame, view) : watch_shared_release(view);
  if (phase_ == Phase::quiet && may_probe && view.now >= next_probe_ && !(is_crowded(view) && !isolated_))
    return start_probe(view, isolated_ ? held_back_share(view) : 1);
  return {};
}

Hold::Out Hold::take_back(const View& view, End end, std::string reason, std::string why) {
  Out out = phase_ == Phase::held_back ? end_probe(view, "over", false) : Out{};
  out.actions.push_back(Revert{change_.id, knob_.key, std::move(reason)});
  return {std::move(out.actions), end, std::move(why)};
}

// An objective or a KPI that was well when the change began and is broken now that it is in force for everybody. Later
// than guarded_s it is somebody else's doing.
std::optional<std::string> Hold::broken_since(const View& view) const {
  const int64_t from = since_ / nanos_per_s + guard_settle_s, to = view.history->last_second();
  if (to <= from || to - from > guarded_s + guards_.delay_s()) return std::nullopt;
  return guards_.harm(goal_, *view.history, view.of(goal_), {.from = from, .to = to, .repaired = true});
}

// Log odds that those with the old value are as well as if there were no fault, against as ill as in the trial.
double Hold::gone_log_odds() const {
  double ill = std::clamp(verdict_.control, 0.02, 0.98);
  double well = std::clamp(std::max(goal_.healthy, 0.005), 0.001, ill / 2);
  double sum = 0;
  for (const auto& u : arms_->tallies(objective)) {
    if (!u.treated) continue;
    double weight = 1 / (1 + (u.n - 1) * within_unit);
    sum += weight * (u.bad * std::log(well / ill) + (u.n - u.bad) * std::log((1 - well) / (1 - ill)));
  }
  return sum;
}

// Where fewer are held back there may never be so many: a few that fare well are asked about with half of all.
size_t Hold::units_to_release() const {
  const double part = std::min(1.0, probe_.exposure / policy_.hold_back);
  return std::max(few_units_min, static_cast<size_t>(std::ceil(part * static_cast<double>(gone_units_min))));
}

Hold::Out Hold::ask_share(const View& view, double exposure, std::string reason) {
  probe_.exposure = exposure, probe_.reason = std::move(reason);
  phase_ = Phase::asked, probe_since_ = view.now;
  return {.actions = {SetKnob{probe_}}};
}

// Fewer who are held back take longer to tell as much.
int64_t Hold::epoch_of_ms() const {
  const double longer = std::clamp(policy_.hold_back / probe_.exposure, 1.0, epoch_longer_max);
  return static_cast<int64_t>(longer * static_cast<double>(epoch_ms));
}

Hold::Out Hold::watch_held_back(const stream::Frame& frame, const View& view) {
  for (const auto& o : frame.outcomes) arms_->add(o);
  Contrast c = arms_->contrast(objective);
  if (c.control_units >= others_min) others_well_ = c.control_rate <= std::max(well_min, 2 * goal_.healthy);
  if (looks_->due(c.bad_effective) && c.log_e_better >= looks_->threshold(c.bad_effective)) {
    std::string why =
        fmt::format("those held back fare better: {} bad against {}", percent(c.treated_rate), percent(c.control_rate));
    return take_back(view, End::harmful, why, why);
  }
  double gone = gone_log_odds();
  bool old = view.now - epoch_since_ > epoch_of_ms() * nanos_per_ms;
  if (gone >= gone_log_odds_min && c.treated_units >= units_to_release() && !is_crowded(view))
    return ask_share(view, release_exposure, "release: half of the units have the old value");
  if (gone >= maybe_gone_log_odds && probe_.exposure < policy_.hold_back && c.treated_units >= few_units_min)
    return ask_share(view, policy_.hold_back, "hold-back: more of the units, as those so far fare well");
  if (gone <= still_there_log_odds)
    if (const double share = held_back_share(view); probe_.exposure > share)
      return ask_share(view, share, "hold-back: fewer units again, the fault is still there");
  bool ill_again = c.control_units >= 30 && c.control_rate > useless_ratio * verdict_.control && c.log_e_worse < -1 &&
                   c.treated_units >= gone_units_min;
  if (ill_again)
    return take_back(view, End::useless, "it does not help any more",
                     "those with the change fare as badly as those without");
  if (gone <= still_there_log_odds || old) new_epoch(view.now);
  return {};
}

Hold::Out Hold::watch_release(const stream::Frame& frame, const View& view) {
  for (const auto& o : frame.outcomes) arms_->add(o);
  Contrast c = arms_->contrast(objective);
  double n = 0;
  for (const auto& u : arms_->tallies(objective)) n += u.treated ? u.n : 0;
  bool worse = c.log_e_worse > 2 && c.treated_rate > 2 * c.control_rate;
  if (worse || gone_log_odds() <= still_there_log_odds) return end_probe(view, "still needed", true);
  if (view.now - probe_since_ < release_ms * nanos_per_ms || n < release_n_min) return {};
  if (gone_log_odds() < gone_log_odds_min) return end_probe(view, "not clearly over", true);
  return release(view, fmt::format("{} of {:.0f} requests are bad without the change", percent(c.treated_rate), n));
}

std::vector<Block> Hold::lately(const View& view, int64_t from, int64_t to) const {
  return blocks_of(goal_, *view.history, view.of(goal_), from, to);
}

Hold::Out Hold::watch_shared_release(const View& view) {
  int64_t from = probe_since_ / nanos_per_s + 1, to = view.history->last_second();
  const Block sum = total(lately(view, from, to));
  double ill = verdict_.control, well = std::max(goal_.healthy, verdict_.treated);
  double share = sum.share(), half = well + 0.4 * std::max(0.0, ill - well);
  if (sum.n >= 5 && sum.bad >= 2 && share > half) return end_probe(view, "still needed", true);
  if (view.now - probe_since_ < shared_release_ms * nanos_per_ms) return {};
  bool counted = goal_.series.empty();
  if (counted && sum.n < release_n_min) return end_probe(view, "too little is known", true);
  return release(view, fmt::format("{} bad without the change", percent(share)));
}

// The few who are held back fare well in a crowd because the others do not add to it.
bool Hold::is_crowded(const View& view) const {
  if (usual_per_s_ <= 0 || !goal_.series.empty()) return false;
  int64_t to = view.history->last_second();
  return total(lately(view, to - useless_s, to)).n / useless_s > crowd_factor * usual_per_s_;
}

// Those held back tell nothing here: when all queue for the same, what the treated win in a canary, the others lose,
// and when everybody is treated, nobody wins.
bool Hold::benefit_gone(const View& view) const {
  const UnixNanos from = std::max(since_, watched_since_);
  if (view.now - from < useless_after_ms * nanos_per_ms || !goal_.series.empty()) return false;
  int64_t to = view.history->last_second();
  const Block sum = total(lately(view, to - useless_s, to));
  return sum.n >= useless_n_min && sum.share() > useless_ratio * verdict_.control && sum.share() > 2 * goal_.healthy;
}

nlohmann::json Hold::snapshot() const {
  return {{"change", to_json(change_)},   {"goal", to_json(goal_)},
          {"verdict", to_json(verdict_)}, {"isolated", isolated_},
          {"promoted", promoted_},        {"since", since_},
          {"next_probe", next_probe_},    {"wait_ms", wait_ms_},
          {"cause_kind", cause_kind_},    {"usual_per_s", usual_per_s_},
          {"guards", guards_.snapshot()}, {"probe", phase_ == Phase::quiet ? "" : probe_.id}};
}

Result<Hold> Hold::restore(const nlohmann::json& from, const config::Declarations& declarations, const Policy& policy) {
  HS_ASSIGN(Change change, change_from(field(from, "change", nlohmann::json())));
  HS_ASSIGN(Goal goal, goal_from(field(from, "goal", nlohmann::json())));
  for (const auto& knob : declarations.knobs) {
    if (knob.key != change.knob) continue;
    Hold hold(knob, change, std::move(goal), verdict_from(field(from, "verdict", nlohmann::json())),
              field(from, "isolated", false), policy, field(from, "since", int64_t{0}));
    hold.promoted_ = field(from, "promoted", false);
    hold.next_probe_ = field(from, "next_probe", int64_t{0});
    hold.wait_ms_ = field(from, "wait_ms", policy.hold_ms);
    hold.cause_kind_ = field(from, "cause_kind", std::string());
    hold.usual_per_s_ = field(from, "usual_per_s", 0.0);
    hold.guards_ = StateGuards::restore(field(from, "guards", nlohmann::json::object()), declarations);
    return hold;
  }
  return fail(Code::not_found, fmt::format("knob {} is not declared any more", change.knob));
}

}  // namespace hs::loop
