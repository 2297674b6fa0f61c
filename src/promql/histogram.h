#pragma once
// Native histograms with float counts, as Prometheus' remote write and query API have them.
// Source: https://prometheus.io/docs/specs/native_histograms/

#include <cstdint>
#include <memory>
#include <vector>

namespace hs::promql {

// `offset`: gap to the bucket after the span before (the first: the bucket index itself).
struct BucketSpan {
  int32_t offset = 0;
  uint32_t length = 0;
  bool operator==(const BucketSpan&) const = default;
};

enum class ResetHint : uint8_t { unknown, reset, not_reset, gauge };

inline constexpr int32_t custom_buckets_schema = -53;
inline constexpr int32_t schema_min = -4;
inline constexpr int32_t schema_max = 8;

struct Histogram {
  ResetHint hint = ResetHint::unknown;
  int32_t schema = 0;  // -4..8 exponential: upper bound of bucket i is 2^(i * 2^-schema); -53 custom
  double zero_threshold = 0;
  double zero_count = 0;
  double count = 0;
  double sum = 0;
  std::vector<BucketSpan> positive_spans;
  std::vector<BucketSpan> negative_spans;
  std::vector<double> positive;       // absolute counts, not deltas
  std::vector<double> negative;       // custom buckets have none
  std::vector<double> custom_values;  // upper bounds, ascending, +Inf left out; only with schema -53

  bool custom() const { return schema == custom_buckets_schema; }
};

// Shared and immutable: results, windows and the store point at the same one.
using HistogramPtr = std::shared_ptr<const Histogram>;

}  // namespace hs::promql
