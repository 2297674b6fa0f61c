#include "promql/quantile.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hs::promql {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
// Relative differences between neighbouring counts below this are rounding errors.
constexpr double small_delta = 1e-12;

bool almost_equal(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  const double total = std::abs(a) + std::abs(b);
  const double diff = std::abs(a - b);
  constexpr double tiny = std::numeric_limits<double>::min();
  if (a == 0 || b == 0 || total < tiny) return diff < small_delta * tiny;
  return diff / std::min(total, std::numeric_limits<double>::max()) < small_delta;
}

// Sorts, and adds up buckets of the same bound. False when the highest bound is not +Inf.
bool prepare(std::vector<ClassicBucket>& buckets) {
  std::sort(buckets.begin(), buckets.end(), [](const auto& a, const auto& b) { return a.upper < b.upper; });
  if (buckets.empty() || buckets.back().upper != infinity) return false;
  size_t last = 0;
  for (size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i].upper == buckets[last].upper) {
      buckets[last].count += buckets[i].count;
    } else {
      buckets[++last] = buckets[i];
    }
  }
  buckets.resize(last + 1);
  return true;
}

void make_monotonic(std::vector<ClassicBucket>& buckets, ClassicQuantile& out) {
  out.min_bucket = infinity;
  out.max_bucket = -infinity;
  double before = buckets[0].count;
  for (ClassicBucket& b : buckets) {
    if (b.count == before) continue;
    if (almost_equal(before, b.count)) {
      b.count = before;
    } else if (b.count < before) {
      out.forced_monotonic = true;
      out.min_bucket = std::min(out.min_bucket, b.upper);
      out.max_bucket = std::max(out.max_bucket, b.upper);
      out.max_diff = std::max(out.max_diff, before - b.count);
      b.count = before;
    } else {
      before = b.count;
    }
  }
}

double interpolated_quantile(double q, const std::vector<ClassicBucket>& buckets) {
  const double observations = buckets.back().count;
  if (buckets.size() < 2 || observations == 0) return nan;
  double rank = q * observations;
  const auto end = buckets.end() - 1;
  const auto at = std::find_if(buckets.begin(), end, [&](const auto& b) { return b.count >= rank; });
  if (at == end) return buckets[buckets.size() - 2].upper;
  if (at == buckets.begin() && at->upper <= 0) return at->upper;
  const ClassicBucket before = at == buckets.begin() ? ClassicBucket{} : *(at - 1);
  return before.upper + (at->upper - before.upper) * ((rank - before.count) / (at->count - before.count));
}

// Looks for the ranks of two values while buckets pass by in ascending order.
class RankFinder {
 public:
  RankFinder(double lower, double upper) : values_{lower, upper} {}

  // `rank`: observations before the bucket; `inside` gives the rank of a value within it. True when both are found.
  template <class Inside>
  bool bucket(double from, double to, double rank, Inside inside) {
    for (int i = 0; i < 2; ++i) {
      if (found_[i]) continue;
      if (from >= values_[i]) {
        set(i, rank);
      } else if (from < values_[i] && to > values_[i]) {
        set(i, inside(values_[i]));
      }
    }
    return found_[0] && found_[1];
  }

  double difference(double count) const {
    double ranks[2];
    for (int i = 0; i < 2; ++i) ranks[i] = !found_[i] || ranks_[i] > count ? count : ranks_[i];
    return ranks[1] - ranks[0];
  }

 private:
  void set(int i, double rank) {
    ranks_[i] = rank;
    found_[i] = true;
  }

  double values_[2];
  double ranks_[2] = {0, 0};
  bool found_[2] = {false, false};
};

// A zero bucket between values of one sign only has nothing on the other side.
void narrow_zero(Bucket& b, const Histogram& h) {
  if (h.negative.empty() && !h.positive.empty()) {
    b.lower = 0;
  } else if (h.positive.empty() && !h.negative.empty()) {
    b.upper = 0;
  }
}

double interpolate(const Bucket& b, double fraction, bool linear) {
  if (linear || (b.lower <= 0 && b.upper >= 0)) return b.lower + (b.upper - b.lower) * fraction;
  const double low = std::log2(std::abs(b.lower));
  const double high = std::log2(std::abs(b.upper));
  if (b.lower > 0) return std::exp2(low + (high - low) * fraction);
  return -std::exp2(high + (low - high) * (1 - fraction));
}

double bucket_total(const std::vector<Bucket>& buckets) {
  double total = 0;
  for (const Bucket& b : buckets) total += b.count;
  return total;
}

}  // namespace

