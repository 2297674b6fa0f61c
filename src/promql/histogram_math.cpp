#include "promql/histogram_math.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "promql/buckets.h"
#include "promql/quote.h"

namespace hs::promql {
namespace {

using Cells = HistogramSum::Cells;

Cells decode(const std::vector<BucketSpan>& spans, const std::vector<double>& counts) {
  Cells out;
  out.reserve(counts.size());
  int64_t index = 0;
  size_t at = 0;
  for (const BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && at < counts.size(); ++i) {
      out.push_back({safe_index(index++), {counts[at++], 0}});
    }
  }
  return out;
}

// Without empty buckets, each times `factor`.
void encode(const Cells& cells, double factor, std::vector<BucketSpan>& spans, std::vector<double>& counts) {
  int32_t next = 0;
  counts.reserve(cells.size());
  for (const auto& [index, count] : cells) {
    const double before = count.value(), value = before * factor;
    if (before == 0 || value == 0) continue;
    if (spans.empty() || index != next) {
      spans.push_back({spans.empty() ? index : index - next, 1});
    } else {
      ++spans.back().length;
    }
    counts.push_back(value);
    next = index + 1;
  }
}

// Calls f(count of the cell, count of the bucket) for each bucket; false at the first one that has no cell.
template <class F>
bool each_in_place(Cells& cells, const std::vector<BucketSpan>& spans, const std::vector<double>& counts, F f) {
  int64_t index = 0;
  size_t at = 0, cell = 0;
  for (const BucketSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && at < counts.size(); ++i, ++index) {
      while (cell < cells.size() && cells[cell].index < index) ++cell;
      if (cell == cells.size() || cells[cell].index != index) return false;
      f(cells[cell].count, counts[at++]);
    }
  }
  return true;
}

void scale(Cells& cells, double factor) {
  for (auto& cell : cells) cell.count.scale(factor);
}

void divide_sum(KahanSum& sum, double divisor) {
  sum.sum /= divisor;
  sum.error /= divisor;
  if (!std::isfinite(sum.error)) sum.error = 0;
}

int32_t coarser(int32_t index, int32_t from, int32_t to) { return ((index - 1) >> std::min(from - to, 31)) + 1; }

Cells reduced(const Cells& cells, int32_t from, int32_t to) {
  Cells out;
  for (const auto& cell : cells) {
    const int32_t index = coarser(cell.index, from, to);
    if (out.empty() || out.back().index != index) {
      out.push_back({index, cell.count});
    } else {
      out.back().count.add(cell.count.sum);
      out.back().count.add(cell.count.error);
    }
  }
  return out;
}

bool adjust_hint(ResetHint& mine, ResetHint other) {
  if (mine == other || mine == ResetHint::gauge) return false;
  if (other == ResetHint::gauge) {
    mine = other;
    return false;
  }
  const bool collision = mine != ResetHint::unknown && other != ResetHint::unknown;
  mine = ResetHint::unknown;
  return collision;
}

std::vector<double> common_bounds(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

// The cells of bounds `from` in the layout of bounds `to`, which is a part of it.
Cells mapped(const Cells& cells, const std::vector<double>& from, const std::vector<double>& to, double sign) {
  Cells out(to.size() + 1);
  for (size_t i = 0; i < out.size(); ++i) out[i].index = static_cast<int32_t>(i);
  for (const auto& cell : cells) {
    size_t target = to.size();
    if (cell.index < static_cast<int32_t>(from.size())) {
      const double bound = from[static_cast<size_t>(std::max(cell.index, 0))];
      target = static_cast<size_t>(std::lower_bound(to.begin(), to.end(), bound) - to.begin());
    }
    out[target].count.add(sign * cell.count.sum);
    out[target].count.add(sign * cell.count.error);
  }
  return out;
}

bool any_infinite(const Cells& cells) {
  return std::any_of(cells.begin(), cells.end(), [](const auto& cell) { return std::isinf(cell.count.sum); });
}

// A populated bucket of `previous` that is missing or smaller in `current`.
bool any_decrease(const Cells& current, const Cells& previous) {
  size_t at = 0;
  for (const auto& cell : previous) {
    while (at < current.size() && current[at].index < cell.index) ++at;
    const bool there = at < current.size() && current[at].index == cell.index;
    if (there ? current[at].count.value() < cell.count.value() : cell.count.value() != 0) return true;
  }
  return false;
}

bool same_cells(const Cells& a, const Cells& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.index == y.index && std::bit_cast<uint64_t>(x.count.sum) == std::bit_cast<uint64_t>(y.count.sum);
  });
}

