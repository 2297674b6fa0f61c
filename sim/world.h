#pragma once
// One run: an application, something that goes wrong, the real loop, and a judge who sees everything.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loop/machine/control.h"
#include "sim/app.h"
#include "sim/faults.h"
#include "sim/laws.h"
#include "sim/oracle.h"
#include "sim/telemetry.h"
#include "sim/values.h"

namespace hs::sim {

struct Scenario {
  uint64_t seed = 0;
  std::string kind;  // a fault's, or healthy, two, forged, survivors, inverted
  int64_t warm_s = 80, fault_s = 90, after_s = 70;
  bool expectations = true;
  bool kill = false;    // the loop dies once and comes back
  bool twins = true;    // judge promotions by what would have been
  double right = 0.85;  // how often the explanation is right
  loop::Policy policy;
};

struct Promotion {
  std::string knob;
  int64_t second = 0;
  double without = 0, with = 0;  // bad share in the 15 s after, in the two worlds
  bool useful() const { return with < 0.75 * without || without - with > 0.03; }
  bool moot() const { return without < 0.02 && with < 0.02; }  // the fault ended in the very moment of the verdict
  bool harmful() const { return with > 1.25 * without + 0.02; }
};

struct Judgement {
  std::string kind;
  bool felt = false;      // the fault hurt users
  bool curable = false;   // a knob repairs it
  bool restored = false;  // the objective held again while the fault went on
  double restored_s = 0;  // after the injection
  double detected_s = -1, changed_s = -1, promoted_s = -1;
  double bad_on = 0, bad_off = 0;  // bad requests during the fault, with the loop and without
  size_t changes = 0;
  std::vector<Promotion> promotions;
  std::map<std::string, int> verdicts;
  std::string last_decision;
  std::vector<std::string> violations;
  std::vector<std::string> story;  // of every decision, for people
};

Judgement run(const Scenario& scenario, bool verbose = false);

// Hours without a fault: changes made, service-hours watched.
struct Healthy {
  double service_hours = 0;
  size_t changes = 0, incidents = 0;
  std::vector<std::string> violations;
};
Healthy run_healthy(uint64_t seed, double hours, const loop::Policy& policy);

}  // namespace hs::sim