double quantile(double q, std::vector<double>& values) {
  if (values.empty() || std::isnan(q)) return nan;
  if (q < 0) return -infinity;
  if (q > 1) return infinity;
  std::sort(values.begin(), values.end(), [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; });
  const double n = static_cast<double>(values.size());
  const double rank = q * (n - 1);
  const double lower = std::max(0.0, std::floor(rank));
  const double upper = std::min(n - 1, lower + 1);
  const double weight = rank - std::floor(rank);
  if (weight == 0) return values[static_cast<size_t>(lower)];
  return values[static_cast<size_t>(lower)] * (1 - weight) + values[static_cast<size_t>(upper)] * weight;
}

ClassicQuantile classic_quantile(double q, std::vector<ClassicBucket>& buckets) {
  ClassicQuantile out;
  out.value = std::isnan(q) ? nan : q < 0 ? -infinity : infinity;
  if (std::isnan(q) || q < 0 || q > 1) return out;
  out.value = nan;
  if (!prepare(buckets)) return out;
  make_monotonic(buckets, out);
  out.value = interpolated_quantile(q, buckets);
  return out;
}

double classic_fraction(double lower, double upper, std::vector<ClassicBucket>& buckets) {
  if (!prepare(buckets)) return nan;
  const double count = buckets.back().count;
  if (count == 0 || std::isnan(lower) || std::isnan(upper)) return nan;
  if (lower >= upper) return 0;
  RankFinder finder(lower, upper);
  double from = buckets[0].upper <= 0 ? -infinity : 0;
  double rank = 0;
  for (const ClassicBucket& b : buckets) {
    const bool done = finder.bucket(from, b.upper, rank, [&](double v) {
      return std::isinf(from) ? b.count : rank + (b.count - rank) * (v - from) / (b.upper - from);
    });
    if (done) break;
    rank = b.count;
    from = b.upper;
  }
  return finder.difference(count) / count;
}

double fraction_below(const Bucket& b, double v, bool linear) {
  if (v <= b.lower) return 0;
  if (v >= b.upper) return 1;
  if (linear) return (v - b.lower) / (b.upper - b.lower);
  const double low = std::log2(std::abs(b.lower));
  const double high = std::log2(std::abs(b.upper));
  const double at = std::log2(std::abs(v));
  return v > 0 ? (at - low) / (high - low) : 1 - (at - high) / (low - high);
}

NativeResult native_quantile(double q, const Histogram& h) {
  if (q < 0) return {-infinity};
  if (q > 1) return {infinity};
  if (h.count == 0 || std::isnan(q)) return {nan};
  const bool nans = std::isnan(h.sum);
  const bool forward = nans || q < 0.5;
  std::vector<Bucket> buckets = all_buckets(h);
  if (!forward) std::reverse(buckets.begin(), buckets.end());
  double rank = (forward ? q : 1 - q) * h.count;
  double count = 0;
  Bucket bucket;
  for (const Bucket& b : buckets) {
    bucket = b;
    if (b.count == 0) continue;
    count += b.count;
    if (count >= rank) break;
  }
  if (h.custom()) {
    if (bucket.lower == -infinity) {
      if (bucket.upper <= 0) return {bucket.upper};
      bucket.lower = 0;
    } else if (bucket.upper == infinity) {
      return {bucket.lower};
    }
  } else if (bucket.lower < 0 && bucket.upper > 0) {
    narrow_zero(bucket, h);
  }
  count = std::min(count, h.count);
  if (count < rank) return nans ? NativeResult{.value = nan, .nan_result = true} : NativeResult{bucket.upper};
  rank = forward ? rank - (count - bucket.count) : count - rank;
  const bool skew = nans && bucket_total(buckets) < h.count;
  return {.value = interpolate(bucket, rank / bucket.count, h.custom()), .nan_skew = skew};
}

NativeResult native_fraction(double lower, double upper, const Histogram& h) {
  if (h.count == 0 || std::isnan(lower) || std::isnan(upper)) return {nan};
  if (lower >= upper) return {0};
  const std::vector<Bucket> buckets = all_buckets(h);
  RankFinder finder(lower, upper);
  double rank = 0;
  for (Bucket b : buckets) {
    const bool zero = !h.custom() && b.lower <= 0 && b.upper >= 0;
    if (zero) narrow_zero(b, h);
    if (h.custom() && b.lower == -infinity && b.upper > 0) b.lower = 0;  // as in quantiles
    const bool linear = h.custom() || zero;
    const bool done = finder.bucket(b.lower, b.upper, rank, [&](double v) {
      if (linear && b.lower == -infinity) return b.count;
      return rank + b.count * fraction_below(b, v, linear);
    });
    if (done) break;
    rank += b.count;
  }
  const bool nans = std::isnan(h.sum);
  const double count = nans ? bucket_total(buckets) : h.count;
  return {.value = finder.difference(count) / h.count, .nan_skew = nans && count < h.count};
}

}  // namespace hs::promql
