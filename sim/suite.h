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
  std::string kind, mutant;
  double healthy_hours = 0;
  bool expectations = true, verbose = false;
};

struct Tally {  // of one kind
  size_t runs = 0, felt = 0, curable = 0, restored = 0, repaired = 0, promoted = 0;
  std::vector<double> restored_s, changed_s, promoted_s;
  double bad_on = 0, bad_off = 0;
};

struct Summary {
  std::map<std::string, Tally> kinds;
  std::map<std::string, int> verdicts;
  size_t promotions = 0, useful = 0, moot = 0, harmful = 0, changes = 0;
  Healthy healthy;
  std::vector<std::string> violations;
};

Summary run_suite(const Options& options);
std::string text_of(const Summary& summary);

// 95 % interval of a rate of `events` in `exposure` (Garwood), and of a share (Wilson).
std::pair<double, double> rate_interval(double events, double exposure);
std::pair<double, double> share_interval(double events, double n);

}  // namespace hs::sim
