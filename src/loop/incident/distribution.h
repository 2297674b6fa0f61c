#pragma once
// What may be said of a set of durations: never a mean without its spread, never a number without its n. Times between
// failures and times to restore are skewed, so the median with an order-statistic interval leads; the mean appears only
// from n = 30 on, with Cox's interval for a log-normal (Zhou and Gao, 1997). Open incidents are right-censored: they
// enter the Kaplan-Meier estimate, not the quantiles. Pure.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace hs::loop {

inline constexpr size_t mean_n_min = 30;  // below it a 95 % interval of the mean covers far less (77 % at n = 10)

struct Duration {
  double seconds = 0;
  bool censored = false;  // it lasts at least so long
};

struct Interval {
  double low = 0, high = 0;
};

struct Distribution {
  size_t n = 0, censored = 0;
  double p50 = 0, p90 = 0, p95 = 0, max = 0;
  std::optional<Interval> median_95;  // from n = 6 on: below it no pair of order statistics covers 95 %
  std::optional<double> mean;
  std::optional<Interval> mean_95;
  std::optional<double> survival_median;  // Kaplan-Meier, with the censored ones; absent when not reached
  std::vector<size_t> histogram;          // by histogram_bounds_s; the last is above all
};
const std::vector<double>& histogram_bounds_s();

Distribution describe(std::vector<Duration> durations);
nlohmann::json to_json(const Distribution& distribution, const std::string& definition);

}  // namespace hs::loop
