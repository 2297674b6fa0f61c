#pragma once
// What would have been: copies of the world with the same luck, in which everybody has these values. For judging what
// the loop did; the loop never sees it.

#include <vector>

#include "sim/faults.h"
#include "sim/values.h"

namespace hs::sim {

struct Score {  // of the requests of a second, or of several
  double n = 0, bad = 0, attacks = 0, let_in = 0;
  void add(const App& app, const Request& request);
  void add(const Score& other) { n += other.n, bad += other.bad, attacks += other.attacks, let_in += other.let_in; }
  double users() const { return n > 0 ? bad / n : 0; }  // share of honest requests that were served badly
  double attackers() const { return attacks > 0 ? let_in / attacks : 0; }  // share of guesses that were answered
  double total() const { return users() + attackers(); }
};

struct World {  // at one moment
  const App& app;
  const Dice& dice;
  const std::vector<Fault>& faults;
  int64_t second = 0;
};

// Of the coming seconds, with the faults of now, once what queued up before has drained.
Score would_be(const World& world, const std::vector<config::Value>& values);

struct Best {                       // what a human who knew everything could do with the knobs
  double untouched = 0, cured = 0;  // Score::total()
};
// One cure for each fault, from what they list.
Best best_of(const World& world, const std::vector<config::Value>& values);

}  // namespace hs::sim
