#include "loop/incident/distribution.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

namespace hs::loop {
namespace {

using nlohmann::json;

constexpr double z_95 = 1.959964;

// The smallest value with at least the share q at or below it.
double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::min(sorted.size(), std::max<size_t>(at, 1)) - 1];
}

// P(X <= k) for X ~ Binomial(n, 1/2).
double binomial_half_cdf(size_t n, size_t k) {
  double total = 0;
  const auto m = static_cast<double>(n);
  for (size_t i = 0; i <= k; ++i) {
    const auto x = static_cast<double>(i);
    total += std::exp(std::lgamma(m + 1) - std::lgamma(x + 1) - std::lgamma(m - x + 1) - m * std::log(2.0));
  }
  return total;
}

// The narrowest symmetric pair of order statistics that covers the median with 95 %.
std::optional<Interval> median_interval(const std::vector<double>& sorted) {
  const size_t n = sorted.size();
  std::optional<Interval> best;
  for (size_t k = 0; k < n / 2 && 2 * binomial_half_cdf(n, k) <= 0.05; ++k) best = {sorted[k], sorted[n - 1 - k]};
  return best;
}

// Cox's method: log of a log-normal's mean is m + s2/2, with variance s2/n + s2^2 / (2 (n - 1)).
Interval mean_interval(const std::vector<double>& sorted) {
  const auto n = static_cast<double>(sorted.size());
  double sum = 0, squares = 0;
  for (const double v : sorted) sum += std::log(std::max(v, 1e-3));
  const double mean = sum / n;
  for (const double v : sorted) squares += std::pow(std::log(std::max(v, 1e-3)) - mean, 2);
  const double s2 = squares / (n - 1);
  const double half = z_95 * std::sqrt(s2 / n + s2 * s2 / (2 * (n - 1)));
  return {std::exp(mean + s2 / 2 - half), std::exp(mean + s2 / 2 + half)};
}

std::optional<double> survival_median(std::vector<Duration> durations) {
  std::sort(durations.begin(), durations.end(), [](const Duration& a, const Duration& b) {
    return a.seconds != b.seconds ? a.seconds < b.seconds : a.censored < b.censored;
  });
  double alive = 1;
  auto at_risk = static_cast<double>(durations.size());
  for (const Duration& d : durations) {
    if (!d.censored) alive *= 1 - 1 / at_risk;
    if (alive <= 0.5) return d.seconds;
    --at_risk;
  }
  return std::nullopt;
}

json interval_json(const std::optional<Interval>& interval) {
  return interval ? json{interval->low, interval->high} : json();
}

}  // namespace

const std::vector<double>& histogram_bounds_s() {
  static const std::vector<double> bounds = {1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14'400, 86'400};
  return bounds;
}

Distribution describe(std::vector<Duration> durations) {
  Distribution out;
  std::vector<double> complete;
  for (const Duration& d : durations)
    if (!d.censored) complete.push_back(d.seconds);
  std::sort(complete.begin(), complete.end());
  out.n = complete.size();
  out.censored = durations.size() - complete.size();
  out.histogram.resize(histogram_bounds_s().size() + 1);
  for (const double v : complete) {
    const auto bound = std::lower_bound(histogram_bounds_s().begin(), histogram_bounds_s().end(), v);
    ++out.histogram[static_cast<size_t>(bound - histogram_bounds_s().begin())];
  }
  if (!durations.empty()) out.survival_median = survival_median(std::move(durations));
  if (complete.empty()) return out;
  out.p50 = quantile(complete, 0.5);
  out.p90 = quantile(complete, 0.9);
  out.p95 = quantile(complete, 0.95);
  out.max = complete.back();
  out.median_95 = median_interval(complete);
  if (complete.size() >= mean_n_min) {
    double sum = 0;
    for (const double v : complete) sum += v;
    out.mean = sum / static_cast<double>(complete.size());
    out.mean_95 = mean_interval(complete);
  }
  return out;
}

json to_json(const Distribution& d, const std::string& definition) {
  json out = {{"definition", definition}, {"unit", "s"}, {"n", d.n}, {"open", d.censored}};
  out["histogram"] = {{"bounds", histogram_bounds_s()}, {"counts", d.histogram}};
  out["median_with_open"] = d.survival_median ? json(*d.survival_median) : json();
  if (d.n == 0) return out;
  out["p50"] = d.p50;
  out["p90"] = d.p90;
  out["p95"] = d.p95;
  out["max"] = d.max;
  out["p50_95"] = interval_json(d.median_95);
  if (d.mean) {
    out["mean"] = *d.mean;
    out["mean_95"] = interval_json(d.mean_95);
  } else {
    out["mean_note"] = "a mean needs n >= 30";
  }
  return out;
}

}  // namespace hs::loop
