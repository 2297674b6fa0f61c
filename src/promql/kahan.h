#pragma once
// Sums that carry their rounding error along (Kahan, with Neumaier's improvement).

#include <cmath>

namespace hs::promql {

struct KahanSum {
  double sum = 0;
  double error = 0;

  void add(double x) {
    const double t = sum + x;
    if (std::isinf(t)) {
      error = 0;
    } else if (std::abs(sum) >= std::abs(x)) {
      error += (sum - t) + x;
    } else {
      error += (x - t) + sum;
    }
    sum = t;
  }
  void scale(double factor) {
    sum *= factor;
    error *= factor;
  }
  double value() const { return std::isinf(sum) ? sum : sum + error; }
};

// The mean, as the sum over the count while the sum is finite and incrementally from where it overflows.
class KahanMean {
 public:
  void add(double x) {
    ++count_;
    if (count_ == 1) {
      total_ = {x, 0};
      return;
    }
    if (!incremental_) {
      KahanSum next = total_;
      next.add(x);
      if (!std::isinf(next.sum)) {
        total_ = next;
        return;
      }
      incremental_ = true;
      total_ = {total_.sum / (count_ - 1), total_.error / (count_ - 1)};
    }
    total_.scale((count_ - 1) / count_);
    total_.add(x / count_);
  }
  double value() const {
    return incremental_ ? total_.sum + total_.error : total_.sum / count_ + total_.error / count_;
  }

 private:
  KahanSum total_;  // the sum, or the mean once incremental
  double count_ = 0;
  bool incremental_ = false;
};

}  // namespace hs::promql
