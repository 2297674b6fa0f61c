#include "stream/sketch.h"

#include <algorithm>
#include <cmath>

namespace hs::stream {
namespace {

constexpr double gamma = (1 + Sketch::relative_error) / (1 - Sketch::relative_error);
constexpr double smallest = 1e-6;  // what is not above this counts as zero

double log_gamma() {
  static const double value = std::log(gamma);
  return value;
}

// Bucket i holds (gamma^(i-1), gamma^i].
int32_t index_of(double value) { return static_cast<int32_t>(std::ceil(std::log(value) / log_gamma())); }

// The value that is within the relative error of all that bucket i holds.
double middle_of(int32_t index) { return 2 * std::exp(index * log_gamma()) / (gamma + 1); }

}  // namespace

void Sketch::add(double value, double weight) {
  if (!(weight > 0) || std::isinf(weight) || std::isnan(value)) return;
  count_ += weight;
  if (!(value > smallest)) {
    zeros_ += weight;
    return;
  }
  value = std::min(value, 1e300);
  sum_ += value * weight;
  add_bucket(index_of(value), weight);
}

void Sketch::add_bucket(int32_t index, double weight) {
  const auto at = std::lower_bound(buckets_.begin(), buckets_.end(), index,
                                   [](const auto& bucket, int32_t i) { return bucket.first < i; });
  if (at != buckets_.end() && at->first == index) {
    at->second += weight;
    return;
  }
  buckets_.insert(at, {index, weight});
  if (buckets_.size() > buckets_max) collapse_lowest();
}

void Sketch::collapse_lowest() {
  buckets_[1].second += buckets_[0].second;
  buckets_.erase(buckets_.begin());
}

void Sketch::merge(const Sketch& other) {
  Buckets merged;
  merged.reserve(buckets_.size() + other.buckets_.size());
  auto a = buckets_.begin();
  for (const auto& [index, weight] : other.buckets_) {
    while (a != buckets_.end() && a->first < index) merged.push_back(*a++);
    if (a != buckets_.end() && a->first == index)
      merged.emplace_back(index, weight + (a++)->second);
    else
      merged.emplace_back(index, weight);
  }
  merged.insert(merged.end(), a, buckets_.end());
  buckets_ = std::move(merged);
  while (buckets_.size() > buckets_max) collapse_lowest();
  zeros_ += other.zeros_;
  count_ += other.count_;
  sum_ += other.sum_;
}

void Sketch::scale(double factor) {
  for (auto& [index, weight] : buckets_) weight *= factor;
  zeros_ *= factor;
  count_ *= factor;
  sum_ *= factor;
}

double Sketch::quantile(double q) const {
  if (!(count_ > 0)) return 0;
  double left = std::clamp(q, 0.0, 1.0) * count_ - zeros_;
  if (left <= 0 && zeros_ > 0) return 0;
  for (const auto& [index, weight] : buckets_) {
    left -= weight;
    if (left <= count_ * 1e-12) return middle_of(index);
  }
  return buckets_.empty() ? 0 : middle_of(buckets_.back().first);
}

double Sketch::count_at_most(double limit) const {
  double total = zeros_;
  for (const auto& [index, weight] : buckets_) {
    if (middle_of(index) > limit) break;
    total += weight;
  }
  return total;
}

Sketch Sketch::from(Buckets buckets, double zeros, double sum, std::optional<double> count) {
  Sketch sketch;
  sketch.buckets_ = std::move(buckets);
  std::sort(sketch.buckets_.begin(), sketch.buckets_.end());
  sketch.zeros_ = sketch.count_ = zeros;
  for (const auto& [index, weight] : sketch.buckets_) sketch.count_ += weight;
  sketch.sum_ = sum;
  if (count) sketch.count_ = *count;
  return sketch;
}

}  // namespace hs::stream
