#pragma once
// What goes wrong, and what would cure it. Known to the judge of the simulation only: nothing here reaches the loop.

#include <string>
#include <vector>

#include "sim/app.h"
#include "sim/dice.h"

namespace hs::sim {

struct Cure {
  int setting = -1;
  config::Value to;
};

struct Fault {
  std::string kind;
  int64_t start = 0, end = 0;  // seconds
  int service = -1, edge = -1, setting = -1;
  double size = 0;
  config::Value bad_base;     // bad_config: what the operator sets
  std::vector<Cure> cures;    // any of them; empty: no knob repairs it
  std::vector<double> flaky;  // share of requests that fail besides, by instance of the entries' service

  bool on(int64_t second) const { return second >= start && second < end; }
  void apply(App& app, int64_t second) const;  // on a healed application
};

// Incidents, then what is none: surge (a benign doubling of load), release (a new version that is as good), burst (one
// user's requests fail).
const std::vector<std::string>& fault_kinds();
// A fault of that kind somewhere in the application, or none if it has no place for one (kind is ""). May prepare the
// application (a retry storm needs a caller that retries).
Fault make_fault(const std::string& kind, App& app, Dice& dice, int64_t start, int64_t end);

}  // namespace hs::sim
