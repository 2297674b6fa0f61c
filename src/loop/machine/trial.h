#pragma once
// One change from its first exposure to its verdict. Tells what to ask of the actuator; decides nothing else.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/declarations.h"
#include "loop/events.h"
#include "loop/machine/policy.h"
#include "loop/verify/canary.h"
#include "loop/verify/goal.h"
#include "loop/verify/guards.h"
#include "loop/verify/instances.h"
#include "loop/verify/past.h"
#include "loop/verify/ramp.h"

namespace hs::loop {

// What a step may look at. Owned by Control; valid during the step.
struct View {
  const Past* history = nullptr;
  const config::Declarations* declarations = nullptr;
  const std::map<std::string, Latest>* latest = nullptr;  // by symptom id
  UnixNanos now = 0;
  std::function<std::string()> new_id;
  const Latest& of(const Goal& goal) const;  // the goal's measure, where only the detector can compute it
};

class Trial {
 public:
  struct Out {
    std::vector<Action> actions;
    std::optional<Verdict> verdict;
  };

  // `change`: all but exposure and lease. `ramp`: judged without a control group.
  Trial(config::Knob knob, Change change, Goal goal, bool ramp, const Policy& policy);

  // Before begin(): one instance has it first. Nothing changes when the plan names none.
  void first_on(InstancePlan plan) { plan_ = std::move(plan), plan_.decisive &= isolated_; }
  Out begin(const View& view);
  Out on_receipt(const Receipt& receipt, const View& view);
  Out on_frame(const stream::Frame& frame, const View& view);
  Out on_time(const View& view);  // what ends without data: a receipt that never comes

  const Change& change() const { return change_; }
  const Goal& goal() const { return goal_; }
  const config::Knob& knob() const { return knob_; }
  bool isolated() const { return isolated_; }
  bool live() const { return live_; }  // there is a candidate to renew
  bool is_about(const std::string& change) const { return change == change_.id; }
  UnixNanos begun() const { return begun_; }
  const std::string& cause_kind() const { return cause_kind_; }
  const std::string& cause() const { return cause_; }
  void set_cause(std::string entity, std::string kind) { cause_ = std::move(entity), cause_kind_ = std::move(kind); }
  double usual_per_s() const { return usual_per_s_; }  // of the goal's requests, before the incident
  std::optional<Contrast> contrast() const;            // evidence so far; nothing without a control group
  const StateGuards& guards() const { return guards_; }

 private:
  enum class Phase : uint8_t { asked, canary, veto, instance, widening, full, switching_off, off, switching_on };
  void wait_for_telemetry(const Past& history);
  void listen(UnixNanos start);
  Out ask(const View& view, double exposure, Phase phase);
  Out ask_again(const View& view, double exposure, Phase phase);  // under a new id: with new arms
  Canary make_canary(const Receipt& receipt, const View& view) const;
  bool is_over(const View& view) const;
  std::optional<Verdict> guarded(std::optional<Verdict> judged, const View& view) const;
  Out step_canary(const stream::Frame& frame, const View& view);
  Out step_veto(const stream::Frame& frame, const View& view);
  void begin_instance(const Receipt& receipt, const View& view);
  Out step_instance(const stream::Frame& frame, const View& view);
  CanaryLimits limits() const;
  Out step_full(const stream::Frame& frame, const View& view);
  std::optional<Verdict> unread(const View& view);
  double exposure_for(const View& view) const;
  Verdict verdict(VerdictKind kind, std::string why) const;

  config::Knob knob_;
  Change change_;
  Goal goal_;
  Policy policy_;
  bool isolated_, live_ = false;
  Phase phase_ = Phase::asked;
  UnixNanos begun_ = 0, since_ = 0;
  std::string cause_, cause_kind_;
  double usual_per_s_ = 0;
  StateGuards guards_;
  std::optional<Canary> canary_;
  InstancePlan plan_;
  std::optional<InstanceArms> instances_;
  std::optional<Ramp> ramp_;
  std::optional<Arms> claims_;  // ramp: who reports the candidate
  std::optional<ServedCounts> served_;
  Doubt doubt_;
  bool adopted_ = true;  // somebody has read the candidate
  double carried_ = 0;
  int stage_ = 1;
};

}  // namespace hs::loop
