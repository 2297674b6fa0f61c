#pragma once
// Many runs, and what they amount to.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/world.h"

namespace hs::sim {

struct Options {
  uint64_t seeds = 60, from = 1;
  std::vector<std::string> kinds;  // in turns; none: all
  std::string mutant;
  double healthy_hours = 0;
  bool expectations = true, renamed = false, verbose = false;
  double export_s = 0, kept = 1;  // telemetry, see Weather; export_s 0: 1 or 2
  unsigned jobs = 1;              // runs at once: the output is the same
};

struct Tally {  // of one kind
  size_t runs = 0, felt = 0, curable = 0, repaired = 0, detected = 0, early = 0, promoted = 0, harmful = 0, left = 0;
  std::vector<double> detected_s, restored_s;
  double bad_on = 0, bad_off = 0;
};

// Verdicts against the truth, over all runs.
struct Verdicts {
  std::map<std::string, size_t> kinds;
  size_t null_trials = 0, null_passed = 0;          // changes that do nothing
  size_t good_trials = 0, good_failed = 0;          // changes that help, and a FAIL
  size_t honest_trials = 0, honest_mismatches = 0;  // telemetry that does not lie
  size_t traps = 0, sprung = 0;  // changes that harm, of knobs decided for an instance; and everybody had them
  size_t promotions = 0, useful = 0, moot = 0, harmful = 0;
  size_t tolls = 0, tolls_passed = 0;  // changes that repair their goal and break another objective
};

struct Summary {
  std::map<std::string, Tally> kinds;
  Verdicts verdicts;
  Healthy healthy;
  std::vector<std::string> violations;
};

Summary run_suite(const Options& options);
std::string text_of(const Summary& summary);

}  // namespace hs::sim