bool same_layout(const Histogram& a, const Histogram& b) {
  return a.schema == b.schema && a.zero_threshold == b.zero_threshold && a.positive_spans == b.positive_spans &&
         a.negative_spans == b.negative_spans && a.custom_values == b.custom_values &&
         a.positive.size() == b.positive.size() && a.negative.size() == b.negative.size();
}

bool any_smaller(const std::vector<double>& a, const std::vector<double>& b) {
  return !std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) { return !(x < y); });
}

bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

}  // namespace

HistogramSum::HistogramSum(const Histogram& h)
    : hint_(h.hint),
      schema_(h.schema),
      zero_threshold_(h.custom() ? 0 : h.zero_threshold),
      zero_{h.custom() ? 0 : h.zero_count, 0},
      count_{h.count, 0},
      sum_{h.sum, 0},
      positive_(decode(h.positive_spans, h.positive)),
      negative_(decode(h.negative_spans, h.negative)),
      bounds_(h.custom_values) {}

void HistogramSum::multiply(double factor) {
  for (KahanSum* part : {&zero_, &count_, &sum_}) part->scale(factor);
  scale(positive_, factor);
  scale(negative_, factor);
  if (factor < 0) hint_ = ResetHint::gauge;
}

void HistogramSum::divide(double divisor) {
  for (KahanSum* part : {&zero_, &count_, &sum_}) divide_sum(*part, divisor);
  if (divisor == 0) {
    positive_.clear();
    negative_.clear();
    return;
  }
  for (Cells* cells : {&positive_, &negative_}) {
    for (auto& cell : *cells) divide_sum(cell.count, divisor);
  }
  if (divisor < 0) hint_ = ResetHint::gauge;
}

bool HistogramSum::overflows() const {
  return std::isinf(zero_.sum) || std::isinf(count_.sum) || std::isinf(sum_.sum) || any_infinite(positive_) ||
         any_infinite(negative_);
}

// Widens the zero bucket to `threshold`, or further to where no populated bucket is cut.
void HistogramSum::grow_zero(double threshold) {
  const auto lower = [&](const Cell& cell) { return bucket_bound(cell.index - 1, schema_, {}); };
  for (bool again = true; again;) {
    again = false;
    for (const Cells* cells : {&positive_, &negative_}) {
      for (const Cell& cell : *cells) {
        const double upper = bucket_bound(cell.index, schema_, {});
        if (lower(cell) >= threshold || upper <= threshold || cell.count.value() == 0) continue;
        threshold = upper;
        again = true;
      }
    }
  }
  for (Cells* cells : {&positive_, &negative_}) {
    std::erase_if(*cells, [&](const Cell& cell) {
      if (lower(cell) >= threshold) return false;
      zero_.add(cell.count.sum);
      zero_.add(cell.count.error);
      return true;
    });
  }
  zero_threshold_ = threshold;
}

void HistogramSum::reduce(int32_t schema) {
  if (schema >= schema_) return;
  positive_ = reduced(positive_, schema_, schema);
  negative_ = reduced(negative_, schema_, schema);
  schema_ = schema;
}

void HistogramSum::merge(Cells& into, const Cells& from, double sign) const {
  Cells out;
  out.reserve(into.size() + from.size());
  size_t at = 0;
  for (const Cell& cell : from) {
    while (at < into.size() && into[at].index < cell.index) out.push_back(into[at++]);
    if (at < into.size() && into[at].index == cell.index) {
      out.push_back(into[at++]);
    } else {
      out.push_back({cell.index, {}});
    }
    out.back().count.add(sign * cell.count.sum);
    out.back().count.add(sign * cell.count.error);
  }
  out.insert(out.end(), into.begin() + static_cast<std::ptrdiff_t>(at), into.end());
  into = std::move(out);
}

