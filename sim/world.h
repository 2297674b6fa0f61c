#pragma once
// One run: an application, something that goes wrong, the real loop, and a judge who sees everything.

#include <map>
#include <string>
#include <vector>

#include "loop/machine/policy.h"

namespace hs::sim {

struct Scenario {
  uint64_t seed = 0;
  std::string kind;  // see scenario_kinds()
  int64_t warm_s = 90, fault_s = 90, after_s = 60;
  bool expectations = true, renamed = false;
  bool dies = false;   // the loop is killed once, at any moment, and comes back
  bool judged = true;  // by what would have been, which costs time
  bool replayed = true;
  loop::Policy policy;
  double export_s = 0, kept = 1;  // see Options
};
// Every kind of fault, and what goes wrong with the loop's own senses and hands: two (faults), forged, survivors,
// inverted (telemetry lies), late, lossy, killed (while a change is in flight), stopped (by the operator), budget.
const std::vector<std::string>& scenario_kinds();

struct Trial {  // one change, from its decision to its verdict, and the truth about it
  std::string knob, verdict, evidence;
  int64_t second = 0;
  bool by_instance = false, everybody = false;  // its knob is decided for an instance; and all of them had it
  bool breaks = false;                          // what else was declared (kind tradeoff) ...
  bool seen = false;                            // ... and requests of either arm show it: an objective, no KPI
  double without = 0, with = 0;                 // bad share of the coming seconds in two worlds with the same luck
  bool null() const { return with == without; }
  bool good() const { return with < 0.75 * without && without - with > 0.03; }
  bool harmful() const { return with > 1.25 * without + 0.02; }
  bool moot() const { return without < 0.02 && with < 0.02; }  // the fault ended in the very moment of the verdict
};

struct Judgement {
  std::string kind;
  bool felt = false;      // the fault hurt users
  bool curable = false;   // knobs repair it
  bool restored = false;  // users were served well again while the fault went on
  double restored_s = 0;  // after the injection
  double detected_s = -1, changed_s = -1;
  double bad_on = 0, bad_off = 0;                 // bad requests during the fault, with the loop and without
  size_t changes = 0, incidents = 0, before = 0;  // before: incidents that were opened before anything was wrong
  size_t left = 0;                                // knobs that were promoted and still are
  std::vector<Trial> trials;
  std::string last_decision;
  std::vector<std::string> violations;
  std::vector<std::string> story;  // of every decision, for people
};

Judgement run(const Scenario& scenario, bool verbose = false);

// Hours without a fault, but not quiet: load that doubles, new versions, one user whose requests fail, stalls.
struct Healthy {
  double system_hours = 0, service_hours = 0;
  size_t changes = 0, incidents = 0;
  std::vector<std::string> violations, story;
};
Healthy run_healthy(Scenario scenario, double hours, bool verbose = false);

}  // namespace hs::sim
