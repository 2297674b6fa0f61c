#include "loop/detect/sequential.h"

#include <algorithm>
#include <cmath>

namespace hs::loop {
namespace {

constexpr double share_max = 0.98;  // an alternative of exactly 1 would never survive one good event

double log_mean(const double* logs, size_t n) {
  double most = 0, sum = 0;
  for (size_t i = 0; i < n; ++i) most = std::max(most, logs[i]);
  for (size_t i = 0; i < n; ++i) sum += std::exp(logs[i] - most);
  return most + std::log(sum / static_cast<double>(n));
}

}  // namespace

double log_ratio(double bad, double n, double p0, double p1) {
  return bad * std::log(p1 / p0) + (n - bad) * std::log((1 - p1) / (1 - p0));
}

double with_odds(double p, double odds) {
  const double o = p / (1 - p) * odds;
  return o / (1 + o);
}

void Departure::add(double bad, double n, double p0, double smallest, double overdispersion, double cap) {
  if (!(n > 0)) return;
  bad = std::clamp(bad, 0.0, n);
  p0 = std::clamp(p0, 1e-6, 0.9);
  for (size_t i = 0; i < alternatives; ++i) {
    const double p1 = std::min(share_max, std::max(with_odds(p0, odds[i]), smallest));
    const double gain = p1 <= p0 ? 0 : log_ratio(bad, n, p0, p1) / overdispersion;
    logs_[i] = std::max(0.0, logs_[i]) + std::min(gain, cap);
  }
}

double Departure::log_evidence() const { return log_mean(logs_.data(), logs_.size()); }

bool Departure::quiet() const {
  return std::all_of(logs_.begin(), logs_.end(), [](double l) { return l <= 0; });
}

void RateChange::add(double count, double expected, double overdispersion, double cap) {
  if (!(expected > 0)) return;
  constexpr std::array<double, 2> drops{0.05, 0.25}, surges{3, 10};
  for (size_t i = 0; i < logs_.size(); ++i) {
    const double r = direction_ == Direction::drop ? drops[i] : surges[i];
    const double gain = (count * std::log(r) + expected * (1 - r)) / overdispersion;
    logs_[i] = std::max(0.0, logs_[i]) + std::min(gain, cap);
  }
}

double RateChange::log_evidence() const { return log_mean(logs_.data(), logs_.size()); }

void Overdispersion::add(double bad, double n, double p) {
  const double variance = n * p * (1 - p);
  if (!(variance > 0.02)) return;  // nothing to be learned from a block in which nothing was to be expected
  const double deviation = bad - n * p;
  // Blocks with few expected events have a skewed ratio: they say proportionally less.
  const double says = std::min(1.0, variance);
  weighted_ += says * std::min(deviation * deviation / variance, block_max);
  weight_ += says;
  if (weight_ > memory) {
    weighted_ *= memory / weight_;
    weight_ = memory;
  }
}

}  // namespace hs::loop
