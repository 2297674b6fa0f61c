#include "promql/buckets.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

namespace hs::promql {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// 2^(i/256) / 2 for the finest schema; coarser ones use every n-th. Prometheus' bounds lie some units in the last place
// beside the nearest numbers; how many below them, plus one, as a digit for each.
constexpr std::string_view ulps_below =
    "1111112111211111112311222222222211211121122211221122102211221122"
    "1111112222332132112111211112111111121011213311221222112121332222"
    "2121223322322122222222323233323311221121223321332233212232332232"
    "2243223233433343333333444455435422322333324422333243223333543344";

const std::array<double, 256>& fractions() {
  static const std::array<double, 256> table = [] {
    std::array<double, 256> out{};
    for (size_t i = 0; i < out.size(); ++i) {
      const auto nearest = static_cast<double>(std::exp2(static_cast<long double>(i) / 256 - 1));
      out[i] = std::bit_cast<double>(std::bit_cast<int64_t>(nearest) - (ulps_below[i] - '1'));
    }
    return out;
  }();
  return table;
}

double exponential_bound(int32_t index, int32_t schema) {
  if (schema < 0) {
    const int64_t exponent = static_cast<int64_t>(index) << -schema;
    if (exponent == 1024) return std::numeric_limits<double>::max();
    return std::ldexp(1, static_cast<int>(std::clamp<int64_t>(exponent, -5000, 5000)));
  }
  const int32_t part = index & ((1 << schema) - 1);
  const int exponent = (index >> schema) + 1;
  if (part == 0 && exponent == 1025) return std::numeric_limits<double>::max();
  return std::ldexp(fractions()[static_cast<size_t>(part) << (8 - schema)], exponent);
}

Bucket bucket_of(const Histogram& h, int32_t index, double count, bool positive) {
  Bucket b{.count = count, .index = index};
  const double outer = bucket_bound(index, h.schema, h.custom_values);
  const double inner = bucket_bound(index - 1, h.schema, h.custom_values);
  b.lower = positive ? inner : -outer;
  b.upper = positive ? outer : -inner;
  b.lower_inclusive = h.custom() ? index == 0 : b.lower < 0;
  b.upper_inclusive = h.custom() || b.upper > 0;
  return b;
}

std::vector<Bucket> side(const Histogram& h, const std::vector<BucketSpan>& spans, const std::vector<double>& counts,
                         bool positive) {
  std::vector<Bucket> out;
  out.reserve(counts.size());
  int64_t index = 0;
  size_t at = 0;
  for (const BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && at < counts.size(); ++i) {
      out.push_back(bucket_of(h, safe_index(index++), counts[at++], positive));
    }
  }
  return out;
}

}  // namespace

double bucket_bound(int32_t index, int32_t schema, const std::vector<double>& custom_values) {
  if (schema != custom_buckets_schema) return exponential_bound(index, std::clamp(schema, schema_min, schema_max));
  if (index < 0) return -infinity;
  return static_cast<size_t>(index) < custom_values.size() ? custom_values[static_cast<size_t>(index)] : infinity;
}

std::vector<Bucket> positive_buckets(const Histogram& h) { return side(h, h.positive_spans, h.positive, true); }
std::vector<Bucket> negative_buckets(const Histogram& h) { return side(h, h.negative_spans, h.negative, false); }

Bucket zero_bucket(const Histogram& h) { return {-h.zero_threshold, h.zero_threshold, true, true, h.zero_count, 0}; }

std::vector<Bucket> all_buckets(const Histogram& h) {
  std::vector<Bucket> out = negative_buckets(h);
  std::reverse(out.begin(), out.end());
  for (Bucket& b : out) {
    if (b.upper < 0 && b.upper > -h.zero_threshold) b.upper = -h.zero_threshold;
  }
  if (h.zero_count > 0) out.push_back(zero_bucket(h));
  for (Bucket b : positive_buckets(h)) {
    if (b.lower > 0 && b.lower < h.zero_threshold) b.lower = h.zero_threshold;
    out.push_back(b);
  }
  return out;
}

}  // namespace hs::promql
