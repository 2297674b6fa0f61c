#pragma once
// The buckets of a native histogram, with their bounds.

#include <vector>

#include "promql/histogram.h"

namespace hs::promql {

struct Bucket {
  double lower = 0;
  double upper = 0;
  bool lower_inclusive = false;
  bool upper_inclusive = false;
  double count = 0;
  int32_t index = 0;
};

// Bucket indices of any use are far smaller; spans from outside may say anything.
inline int32_t safe_index(int64_t index) {
  constexpr int64_t limit = 1 << 29;
  return static_cast<int32_t>(index < -limit ? -limit : index > limit ? limit : index);
}

// The upper bound of bucket `index` (its absolute value for negative buckets); the last before infinity is the largest
// finite number. Of custom buckets the one after the last bound is +Inf, the one before the first -Inf.
double bucket_bound(int32_t index, int32_t schema, const std::vector<double>& custom_values);

// From the zero bucket outwards; buckets of count 0 too. Spans that promise more buckets than there are end early.
std::vector<Bucket> positive_buckets(const Histogram& h);
std::vector<Bucket> negative_buckets(const Histogram& h);
Bucket zero_bucket(const Histogram& h);
// Ascending: negative, zero (when it has a count), positive; a bucket that overlaps the zero bucket starts at its end.
std::vector<Bucket> all_buckets(const Histogram& h);

}  // namespace hs::promql
