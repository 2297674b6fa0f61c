// Native histograms: dense buckets of the store become Prometheus' spans.

#include "promql/store/native.h"

namespace hs::promql::store {
namespace {

constexpr double default_zero_threshold = 1e-128;  // Prometheus', for exponential histograms that tell none

struct Dense {
  int64_t first = 0;  // index of the first, as Prometheus counts
  std::vector<double> counts;
};

Dense read_dense(size_t row, const db::ResultColumn* offset, const db::ResultColumn* counts, bool is_float) {
  Dense out;
  out.first = offset == nullptr ? 0 : offset->i64(row);
  if (counts == nullptr) return out;
  out.counts.reserve(counts->end(row) - counts->begin(row));
  for (size_t i = counts->begin(row); i < counts->end(row); ++i)
    out.counts.push_back(is_float ? counts->items().f64(i) : static_cast<double>(counts->items().u64(i)));
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

NativeColumns::NativeColumns(const db::ResultBlock& block)
    : is_float_(block.find("is_float")),
      scale_(block.find("scale")),
      reset_hint_(block.find("reset_hint")),
      sum_(block.find("sum")),
      zero_threshold_(block.find("zero_threshold")),
      bounds_(block.find("bounds")),
      counts_{block.find("count"), block.find("float_count")},
      zero_counts_{block.find("zero_count"), block.find("float_zero_count")},
      positive_{block.find("positive_counts"), block.find("positive_float_counts")},
      negative_{block.find("negative_counts"), block.find("negative_float_counts")},
      positive_offset_(block.find("positive_offset")),
      negative_offset_(block.find("negative_offset")) {}

void prometheus_default(Histogram& h) {
  if (h.zero_threshold == 0 && !h.custom()) h.zero_threshold = default_zero_threshold;
}

std::shared_ptr<Histogram> NativeColumns::histogram(size_t row, bool prometheus) const {
  const auto u64 = [&](const db::ResultColumn* column) { return column == nullptr ? 0 : column->u64(row); };
  const auto f64 = [&](const db::ResultColumn* column) { return column == nullptr ? 0 : column->f64(row); };
  auto h = std::make_shared<Histogram>();
  const bool is_float = u64(is_float_) != 0;
  h->schema = scale_ == nullptr ? 0 : static_cast<int32_t>(scale_->i64(row));
  h->hint = static_cast<ResetHint>(u64(reset_hint_) & 3);
  h->sum = f64(sum_);
  h->zero_threshold = f64(zero_threshold_);
  if (!prometheus) prometheus_default(*h);
  h->count = is_float ? f64(counts_[1]) : static_cast<double>(u64(counts_[0]));
  h->zero_count = is_float ? f64(zero_counts_[1]) : static_cast<double>(u64(zero_counts_[0]));
  Dense positive = read_dense(row, positive_offset_, positive_[is_float ? 1 : 0], is_float);
  Dense negative = read_dense(row, negative_offset_, negative_[is_float ? 1 : 0], is_float);
  if (h->custom()) {
    if (bounds_ != nullptr)
      for (size_t i = bounds_->begin(row); i < bounds_->end(row); ++i)
        h->custom_values.push_back(bounds_->items().f64(i));
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
