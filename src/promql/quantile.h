#pragma once
// Quantiles and fractions of numbers, of classic buckets and of native histograms.

#include <vector>

#include "promql/buckets.h"

namespace hs::promql {

// Of numbers (reordered): linear between the two nearest ranks. NaN sorts first. Empty: NaN; q outside 0..1: infinite.
double quantile(double q, std::vector<double>& values);

struct ClassicBucket {
  double upper = 0;
  double count = 0;  // cumulative
};

struct ClassicQuantile {
  double value = 0;
  bool forced_monotonic = false;  // counts went down with rising bounds
  double min_bucket = 0;
  double max_bucket = 0;
  double max_diff = 0;
};

ClassicQuantile classic_quantile(double q, std::vector<ClassicBucket>& buckets);
double classic_fraction(double lower, double upper, std::vector<ClassicBucket>& buckets);

struct NativeResult {
  double value = 0;
  bool nan_result = false;  // the rank is among observations of NaN
  bool nan_skew = false;    // there are observations of NaN
};

NativeResult native_quantile(double q, const Histogram& h);
NativeResult native_fraction(double lower, double upper, const Histogram& h);

// The share of a finite bucket that lies at or below `v`; linear, or on a logarithmic scale.
double fraction_below(const Bucket& b, double v, bool linear);

}  // namespace hs::promql
