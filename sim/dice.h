#pragma once
// All chance of a simulation, from one seed: the same seed gives the same world on every machine.

#include <cmath>
#include <cstdint>
#include <vector>

#include "loop/testing/dice.h"

namespace hs::sim {

// Copies of it make counterfactual worlds with the same luck.
class Dice : public loop::testing::Dice {
 public:
  using loop::testing::Dice::Dice;
  uint64_t below(uint64_t n) { return n == 0 ? 0 : next() % n; }
  int64_t integer(int64_t low, int64_t high) {  // both included
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low + 1)));
  }
  Dice split() { return Dice(next()); }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }
};

// How often each of n users comes: Zipf with exponent `skew`.
class Crowd {
 public:
  Crowd(size_t users, double skew) {
    double sum = 0;
    for (size_t i = 0; i < users; ++i) cumulative_.push_back(sum += 1 / std::pow(static_cast<double>(i + 1), skew));
  }
  size_t pick(Dice& dice) const {
    double at = dice.uniform() * cumulative_.back();
    size_t low = 0, high = cumulative_.size() - 1;
    while (low < high) {
      size_t middle = (low + high) / 2;
      if (cumulative_[middle] < at)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
  size_t size() const { return cumulative_.size(); }

 private:
  std::vector<double> cumulative_;
};

}  // namespace hs::sim
