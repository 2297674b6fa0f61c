#pragma once
// What a query wants to say beside its result: warnings and infos, each once, with the place in the query.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hs::promql {

// Where classic buckets had to be made monotonic; one per text, merged over steps and series.
struct Monotonicity {
  int64_t min_t_ms = 0;
  int64_t max_t_ms = 0;
  double min_bucket = 0;
  double max_bucket = 0;
  double max_diff = 0;
  int64_t count = 1;
};

struct Annotation {
  std::string text;  // "PromQL warning: ..." or "PromQL info: ...", without the place
  int pos = 0;
  std::optional<Monotonicity> monotonicity;

  bool is_info() const { return text.starts_with("PromQL info"); }
};

class Annotations {
 public:
  void add(Annotation annotation);
  void add_plain(const std::string& warning) { plain_.push_back(warning); }
  // At most `max` of each kind, then how many were left out. Sorted.
  void write(std::string_view query, size_t max, std::vector<std::string>& warnings,
             std::vector<std::string>& infos) const;

 private:
  std::map<std::string, Annotation> all_;
  std::vector<std::string> plain_;  // of the source
};

// Prometheus' texts.
namespace note {
std::string invalid_quantile(double q);
std::string invalid_integral_strategy(double strategy);
std::string invalid_ratio(double ratio, double capped);
std::string bad_bucket_label(std::string_view metric, std::string_view label);
std::string mixed_floats_histograms(std::string_view metric);
std::string mixed_floats_histograms_aggregation();
std::string mixed_classic_native(std::string_view metric);
std::string not_counter(std::string_view metric);  // a native histogram
std::string not_gauge(std::string_view metric);
std::string mixed_exponential_custom(std::string_view metric);
std::string possible_non_counter(std::string_view metric);
std::string possible_non_counter_label(std::string_view metric, std::string_view type);
std::string forced_monotonicity(std::string_view metric);
std::string incompatible_types(std::string_view lhs, std::string_view op, std::string_view rhs);
std::string histogram_ignored_in_aggregation(std::string_view aggregation);
std::string histogram_ignored_in_range(std::string_view metric);
std::string incompatible_buckets(std::string_view op);
std::string sort_in_range_query();
std::string quantile_nan_result(std::string_view metric);
std::string quantile_nan_skew(std::string_view metric);
std::string fraction_nans(std::string_view metric);
std::string reset_collision(std::string_view operation);
std::string mismatched_custom_buckets(std::string_view operation);
std::string start_time_overlap(std::string_view metric);
}  // namespace note

}  // namespace hs::promql