void HistogramSum::combine_custom(const HistogramSum& other, double sign, bool& reconciled) {
  if (bounds_ == other.bounds_) return merge(positive_, other.positive_, sign);
  reconciled = true;
  std::vector<double> bounds = common_bounds(bounds_, other.bounds_);
  positive_ = mapped(positive_, bounds_, bounds, 1);
  merge(positive_, mapped(other.positive_, other.bounds_, bounds, sign), 1);
  bounds_ = std::move(bounds);
}

// Histograms of one series, and of one kind of servers, have the same buckets nearly always: then nothing moves.
bool HistogramSum::combine_in_place(const Histogram& h, double sign) {
  const bool same =
      schema_ == h.schema && (custom() ? bounds_ == h.custom_values : zero_threshold_ == h.zero_threshold);
  const auto fits = [](KahanSum&, double) {};
  if (!same || !each_in_place(positive_, h.positive_spans, h.positive, fits) ||
      !each_in_place(negative_, h.negative_spans, h.negative, fits))
    return false;
  const auto add = [&](KahanSum& mine, double its) { mine.add(sign * its); };
  if (!custom()) add(zero_, h.zero_count);
  add(count_, h.count);
  add(sum_, h.sum);
  each_in_place(positive_, h.positive_spans, h.positive, add);
  each_in_place(negative_, h.negative_spans, h.negative, add);
  return true;
}

Combined HistogramSum::combine(const Histogram& h, double sign) {
  Combined result;
  if (h.custom() != custom()) return {.incompatible = true};
  if (combine_in_place(h, sign)) return {.collision = adjust_hint(hint_, h.hint)};
  HistogramSum other(h);
  result.collision = adjust_hint(hint_, h.hint);
  while (!custom() && zero_threshold_ != other.zero_threshold_) {
    if (zero_threshold_ > other.zero_threshold_) other.grow_zero(zero_threshold_);
    if (other.zero_threshold_ > zero_threshold_) grow_zero(other.zero_threshold_);
    if (std::isnan(zero_threshold_) || std::isnan(other.zero_threshold_)) break;
  }
  for (const auto& [mine, its] :
       {std::pair(&zero_, &other.zero_), std::pair(&count_, &other.count_), std::pair(&sum_, &other.sum_)}) {
    mine->add(sign * its->sum);
    mine->add(sign * its->error);
  }
  if (custom()) {
    combine_custom(other, sign, result.reconciled);
    return result;
  }
  other.reduce(schema_);
  reduce(other.schema_);
  merge(positive_, other.positive_, sign);
  merge(negative_, other.negative_, sign);
  return result;
}

HistogramPtr HistogramSum::finish(double factor) const {
  auto out = std::make_shared<Histogram>();
  out->hint = factor < 0 ? ResetHint::gauge : hint_;
  out->schema = schema_;
  out->zero_threshold = zero_threshold_;
  out->zero_count = zero_.value() * factor;
  out->count = count_.value() * factor;
  out->sum = sum_.value() * factor;
  encode(positive_, factor, out->positive_spans, out->positive);
  encode(negative_, factor, out->negative_spans, out->negative);
  out->custom_values = bounds_;
  return out;
}

Combined HistogramMean::add(const Histogram& h) {
  ++count_;
  if (!incremental_) {
    HistogramSum next = total_;
    const Combined result = next.add(h);
    if (result.incompatible) return result;
    if (!next.overflows()) {
      total_ = std::move(next);
      return result;
    }
    incremental_ = true;
    total_.divide(count_ - 1);
  }
  total_.multiply((count_ - 1) / count_);
  return total_.add(*divided(h, count_));
}

HistogramPtr HistogramMean::finish() const {
  if (incremental_) return total_.finish();
  HistogramSum mean = total_;
  mean.divide(count_);
  return mean.finish();
}

HistogramPtr scaled(const Histogram& h, double factor) { return HistogramSum(h).finish(factor); }

