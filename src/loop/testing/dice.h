#pragma once
// Seeded randomness for tests and evals: fast, the same on every machine. Not thread-safe.

#include <cmath>
#include <cstdint>

namespace hs::loop::testing {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint64_t next() {  // SplitMix64
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double between(double low, double high) { return low + (high - low) * uniform(); }
  int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }
  bool chance(double p) { return uniform() < p; }
  double normal() {
    const double u = uniform(), v = uniform();
    return std::sqrt(-2 * std::log(u + 1e-300)) * std::cos(6.283185307179586 * v);
  }
  double lognormal(double median, double sigma) { return median * std::exp(sigma * normal()); }
  double exponential(double mean) { return -mean * std::log(1 - uniform()); }
  int poisson(double mean) {
    if (mean > 60) return static_cast<int>(std::max(0.0, std::round(mean + std::sqrt(mean) * normal())));
    const double limit = std::exp(-mean);
    int n = 0;
    for (double p = uniform(); p > limit; p *= uniform()) ++n;
    return n;
  }
  int binomial(int n, double p) {
    int hits = 0;
    for (int i = 0; i < n; ++i) hits += chance(p);
    return hits;
  }

 private:
  uint64_t state_;
};

}  // namespace hs::loop::testing
