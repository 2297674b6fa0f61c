#pragma once
// Instances as arms, for knobs that are decided for an instance. One instance has the candidate first; its 5-s blocks
// are compared with its own past and with what happened to the others meanwhile (evidence.h: difference in
// differences), because instances are few and unequal. Who is treated is our own choice, by name; that it really is, is
// told by the instance's own evaluations (feature_flag.*) and by what `values` served.
//
// Where the effect stays inside the instance, and the goal's requests are the instance's own, the stage ends in a
// verdict. Otherwise it can only veto: harm to the instance's own requests ends it, before everybody is exposed.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/declarations.h"
#include "loop/types.h"
#include "loop/verify/arms.h"
#include "loop/verify/canary.h"
#include "loop/verify/evidence.h"
#include "loop/verify/goal.h"
#include "loop/verify/match.h"
#include "loop/verify/past.h"

namespace hs::loop {

inline constexpr int64_t instance_block_s = 5;  // the unit of analysis
inline constexpr size_t instances_max = 20;     // compared; more add little, and each costs a look at all its series

struct InstancePlan {
  std::string treated;              // "": there are not two instances that can be told apart
  std::vector<std::string> others;  // at most instances_max - 1
  size_t known = 0;                 // instances that can be told apart
  bool decisive = false;            // may end in PASS; else a veto
  double share() const { return known > 0 ? 1 / static_cast<double>(known) : 1; }
};
// Which instance has a new value of this knob first: of those that suffer, where that can be seen, the one with the
// fewest requests that are enough to tell something. Nothing for knobs of another scope.
InstancePlan plan_instances(const config::Knob& knob, const Goal& goal, const Past& history);

struct InstanceSetup {
  std::string knob;
  std::vector<std::string> services;  // that read it
  int64_t revision = 0;
  InstancePlan plan;
  UnixNanos start = 0;   // from then on `values` answers with the candidate
  bool swapped = false;  // sabotage
};

class InstanceArms {
 public:
  InstanceArms(InstanceSetup setup, CanaryLimits limits, Goal goal, const Past& history,
               const config::Declarations& declarations);
  void add(const stream::Frame& frame);
  // Once a frame. Nothing yet, a verdict, or (of a veto) nothing and vetted().
  std::optional<Verdict> judge(const Past& history, UnixNanos now);
  // The instance had the candidate for a block and longer, and no harm was seen.
  bool vetted() const { return vetted_; }
  Contrast contrast() const;  // for the console: the goal's requests, so far

 private:
  struct Told {  // requests, by what their evaluation reports
    uint64_t candidate = 0, other = 0;
    bool mostly(uint64_t which) const;
  };
  struct Requests {
    Scope scope;
    Bad bad;
  };
  void add_requests(const Past& history, const config::Declarations& declarations);
  std::optional<Verdict> judge_match(UnixNanos now);
  std::optional<std::string> odd() const;
  std::optional<Verdict> judge_worse(const Past& history);
  std::optional<Verdict> judge_better(const Past& history, UnixNanos now);
  std::optional<Verdict> judge_end(const Past& history, UnixNanos now) const;
  std::optional<Verdict> judge_veto(const Past& history, UnixNanos now);
  Lived lived(const Past& history, const std::string& instance, Aspect aspect) const;
  Difference difference(const Past& history, Aspect aspect) const;
  bool others_recovered(const Past& history) const;
  int64_t after_from() const;
  Verdict verdict(VerdictKind kind, std::string why) const;

  InstanceSetup setup_;
  CanaryLimits limits_;
  Goal goal_;
  std::vector<Requests> requests_[measured_count];
  int64_t before_from_ = 0, before_to_ = 0, settle_s_ = 1;
  ServedCounts served_;
  Told mine_, others_;
  UnixNanos adopted_ = 0;  // when the treated instance's first request with the candidate began
  Doubt doubt_;
  Looks better_;
  std::vector<Looks> worse_;  // by aspect
  bool is_better_ = false, quiet_ = true, vetted_ = false;
  Difference seen_;
};

}  // namespace hs::loop
