// Native histograms: dense buckets of the store become Prometheus' spans.

#include "model/batch.h"
#include "promql/store/points.h"

namespace hs::promql::store {
namespace {

constexpr double default_zero_threshold = 1e-128;  // Prometheus', for exponential histograms that tell none

struct Dense {
  int64_t first = 0;  // index of the first, as Prometheus counts
  std::vector<double> counts;
};

Dense read_dense(const db::ResultBlock& block, size_t row, bool is_float, std::string_view half) {
  const std::string prefix(half);
  const db::ResultColumn& values = column(block, prefix + (is_float ? "_float_counts" : "_counts"));
  Dense out;
  out.first = column(block, prefix + "_offset").i64(row);
  out.counts.reserve(values.end(row) - values.begin(row));
  for (size_t i = values.begin(row); i < values.end(row); ++i)
    out.counts.push_back(is_float ? values.items().f64(i) : static_cast<double>(values.items().u64(i)));
  return out;
}

// Two buckets of one become one of the next coarser schema: index i lies in (i + 1) >> 1 of Prometheus' indices.
Dense coarser(const Dense& fine) {
  Dense out;
  out.first = (fine.first + 1) >> 1;
  for (size_t i = 0; i < fine.counts.size(); ++i) {
    const int64_t index = (fine.first + static_cast<int64_t>(i) + 1) >> 1;
    out.counts.resize(static_cast<size_t>(index - out.first) + 1);
    out.counts.back() += fine.counts[i];
  }
  return out;
}

// Empty buckets need no span.
void write_spans(const Dense& dense, std::vector<BucketSpan>& spans, std::vector<double>& counts) {
  int64_t next = 0;  // index after the last bucket written
  for (size_t i = 0; i < dense.counts.size(); ++i) {
    if (dense.counts[i] == 0) continue;
    const int64_t index = dense.first + static_cast<int64_t>(i);
    if (spans.empty() || index != next) {
      const int64_t gap = spans.empty() ? index : index - next;
      spans.push_back({static_cast<int32_t>(gap), 0});
    }
    ++spans.back().length;
    counts.push_back(dense.counts[i]);
    next = index + 1;
  }
}

}  // namespace

std::shared_ptr<Histogram> native_histogram(const db::ResultBlock& block, size_t row, bool prometheus) {
  auto h = std::make_shared<Histogram>();
  const bool is_float = column(block, "is_float").u64(row) != 0;
  h->schema = static_cast<int32_t>(column(block, "scale").i64(row));
  h->hint = static_cast<ResetHint>(column(block, "reset_hint").u64(row) & 3);
  h->sum = column(block, "sum").f64(row);
  h->zero_threshold = column(block, "zero_threshold").f64(row);
  if (!prometheus && h->zero_threshold == 0) h->zero_threshold = default_zero_threshold;
  h->count = is_float ? column(block, "float_count").f64(row) : static_cast<double>(column(block, "count").u64(row));
  h->zero_count =
      is_float ? column(block, "float_zero_count").f64(row) : static_cast<double>(column(block, "zero_count").u64(row));
  Dense positive = read_dense(block, row, is_float, "positive"),
        negative = read_dense(block, row, is_float, "negative");
  if (h->custom()) {
    const db::ResultColumn& bounds = column(block, "bounds");
    for (size_t i = bounds.begin(row); i < bounds.end(row); ++i) h->custom_values.push_back(bounds.items().f64(i));
  } else {
    ++positive.first, ++negative.first;  // OpenTelemetry counts buckets by their lower bound
    for (; h->schema > schema_max; --h->schema) positive = coarser(positive), negative = coarser(negative);
    if (h->schema < schema_min) return nullptr;
  }
  write_spans(positive, h->positive_spans, h->positive);
  write_spans(negative, h->negative_spans, h->negative);
  return h;
}

}  // namespace hs::promql::store
