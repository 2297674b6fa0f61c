#include "sim/statistics.h"

#include <algorithm>
#include <cmath>

namespace hs::sim {
namespace {

// P(X <= events) for a Poisson of this mean.
double poisson_at_most(double events, double mean) {
  double term = std::exp(-mean), sum = term;
  for (double i = 1; i <= events; ++i) sum += term *= mean / i;
  return std::min(1.0, sum);
}

// Where a falling function of the mean crosses `level`.
double mean_where(double events, double level) {
  double low = 0, high = 10 + 3 * events;
  for (int i = 0; i < 100; ++i) {
    double middle = (low + high) / 2;
    (poisson_at_most(events, middle) > level ? low : high) = middle;
  }
  return low;
}

}  // namespace

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))];
}

std::pair<double, double> rate_interval(double events, double exposure) {
  double low = events > 0 ? mean_where(events - 1, 0.975) : 0;
  return {low / exposure, mean_where(events, 0.025) / exposure};
}

std::pair<double, double> share_interval(double events, double n) {
  if (n <= 0) return {0, 1};
  double z = 1.96, p = events / n, middle = p + z * z / (2 * n);
  double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)), scale = 1 + z * z / n;
  return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

double at_least(size_t events, size_t n, double p) {
  double below = 0, count = static_cast<double>(n);
  for (size_t i = 0; i < events; ++i) {
    auto k = static_cast<double>(i);
    double log_ways = std::lgamma(count + 1) - std::lgamma(k + 1) - std::lgamma(count - k + 1);
    below += std::exp(log_ways + k * std::log(p) + (count - k) * std::log1p(-p));
  }
  return std::max(0.0, 1 - below);
}

}  // namespace hs::sim
