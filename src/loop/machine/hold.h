#pragma once
// A promoted change for as long as it is in force: watched against a small share that keeps the old value (isolated
// knobs), taken back when it harms or stops helping, released when the fault that it was for is gone.
//
// The share that keeps the old value is a candidate of its own on top of the promoted value, under a lease: if the loop
// dies, everybody has the promoted value. Widening that candidate is how a release is tried.

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "config/declarations.h"
#include "loop/events.h"
#include "loop/machine/policy.h"
#include "loop/machine/trial.h"
#include "loop/verify/arms.h"

namespace hs::loop {

class Hold {
 public:
  enum class End : uint8_t { none, harmful, useless, released, not_promoted };
  struct Out {
    std::vector<Action> actions;
    End end = End::none;
    std::string why;
  };

  Hold(config::Knob knob, Change change, Goal goal, Verdict verdict, bool isolated, const Policy& policy, UnixNanos at);

  Out on_receipt(const Receipt& receipt, const View& view);
  // `may_probe`: no other change is in flight for the knob's services.
  Out on_frame(const stream::Frame& frame, const View& view, bool may_probe);
  // The change took load off: it is not released while the goal's requests come at more than crowd_factor times this
  // rate (a second). 0: load does not matter.
  void wait_for_calm(double usual_per_s) { usual_per_s_ = usual_per_s; }
  void set_cause_kind(std::string kind) { cause_kind_ = std::move(kind); }  // what was repaired, for what is learned
  const std::string& cause_kind() const { return cause_kind_; }
  void set_guards(StateGuards guards) { guards_ = std::move(guards); }  // of the trial
  // Ends the probe, because another change wants its place.
  std::vector<Action> yield_place(const View& view);

  const Change& change() const { return change_; }
  const config::Knob& knob() const { return knob_; }
  const Goal& goal() const { return goal_; }
  bool promoted() const { return promoted_; }
  UnixNanos since() const { return since_; }
  // A few are held back, and all others are well: what is left of the incident is theirs.
  bool sufficient() const { return phase_ != Phase::quiet && others_well_; }
  // The probe's change, when there is one to renew.
  const Change* probe() const { return phase_ == Phase::quiet ? nullptr : &probe_; }
  bool is_about(const std::string& change) const {
    return change == change_.id || (phase_ != Phase::quiet && change == probe_.id);
  }

  nlohmann::json snapshot() const;  // a probe under way is forgotten: its lease ends it
  static Result<Hold> restore(const nlohmann::json& from, const config::Declarations& declarations,
                              const Policy& policy);

 private:
  enum class Phase : uint8_t { quiet, asked, held_back, releasing };
  double held_back_share(const View& view) const;
  size_t units_to_release() const;
  int64_t epoch_of_ms() const;
  Out ask_share(const View& view, double exposure, std::string reason);
  Out start_probe(const View& view, double exposure);
  Out end_probe(const View& view, std::string why, bool needed);
  Out watch_held_back(const stream::Frame& frame, const View& view);
  Out watch_release(const stream::Frame& frame, const View& view);
  Out watch_shared_release(const View& view);
  Out release(const View& view, std::string why);
  Out take_back(const View& view, End end, std::string reason, std::string why);
  std::optional<std::string> broken_since(const View& view) const;
  void new_epoch(UnixNanos at);
  double gone_log_odds() const;
  bool benefit_gone(const View& view) const;
  bool is_unheard(const stream::Frame& frame) const;
  bool is_crowded(const View& view) const;
  std::vector<Block> lately(const View& view, int64_t from, int64_t to) const;

  config::Knob knob_;
  Change change_, probe_;
  Goal goal_;
  Verdict verdict_;
  bool isolated_, promoted_ = false, others_well_ = false;
  Policy policy_;
  Phase phase_ = Phase::quiet;
  // Without a gap: what arrives just after one is of the time when nobody looked.
  UnixNanos watched_since_ = 0, last_frame_ = 0;
  UnixNanos since_, probe_since_ = 0, epoch_since_ = 0, next_probe_;
  int64_t wait_ms_;
  double usual_per_s_ = 0;
  std::string cause_kind_;
  StateGuards guards_;
  std::optional<Arms> arms_;  // treated: those who have the old value again
  std::optional<Looks> looks_;
};

std::string_view name_of(Hold::End end);

}  // namespace hs::loop
