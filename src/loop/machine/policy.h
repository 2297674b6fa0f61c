#pragma once
// The numbers that the loop acts by. Defaults are for tens of requests a second; settings `loop.*` override some.

#include <cstddef>
#include <cstdint>

#include "loop/verify/canary.h"
#include "loop/verify/ramp.h"

namespace hs::loop {

// Ways to break the loop on purpose: the simulator proves that its laws notice each. Never set by configuration.
struct Sabotage {
  bool no_lease = false;           // candidates never expire
  bool swapped_arms = false;       // treated and control are confused
  bool first_look = false;         // the first look decides
  bool no_mismatch_check = false;  // the treated are believed to be who they are said to be
  bool no_corroboration = false;   // one sender is believed
  bool no_revert = false;          // a failed candidate is kept
  bool everybody_first = false;    // a knob of instance scope is not tried on one instance first
};

struct Policy {
  bool act = true;  // false: say what would be done
  int64_t lease_ms = 10'000;
  int64_t renew_ms = 1'000;
  size_t changes_per_hour = 60;
  size_t changes_per_incident = 6;
  int64_t cooldown_ms = 5 * 60'000;  // for a value that did not help
  int64_t retry_ms = 15'000;         // after a verdict that told nothing of the value; four times it the next time
  size_t retries_max = 2;            // of one value for one incident
  CanaryLimits canary;
  RampLimits ramp;
  double exposure_max = 0.4;   // of a canary. Not a half: with halves, exchanged arms could not be noticed
  double verdict_goal_s = 5;   // the least exposure that promises a verdict within it is chosen
  int64_t stage_ms = 9'000;    // a canary without a verdict by then gets the greatest exposure, with new arms
  double veto_exposure = 0.2;  // first exposure of a shared effect
  int64_t veto_ms = 4'000;
  int64_t receipt_ms = 5'000;        // the actuator answers within it, or the change is taken back
  int64_t explain_ms = 3'000;        // how long a detected incident may wait for its explanation
  int64_t explained_ms = 2'500;      // before everybody is exposed, the first cause has been the first for so long
  int64_t after_verdict_ms = 8'000;  // data of the time before have passed: only then is the incident looked at again
  double hold_back = 0.05;           // of an isolated change, for as long as it is held
  int64_t hold_ms = 30'000;          // before a shared change is tried without; doubles each time it is still needed
  int64_t hold_max_ms = 30 * 60'000;
  int64_t undo_ms = 15 * 60'000;  // how long a change counts as recent
  Sabotage sabotage;
};

}  // namespace hs::loop
