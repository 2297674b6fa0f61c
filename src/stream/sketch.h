#pragma once
// A mergeable quantile sketch with bounded relative error: DDSketch (Masson, Rim, Lee, VLDB 2019), logarithmic buckets.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace hs::stream {

// Holds positive values (anything <= 1e-6 counts as zero). quantile() is within 1 % of a true value of that rank.
class Sketch {
 public:
  using Buckets = std::vector<std::pair<int32_t, double>>;  // (index, weight), by index, rising

  static constexpr double relative_error = 0.01;
  static constexpr size_t buckets_max = 2048;  // covers 17 decades at 1 %; beyond, the lowest buckets collapse

  void add(double value, double weight = 1);
  void merge(const Sketch& other);
  void scale(double factor);        // multiplies all weights: forgetting
  double quantile(double q) const;  // q in [0, 1]; 0 when empty
  double count() const { return count_; }
  double sum() const { return sum_; }
  // Weight of values <= limit, to within the relative error of `limit`.
  double count_at_most(double limit) const;

  const Buckets& buckets() const { return buckets_; }
  double zeros() const { return zeros_; }
  // Rebuilds a recorded sketch. `count` as it was: a sum in another order may differ in its last bit.
  static Sketch from(Buckets buckets, double zeros, double sum, std::optional<double> count = std::nullopt);

 private:
  void add_bucket(int32_t index, double weight);
  void collapse_lowest();

  Buckets buckets_;
  double zeros_ = 0, count_ = 0, sum_ = 0;
};

}  // namespace hs::stream