HistogramPtr divided(const Histogram& h, double divisor) {
  HistogramSum sum(h);
  sum.divide(divisor);
  return sum.finish();
}

HistogramPtr with_hint(const HistogramPtr& h, ResetHint hint) {
  if (h->hint == hint) return h;
  auto copy = std::make_shared<Histogram>(*h);
  copy->hint = hint;
  return copy;
}

Histogram& own(HistogramPtr& h) {
  if (h.use_count() != 1) h = std::make_shared<Histogram>(*h);
  return const_cast<Histogram&>(*h);  // made as one that may change
}

bool detect_reset(const Histogram& current, const Histogram& previous) {
  if (current.hint == ResetHint::reset) return true;
  if (current.hint == ResetHint::not_reset) return false;
  if (current.count < previous.count) return true;
  if (same_layout(current, previous)) {  // nearly always
    return current.zero_count < previous.zero_count || any_smaller(current.positive, previous.positive) ||
           any_smaller(current.negative, previous.negative);
  }
  HistogramSum now(current);
  HistogramSum before(previous);
  if (current.custom()) {
    if (!previous.custom()) return true;
    if (now.bounds_ == before.bounds_) return any_decrease(now.positive_, before.positive_);
    const std::vector<double> bounds = common_bounds(now.bounds_, before.bounds_);
    return any_decrease(mapped(now.positive_, now.bounds_, bounds, 1),
                        mapped(before.positive_, before.bounds_, bounds, 1));
  }
  if (previous.custom() || current.schema > previous.schema) return true;
  if (current.zero_threshold < previous.zero_threshold) return true;
  before.grow_zero(current.zero_threshold);
  if (before.zero_threshold_ != current.zero_threshold || now.zero_.sum < before.zero_.value()) return true;
  before.reduce(current.schema);
  now.grow_zero(current.zero_threshold);
  return any_decrease(now.positive_, before.positive_) || any_decrease(now.negative_, before.negative_);
}

void derive_hints(std::vector<HistogramPoint>& points, bool resets) {
  for (size_t i = 1; i < points.size(); ++i) {
    const HistogramPtr& before = points[i - 1].h;
    HistogramPtr& h = points[i].h;
    if (h->hint != ResetHint::unknown || before->hint == ResetHint::gauge || is_stale(h->sum) ||
        is_stale(before->sum)) {
      continue;
    }
    const bool reset = detect_reset(*h, *before);
    if (reset && !resets) continue;
    own(h).hint = reset ? ResetHint::reset : ResetHint::not_reset;
  }
}

bool same_histogram(const Histogram& a, const Histogram& b) {
  return a.schema == b.schema && same_bits(a.count, b.count) && same_bits(a.sum, b.sum) &&
         (!a.custom() || a.custom_values == b.custom_values) && a.zero_threshold == b.zero_threshold &&
         same_bits(a.zero_count, b.zero_count) &&
         same_cells(decode(a.positive_spans, a.positive), decode(b.positive_spans, b.positive)) &&
         same_cells(decode(a.negative_spans, a.negative), decode(b.negative_spans, b.negative));
}

std::string to_text(const Histogram& h) {
  std::string out = "{count:" + format_g(h.count) + ", sum:" + format_g(h.sum);
  const auto add = [&out](const Bucket& b) {
    if (b.count == 0) return;
    out += b.lower_inclusive ? ", [" : ", (";
    out += format_g(b.lower) + "," + format_g(b.upper) + (b.upper_inclusive ? "]:" : "):") + format_g(b.count);
  };
  std::vector<Bucket> negative = negative_buckets(h);
  std::for_each(negative.rbegin(), negative.rend(), add);
  add(zero_bucket(h));
  for (const Bucket& b : positive_buckets(h)) add(b);
  return out + "}";
}

size_t size_in_samples(const Histogram& h) {
  const size_t words = h.positive_spans.size() + h.negative_spans.size() + h.positive.size() + h.negative.size() +
                       h.custom_values.size();
  return (168 + 8 * words + 8) / 16;
}

}  // namespace hs::promql
