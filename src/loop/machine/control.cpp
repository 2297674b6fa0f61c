#include "loop/machine/control.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loop/decide/witness.h"
#include "loop/machine/record.h"
#include "loop/machine/words.h"

namespace hs::loop {
namespace {

using nlohmann::json;

UnixNanos time_of(const Event& event) {
  return std::visit(
      [](const auto& e) -> UnixNanos {
        if constexpr (std::is_same_v<std::decay_t<decltype(e)>, stream::Frame>)
          return e.tick;
        else
          return e.at;
      },
      event);
}

Change everywhere(Change change) {
  change.instance.clear();
  return change;
}

constexpr double ended_weight = 0.3;  // it may have ended by itself
constexpr double jammed_share = 0.9, jammed_weight = 0.3;

// Hardly anybody fared well in either arm: where all wait for one another, that says little of the value.
bool is_jammed(const Verdict& v) {
  return v.kind == VerdictKind::inconclusive && v.evidence == Evidence::concurrent_control &&
         std::min(v.treated, v.control) >= jammed_share;
}

// It ended for a reason that is not the value's: silence, a lease that ran out, a fault that paused.
bool tells_nothing(const Verdict& v) {
  bool judged = v.kind == VerdictKind::pass || v.kind == VerdictKind::fail || v.evidence != Evidence::none;
  return v.kind == VerdictKind::no_data || v.evidence == Evidence::restored_only || !judged;
}

}  // namespace

std::vector<Action> Control::step(const Event& event, const Incidents& incidents) {
  now_ = std::max(now_, time_of(event));  // a wall clock that steps back does not undo time here
  notes_.clear();
  Actions out;
  std::visit(
      [&](const auto& e) {
        if constexpr (std::is_same_v<std::decay_t<decltype(e)>, stream::Frame>)
          on(e, incidents, out);
        else
          on(e, out);
      },
      event);
  return out;
}

View Control::view() {
  return {.history = &history_, .declarations = &declarations_, .latest = &latest_, .now = now_, .new_id = [this] {
            return new_id();
          }};
}

std::string Control::new_id() { return fmt::format("chg-{}-{}", now_ / nanos_per_ms, ++ids_); }

void Control::add(Actions& out, Actions&& more) {
  for (auto& action : more) {
    if (const auto* set = std::get_if<SetKnob>(&action)) out.push_back(record("change", to_json(set->change)));
    if (const auto* revert = std::get_if<Revert>(&action))
      out.push_back(record("revert", {{"change", revert->change}, {"knob", revert->knob}, {"why", revert->why}}));
    if (const auto* promote = std::get_if<Promote>(&action))
      out.push_back(record("promote", {{"change", promote->change}, {"knob", promote->knob}}));
    out.push_back(std::move(action));
  }
}

void Control::on(const Started& event, Actions& out) {
  trials_.clear();
  for (const auto& state : event.knobs) {
    settled_[state.knob] = state.settled;
    if (!state.candidate.empty()) {
      add(out, {Revert{state.candidate, state.knob, "left from before a restart: its evidence is lost"}});
      std::erase(left_over_, state.candidate);
    }
    drop_holds([&](const Hold& h) { return h.knob().key == state.knob && h.change().id != state.promoted; });
    take_back_unwatched(state, out);
  }
}

// Promoted in the instant before a kill, so that nobody knows its verdict any more: it would be in force unwatched.
void Control::take_back_unwatched(const KnobState& state, Actions& out) {
  if (state.promoted.empty() || std::erase(left_over_, state.promoted) == 0) return;
  add(out, {Revert{state.promoted, state.knob, "promoted just before a restart: its evidence is lost"}});
  if (const config::Knob* knob = knob_named(state.knob)) settled_[state.knob] = knob->base;
}

void Control::on(const ConfigChanged& event, Actions& out) {
  for (const auto& knob : event.declarations.knobs) {
    const config::Knob* old = knob_named(knob.key);
    if (old != nullptr && old->base != knob.base) {
      undos_.push_back({knob.key, old->base, now_});
      if (undos_.size() > undos_max) undos_.erase(undos_.begin());
    }
    bool held = std::any_of(holds_.begin(), holds_.end(), [&](const Hold& h) { return h.knob().key == knob.key; });
    if (!held || old == nullptr) settled_[knob.key] = knob.base;
  }
  auto gone = [&](const config::Knob& k) {
    auto same = [&](const config::Knob& n) { return n.key == k.key && n.type == k.type && n.services == k.services; };
    return std::none_of(event.declarations.knobs.begin(), event.declarations.knobs.end(), same);
  };
  for (const auto& trial : trials_)
    if (gone(trial.knob())) add(out, {Revert{trial.change().id, trial.knob().key, "the knob's declaration changed"}});
  std::erase_if(trials_, [&](const Trial& t) { return gone(t.knob()); });
  drop_holds([&](const Hold& h) { return gone(h.knob()); });
  declarations_ = event.declarations;
}

void Control::on(const Operator& word, Actions& out) {
  permits_.order(word);
  out.push_back(
      record("operator", {{"order", name_of(word.order)}, {"knob", word.knob}, {"who", word.who}, {"why", word.why}}));
  if (word.order == Order::stop) revert_all("stopped by " + word.who, true, out);
  if (word.order == Order::forbid) end_trials(word.knob, "the operator forbids the knob", out);
  if (word.order == Order::reset) reset(word, out);
}

void Control::end_trials(const std::string& knob, const std::string& why, Actions& out) {
  const auto meant = [&](const Trial& t) { return knob.empty() || t.knob().key == knob; };
  for (auto& trial : trials_)
    if (meant(trial))
      conclude(trial, {.change = trial.change().id, .kind = VerdictKind::inconclusive, .why = why}, out);
  std::erase_if(trials_, meant);
}

void Control::reset(const Operator& word, Actions& out) {
  const std::string why = fmt::format("reset by {}{}{}", word.who, word.why.empty() ? "" : ": ", word.why);
  const auto meant = [&](const Hold& h) { return word.knob.empty() || h.knob().key == word.knob; };
  end_trials(word.knob, why, out);
  for (Hold& hold : holds_) {
    if (!meant(hold)) continue;
    add(out, hold.yield_place(view()));
    add(out, {Revert{hold.change().id, hold.knob().key, why}});
  }
  drop_holds(meant);
  for (const config::Knob& knob : declarations_.knobs)
    if (word.knob.empty() || knob.key == word.knob) settled_[knob.key] = knob.base;
}

void Control::revert_all(const std::string& why, bool promoted_too, Actions& out) {
  for (const auto& trial : trials_) add(out, {Revert{trial.change().id, trial.knob().key, why}});
  trials_.clear();
  for (auto& hold : holds_) {
    add(out, hold.yield_place(view()));
    if (!promoted_too) continue;
    add(out, {Revert{hold.change().id, hold.knob().key, why}});
    settled_[hold.knob().key] = hold.change().from;
  }
  if (promoted_too) drop_holds([](const Hold&) { return true; });
}

// What passed and is not in force any more, through no fault of its own, may be made again for the same incident.
void Control::drop_holds(const std::function<bool(const Hold&)>& which) {
  for (const Hold& hold : holds_)
    if (which(hold)) forget_pass(hold);
  std::erase_if(holds_, which);
}

void Control::forget_pass(const Hold& hold) {
  std::erase_if(case_of(hold.change().incident).tried,
                [&](const Tried& t) { return t.kind == VerdictKind::pass && t.knob == hold.knob().key; });
}

void Control::on(const Receipt& receipt, Actions& out) {
  for (size_t i = 0; i < trials_.size(); ++i) {
    if (!trials_[i].is_about(receipt.change)) continue;
    auto step = trials_[i].on_receipt(receipt, view());
    add(out, std::move(step.actions));
    if (!step.verdict) return;
    conclude(trials_[i], *step.verdict, out);
    trials_.erase(trials_.begin() + static_cast<ptrdiff_t>(i));
    return;
  }
  for (size_t i = 0; i < holds_.size(); ++i) {
    if (!holds_[i].is_about(receipt.change)) continue;
    auto step = holds_[i].on_receipt(receipt, view());
    if (holds_[i].promoted() && receipt.deed == Deed::promoted) settled_[holds_[i].knob().key] = holds_[i].change().to;
    add(out, std::move(step.actions));
    if (step.end == Hold::End::none) return;
    end_hold(holds_[i], step, out);
    holds_.erase(holds_.begin() + static_cast<ptrdiff_t>(i));
    return;
  }
}

void Control::on(const Tick&, Actions& out) {
  for (size_t i = trials_.size(); i-- > 0;) {
    auto step = trials_[i].on_time(view());
    add(out, std::move(step.actions));
    if (!step.verdict) continue;
    conclude(trials_[i], *step.verdict, out);
    trials_.erase(trials_.begin() + static_cast<ptrdiff_t>(i));
  }
  renew(out);
}

void Control::on(const stream::Frame& frame, const Incidents& incidents, Actions& out) {
  history_.add(frame);
  for (const auto& id : left_over_) add(out, {Revert{id, "", "left from before a restart: its evidence is lost"}});
  left_over_.clear();
  note_series(incidents);
  step_trials(frame, out);
  step_holds(frame, out);
  decide_all(incidents, out);
  renew(out);
}

void Control::renew(Actions& out) {
  if (now_ - renewed_ < policy_.renew_ms * nanos_per_ms) return;
  renewed_ = now_;
  for (const auto& trial : trials_)
    if (trial.live()) out.push_back(Renew{trial.change().id, trial.change().lease_ms});
  for (const auto& hold : holds_)
    if (hold.probe() != nullptr) out.push_back(Renew{hold.probe()->id, hold.probe()->lease_ms});
}

// Since its onset it was as it is told when it is detected: a change that comes soon is compared with that, too.
void Control::note_series(const Symptom& symptom, int64_t second) {
  auto [series, fresh] = latest_.try_emplace(symptom.id);
  const int64_t onset = std::max(symptom.started / nanos_per_s, second - history_s);
  for (int64_t s = onset; fresh && s < second; ++s) series->second[s] = symptom.observed;
  series->second[second] = symptom.latest;
}

void Control::note_series(const Incidents& incidents) {
  int64_t second = now_ / nanos_per_s - 1;
  for (const Incident* incident : incidents)
    for (const auto& s : incident->symptoms)
      if (s.kind != SymptomKind::errors && s.kind != SymptomKind::latency) note_series(s, second);
  for (auto& [id, series] : latest_) series.erase(series.begin(), series.lower_bound(second - history_s));
  std::erase_if(latest_, [](const auto& series) { return series.second.empty(); });
}

void Control::step_trials(const stream::Frame& frame, Actions& out) {
  for (size_t i = trials_.size(); i-- > 0;) {
    auto step = trials_[i].on_frame(frame, view());
    add(out, std::move(step.actions));
    if (!step.verdict) continue;
    conclude(trials_[i], *step.verdict, out);
    trials_.erase(trials_.begin() + static_cast<ptrdiff_t>(i));
  }
}

void Control::conclude(Trial& trial, Verdict verdict, Actions& out) {
  const Change& change = trial.change();
  Case& known = case_of(change.incident);
  verdict.change = change.id;
  json told = to_json(verdict);
  told["incident"] = change.incident, told["knob"] = change.knob, told["to"] = to_json(change.to);
  out.push_back(record("verdict", told));
  std::string value = config::to_text(change.to);
  known.note({change.knob, value, verdict.kind, !trial.isolated(), tells_nothing(verdict) ? now_ : 0}, policy_, now_);
  known.wait_until = now_ + (verdict.kind == VerdictKind::pass ? after_verdict_ns(trial.goal()) : 2 * nanos_per_s);
  known.said.clear();
  bool tells = verdict.kind == VerdictKind::pass || verdict.kind == VerdictKind::fail ||
               (verdict.kind == VerdictKind::inconclusive && verdict.evidence != Evidence::restored_only);
  Effect key{.knob = change.knob, .to = direction_of(trial.knob(), change.from, change.to)};
  key.cause_kind = trial.cause_kind(), key.measure = trial.goal().measure;
  const double weight = key.cause_kind == "load" && is_jammed(verdict) ? jammed_weight : 1;
  if (tells) effects_.observe(key, verdict.kind == VerdictKind::pass, weight, now_);
  // A jam that feeds itself ends once and for all: that it did so under the change is worth less than a contrast.
  const bool ended = verdict.evidence == Evidence::restored_only && !trial.isolated();
  if (ended) effects_.observe(key, true, ended_weight, now_);
  if (verdict.kind == VerdictKind::pass) {
    add(out, {Promote{change.id, change.knob}});
    // Of instances none is held back as a control: it would be too many requests.
    const bool held_back = trial.isolated() && trial.knob().scope == config::KnobScope::request;
    holds_.emplace_back(trial.knob(), everywhere(change), trial.goal(), verdict, held_back, policy_, now_);
    const std::string& kind = trial.cause_kind();
    holds_.back().set_cause_kind(kind);
    holds_.back().set_guards(trial.guards());
    if (kind == "load" || kind == "saturated") holds_.back().wait_for_calm(trial.usual_per_s());
    notes_.push_back({Note::Kind::verified, change.incident, change.id});
    return;
  }
  if (!policy_.sabotage.no_revert)
    add(out, {Revert{change.id, change.knob, fmt::format("{}: {}", name_of(verdict.kind), verdict.why)}});
  if (verdict.evidence == Evidence::restored_only) return;
  known.failed++;
  // What did harm is not tried again soon, for any incident; what merely did not help, not for this one.
  if (verdict.kind == VerdictKind::inconclusive || verdict.kind == VerdictKind::no_data) return;
  permits_.cool(change.knob, value + (trial.isolated() ? "" : " ramp"), trial.cause(),
                now_ + policy_.cooldown_ms * nanos_per_ms);
}

void Control::step_holds(const stream::Frame& frame, Actions& out) {
  for (size_t i = holds_.size(); i-- > 0;) {
    bool free = !permits_.stopped() && std::none_of(trials_.begin(), trials_.end(), [&](const Trial& t) {
      return share_services(t.knob(), holds_[i].knob());
    });
    for (size_t j = 0; free && j < holds_.size(); ++j)
      free = j == i || holds_[j].probe() == nullptr || !share_services(holds_[j].knob(), holds_[i].knob());
    auto step = holds_[i].on_frame(frame, view(), free);
    add(out, std::move(step.actions));
    if (step.end == Hold::End::none) continue;
    end_hold(holds_[i], step, out);
    holds_.erase(holds_.begin() + static_cast<ptrdiff_t>(i));
  }
}

void Control::end_hold(const Hold& hold, const Hold::Out& how, Actions& out) {
  const Change& change = hold.change();
  if (hold.promoted()) settled_[change.knob] = change.from;
  out.push_back(record("hold_ended", {{"change", change.id},
                                      {"knob", change.knob},
                                      {"incident", change.incident},
                                      {"how", name_of(how.end)},
                                      {"why", how.why}}));
  Case& known = case_of(change.incident);
  known.wait_until = now_ + after_verdict_ns(hold.goal());
  known.said.clear();
  if (how.end == Hold::End::released) return forget_pass(hold);
  known.failed++;
  if (how.end == Hold::End::not_promoted) return forget_pass(hold);  // the actuator failed, not the value
  Effect key{.knob = change.knob, .to = direction_of(hold.knob(), change.from, change.to)};
  key.cause_kind = hold.cause_kind(), key.measure = hold.goal().measure;
  effects_.observe(key, false, 1, now_);
  known.broken.emplace_back(key.knob, key.to);
}

}  // namespace hs::loop
