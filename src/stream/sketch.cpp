#include "stream/sketch.h"

#include <cmath>

namespace hs::stream {
namespace {

constexpr double smallest = 1e-6;
constexpr double gamma = (1 + Sketch::relative_error) / (1 - Sketch::relative_error);
const double log_gamma = std::log(gamma);

int32_t bucket_of(double value) { return static_cast<int32_t>(std::ceil(std::log(value) / log_gamma)); }
// The value that is within the relative error of everything in the bucket.
double value_of(int32_t bucket) { return 2 * std::pow(gamma, bucket) / (gamma + 1); }

}  // namespace

void Sketch::add(double value, double weight) {
  if (!(weight > 0) || !std::isfinite(value)) return;
  count_ += weight;
  sum_ += value * weight;
  if (value <= smallest) {
    zeros_ += weight;
    return;
  }
  buckets_[bucket_of(value)] += weight;
  if (buckets_.size() > buckets_max) {
    const auto lowest = buckets_.begin();
    std::next(lowest)->second += lowest->second;
    buckets_.erase(lowest);
  }
}

void Sketch::merge(const Sketch& other) {
  for (const auto& [bucket, weight] : other.buckets_) buckets_[bucket] += weight;
  while (buckets_.size() > buckets_max) {
    const auto lowest = buckets_.begin();
    std::next(lowest)->second += lowest->second;
    buckets_.erase(lowest);
  }
  zeros_ += other.zeros_;
  count_ += other.count_;
  sum_ += other.sum_;
}

double Sketch::quantile(double q) const {
  if (!(count_ > 0)) return 0;
  double left = q * count_ - zeros_;
  if (left <= 0 && zeros_ > 0) return 0;
  double last = 0;
  for (const auto& [bucket, weight] : buckets_) {
    last = value_of(bucket);
    left -= weight;
    if (left <= 0) return last;
  }
  return last;
}

double Sketch::count_at_most(double limit) const {
  double total = zeros_;
  for (const auto& [bucket, weight] : buckets_) {
    if (value_of(bucket) > limit) break;
    total += weight;
  }
  return total;
}

Sketch Sketch::from(std::map<int32_t, double> buckets, double zeros, double sum) {
  Sketch s;
  s.buckets_ = std::move(buckets);
  s.zeros_ = zeros;
  s.sum_ = sum;
  s.count_ = zeros;
  for (const auto& [bucket, weight] : s.buckets_) s.count_ += weight;
  return s;
}

}  // namespace hs::stream
