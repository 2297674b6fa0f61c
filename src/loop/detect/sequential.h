#pragma once
// Sequential tests for departures: pure arithmetic on counts, no names, no clocks.
//
// Each is an e-detector (Shin, Ramdas, Rinaldo, "E-detectors", 2023) of the CUSUM kind: for every alternative a
// likelihood ratio that starts again whenever it falls below 1; the mean over the alternatives is compared with a
// threshold c. If the model before the change holds, the expected time to a false alarm is at least c blocks, however
// often one looks.
//
// Assumptions, and what is done where they fail:
//   - a block is one second of arrivals. Errors cluster (one user, one retry storm): the log likelihood ratio is
//   divided
//     by the overdispersion that the healthy past showed over 10-s blocks, so that a cluster counts about once.
//   - the healthy share is known from the past: its upper bound is used, with a margin.
//   - one block may add at most a part of the threshold (`cap`), so that no alarm rests on less than three seconds.

#include <array>
#include <cstddef>

namespace hs::loop {

// A share of bad events rises above p0.
class Departure {
 public:
  static constexpr size_t alternatives = 4;
  static constexpr std::array<double, alternatives> odds{2.5, 6, 20, 100};

  // `smallest`: shares below it are not worth an alarm. `bad` of `n` events in this block.
  void add(double bad, double n, double p0, double smallest, double overdispersion, double cap);
  double log_evidence() const;  // log of the mixture; compare with log(c)
  bool quiet() const;           // nothing has been collected since the last restart
  void reset() { logs_.fill(0); }

 private:
  std::array<double, alternatives> logs_{};
};

// The log likelihood ratio of one block, p1 against p0.
double log_ratio(double bad, double n, double p0, double p1);
// The share whose odds are `odds` times those of p.
double with_odds(double p, double odds);

// A rate falls below `expected` (drop), or rises above it (surge): Poisson counts per block.
class RateChange {
 public:
  enum class Direction { drop, surge };
  explicit RateChange(Direction direction) : direction_(direction) {}
  void add(double count, double expected, double overdispersion, double cap);
  double log_evidence() const;
  void reset() { logs_.fill(0); }

 private:
  Direction direction_;
  std::array<double, 2> logs_{};
};

// Variance of counts over blocks, relative to binomial (or Poisson): 1 when events are independent.
class Overdispersion {
 public:
  // A healthy block: `bad` of `n`, when p is usual.
  void add(double bad, double n, double p);
  double value() const { return weighted_ / weight_ > 1 ? weighted_ / weight_ : 1; }
  double weighted() const { return weighted_; }
  double weight() const { return weight_; }
  void restore(double weighted, double weight) { weighted_ = weighted, weight_ = weight; }

 private:
  static constexpr double prior = 1.5, prior_weight = 6;  // clustering is the rule; six blocks of evidence against it
  static constexpr double memory = 90;                    // blocks: a quarter of an hour
  static constexpr double block_max = 40;  // one block says at most that: a fault that was learned must not blind us
  double weighted_ = prior * prior_weight, weight_ = prior_weight;
};

}  // namespace hs::loop
