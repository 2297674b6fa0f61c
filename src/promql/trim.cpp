// Trimming of native histograms (`</` and `>/`).

#include <algorithm>
#include <cmath>

#include "promql/buckets.h"
#include "promql/histogram_math.h"
#include "promql/quantile.h"

namespace hs::promql {
namespace {

struct Kept {
  double count = 0;
  double middle = 0;  // where the kept observations are taken to be, for the sum
};

double finite_or_zero(double v) { return std::isinf(v) ? 0 : v; }

double midpoint(double lower, double upper, bool positive, bool linear) {
  if (std::isinf(lower)) {
    if (std::isinf(upper)) return 0;
    return upper > 0 ? upper / 2 : upper;
  }
  if (std::isinf(upper)) return lower;
  if (linear) return (lower + upper) / 2;
  const double geometric = std::sqrt(std::abs(lower * upper));
  return positive ? geometric : -geometric;
}

// A bucket that reaches to -Inf: finite positive ends are taken to start at 0, as in quantiles.
Kept cut_below_infinity(const Bucket& b, double limit, bool upper) {
  if (upper) {
    if (limit >= b.upper) return {b.count, 0};
    if (limit > 0 && b.upper > 0 && !std::isinf(b.upper)) return {b.count * limit / b.upper, limit / 2};
    return b.upper <= 0 ? Kept{b.count, limit} : Kept{0, finite_or_zero(b.upper)};
  }
  if (limit <= b.lower) return {b.count, 0};
  if (limit >= 0 && b.upper > limit && !std::isinf(b.upper)) {
    return {b.count * (1 - limit / b.upper), (limit + b.upper) / 2};
  }
  return {0, finite_or_zero(b.upper)};
}

Kept cut(const Bucket& b, double limit, bool upper, bool positive, bool linear) {
  if (std::isinf(b.lower) && b.lower < 0) return cut_below_infinity(b, limit, upper);
  if (std::isinf(b.upper) && b.upper > 0) {
    return !upper && limit >= b.lower ? Kept{b.count, limit} : Kept{0, finite_or_zero(b.lower)};
  }
  const double under = b.count * fraction_below(b, limit, linear);
  return upper ? Kept{under, midpoint(b.lower, limit, positive, linear)}
               : Kept{b.count - under, midpoint(limit, b.upper, positive, linear)};
}

Kept cut_zero(const Bucket& zero, double limit, bool upper, bool has_negative, bool has_positive) {
  const double low = has_positive && !has_negative ? 0 : zero.lower;
  const double high = has_negative && !has_positive ? 0 : zero.upper;
  const Kept all{zero.count, (low + high) / 2};
  if (limit <= low) return upper ? Kept{} : all;
  if (limit >= high) return upper ? all : Kept{};
  const double part = (upper ? limit - low : high - limit) / (high - low);
  return {zero.count * part, upper ? (low + limit) / 2 : (limit + high) / 2};
}

class Trimmer {
 public:
  Trimmer(double limit, bool upper, bool custom) : limit_(limit), upper_(upper), custom_(custom) {}

  // Trims the counts of one side; true when it has any.
  bool side(const std::vector<Bucket>& buckets, std::vector<double>& counts, bool positive) {
    bool any = false;
    for (size_t i = 0; i < buckets.size(); ++i) {
      const Bucket& b = buckets[i];
      if (b.count == 0) continue;
      any = true;
      const bool inside = upper_ ? b.upper <= limit_ : b.lower >= limit_;
      const bool crossed = upper_ ? b.lower < limit_ : b.upper > limit_;
      const Kept kept = inside    ? Kept{b.count, midpoint(b.lower, b.upper, positive, custom_)}
                        : crossed ? cut(b, limit_, upper_, positive, custom_)
                                  : Kept{};
      keep(kept, counts[i]);
    }
    return any;
  }

  void keep(const Kept& kept, double& count) {
    total_ += kept.count;
    sum_ += kept.middle * kept.count;
    changed_ |= count != kept.count;
    count = kept.count;
  }

  void write_totals(Histogram& h) const {
    if (!changed_) return;
    h.count = total_;
    h.sum = sum_;
  }

 private:
  double limit_;
  bool upper_;
  bool custom_;
  double total_ = 0;
  double sum_ = 0;
  bool changed_ = false;
};

}  // namespace

HistogramPtr trimmed(const Histogram& h, double limit, bool upper) {
  Histogram out = h;
  Trimmer trimmer(limit, upper, h.custom());
  const bool positive = trimmer.side(positive_buckets(h), out.positive, true);
  const bool negative = trimmer.side(negative_buckets(h), out.negative, false);
  if (h.zero_count > 0) {
    trimmer.keep(cut_zero(zero_bucket(h), limit, upper, negative, positive), out.zero_count);
  }
  trimmer.write_totals(out);
  return HistogramSum(out).finish();
}

}  // namespace hs::promql
