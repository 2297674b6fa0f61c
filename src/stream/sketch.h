#pragma once
// A mergeable quantile sketch with bounded relative error: DDSketch (Masson, Rim, Lee, VLDB 2019), logarithmic buckets.

#include <cstddef>
#include <cstdint>
#include <map>

namespace hs::stream {

// Holds positive values (anything <= 1e-6 counts as zero). quantile() is within 1 % of a true value of that rank.
class Sketch {
 public:
  static constexpr double relative_error = 0.01;
  static constexpr size_t buckets_max = 2048;  // covers 1 us .. 10^13 us at 1 %; the lowest buckets collapse first

  void add(double value, double weight = 1);
  void merge(const Sketch& other);
  double quantile(double q) const;  // q in [0, 1]; 0 when empty
  double count() const { return count_; }
  double sum() const { return sum_; }
  // Weight of values <= limit, to within the relative error of `limit`.
  double count_at_most(double limit) const;

  const std::map<int32_t, double>& buckets() const { return buckets_; }
  double zeros() const { return zeros_; }
  // Rebuilds a recorded sketch.
  static Sketch from(std::map<int32_t, double> buckets, double zeros, double sum);

 private:
  std::map<int32_t, double> buckets_;
  double zeros_ = 0, count_ = 0, sum_ = 0;
};

}  // namespace hs::stream
