#pragma once
// All chance of a simulation, from one seed: the same seed gives the same world on every machine.

#include <cmath>
#include <cstdint>
#include <vector>

namespace hs::sim {

// SplitMix64 (Steele, Lea, Flood 2014): tiny, and copies of it make counterfactual worlds with the same luck.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double between(double low, double high) { return low + (high - low) * uniform(); }
  uint64_t below(uint64_t n) { return n == 0 ? 0 : next() % n; }
  int64_t integer(int64_t low, int64_t high) {  // both included
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low + 1)));
  }
  bool chance(double p) { return uniform() < p; }
  double exponential(double mean) { return -mean * std::log(1 - uniform()); }
  double normal() { return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(2 * 3.141592653589793 * uniform()); }
  double lognormal(double median, double sigma) { return median * std::exp(sigma * normal()); }
  Dice split() { return Dice(next()); }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  uint64_t state_;
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
