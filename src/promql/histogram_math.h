#pragma once
// Arithmetic of native histograms: sums over different resolutions, zero buckets and custom bounds; counter resets.

#include <string>
#include <vector>

#include "promql/histogram.h"
#include "promql/kahan.h"
#include "promql/source.h"

namespace hs::promql {

// What happened while two histograms were combined.
struct Combined {
  bool incompatible = false;  // exponential with custom buckets: nothing was done
  bool collision = false;     // one says "reset", the other "not reset"
  bool reconciled = false;    // custom bounds differed; only the common ones are left
};

// A histogram under construction; all counts are Kahan sums.
class HistogramSum {
 public:
  struct Cell {
    int32_t index = 0;
    KahanSum count;
  };
  using Cells = std::vector<Cell>;  // ascending by index

  explicit HistogramSum(const Histogram& h);

  Combined add(const Histogram& other) { return combine(other, 1); }
  Combined subtract(const Histogram& other) { return combine(other, -1); }
  void multiply(double factor);  // a negative one makes a gauge
  void divide(double divisor);   // by 0: no buckets are left
  void set_hint(ResetHint hint) { hint_ = hint; }
  bool custom() const { return schema_ == custom_buckets_schema; }
  bool overflows() const;  // any part is infinite
  double count() const { return count_.value(); }
  // Without empty buckets; all of it times `factor`, a negative one makes a gauge.
  HistogramPtr finish(double factor = 1) const;

 private:
  friend bool detect_reset(const Histogram& current, const Histogram& previous);

  Combined combine(const Histogram& other, double sign);
  bool combine_in_place(const Histogram& other, double sign);
  void combine_custom(const HistogramSum& other, double sign, bool& reconciled);
  void grow_zero(double threshold);
  void reduce(int32_t schema);
  void merge(Cells& into, const Cells& from, double sign) const;

  ResetHint hint_;
  int32_t schema_;
  double zero_threshold_;
  KahanSum zero_;
  KahanSum count_;
  KahanSum sum_;
  Cells positive_;
  Cells negative_;
  std::vector<double> bounds_;
};

// The mean of histograms; incremental from where the sum overflows.
class HistogramMean {
 public:
  explicit HistogramMean(const Histogram& first) : total_(first) {}
  Combined add(const Histogram& h);
  HistogramPtr finish() const;

 private:
  HistogramSum total_;
  double count_ = 1;
  bool incremental_ = false;
};

HistogramPtr scaled(const Histogram& h, double factor);
HistogramPtr divided(const Histogram& h, double divisor);
HistogramPtr with_hint(const HistogramPtr& h, ResetHint hint);
// To change it: itself where this is the only pointer to it, else a copy. Every histogram is made by make_shared.
Histogram& own(HistogramPtr& h);

// Did the counter start anew between the two? Hints first, then any count that went down.
bool detect_reset(const Histogram& current, const Histogram& previous);
// Says of consecutive points of a counter, where nobody did, that it was not reset between them (with `resets` also
// that it was), so that no window has to look again. As Prometheus: what its storage tells is only the former, what its
// reader for histogram_count(), _sum() and _avg() tells is both.
void derive_hints(std::vector<HistogramPoint>& points, bool resets);
// The same layout, counts and sum, bit by bit; hints do not matter.
bool same_histogram(const Histogram& a, const Histogram& b);
// Without observations above (`upper`) or below `limit`; a bucket that is cut is interpolated.
HistogramPtr trimmed(const Histogram& h, double limit, bool upper);

// {count:4, sum:10, (1,2]:4}
std::string to_text(const Histogram& h);
// In samples of 16 bytes, as query limits count it.
size_t size_in_samples(const Histogram& h);

}  // namespace hs::promql
