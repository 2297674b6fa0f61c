#pragma once
// Rows of `distributions` as native histograms. Internal to promql/store.

#include <memory>

#include "promql/source.h"
#include "store/result.h"

namespace hs::promql::store {

namespace db = ::hs::store;

// What makes one, besides the series, the time and the flags.
inline constexpr std::string_view native_columns =
    "count, sum, bounds, scale, zero_count, zero_threshold, positive_offset, positive_counts, negative_offset,"
    " negative_counts, is_float, float_count, float_zero_count, positive_float_counts, negative_float_counts, "
    "reset_hint";

// The columns of a block that make native histograms; absent ones are 0 throughout. The block outlives it.
class NativeColumns {
 public:
  explicit NativeColumns(const db::ResultBlock& block);
  // Nothing when its resolution is coarser than Prometheus knows. `prometheus`: it was sent as one; OpenTelemetry's get
  // prometheus_default().
  std::shared_ptr<Histogram> histogram(size_t row, bool prometheus) const;

 private:
  const db::ResultColumn *is_float_, *scale_, *reset_hint_, *sum_, *zero_threshold_, *bounds_;
  const db::ResultColumn *counts_[2], *zero_counts_[2], *positive_[2], *negative_[2];  // of integers, of floats
  const db::ResultColumn *positive_offset_, *negative_offset_;
};

// The width of the zero bucket that Prometheus gives to a histogram which tells none.
void prometheus_default(Histogram& h);

}  // namespace hs::promql::store
