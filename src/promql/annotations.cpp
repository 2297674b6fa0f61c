#include "promql/annotations.h"

#include <fmt/format.h>

#include <algorithm>

#include "promql/parser.h"
#include "promql/quote.h"

namespace hs::promql {
namespace {

std::string warning(std::string_view text) { return fmt::format("PromQL warning: {}", text); }
std::string info(std::string_view text) { return fmt::format("PromQL info: {}", text); }

std::string for_metric(std::string text, std::string_view metric) {
  return metric.empty() ? text : text + " for metric name " + quote(metric);
}

std::string details(const Monotonicity& m) {
  return fmt::format(", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
                     format_g(m.min_bucket), format_g(m.max_bucket), format_g(m.max_diff, 2), m.count,
                     rfc3339(m.min_t_ms), rfc3339(m.max_t_ms));
}

void cut(std::vector<std::string>& list, size_t max, std::string_view kind) {
  if (list.size() <= max) return;
  const size_t rest = list.size() - max;
  list.resize(max);
  list.push_back(fmt::format("{} more {} annotations omitted", rest, kind));
}

}  // namespace

void Annotations::add(Annotation annotation) {
  const auto [at, inserted] = all_.try_emplace(annotation.text, annotation);
  if (inserted) return;
  if (!annotation.monotonicity || !at->second.monotonicity) {
    at->second.pos = annotation.pos;
    return;
  }
  Monotonicity& old = *at->second.monotonicity;
  const Monotonicity& more = *annotation.monotonicity;
  old.min_t_ms = std::min(old.min_t_ms, more.min_t_ms);
  old.max_t_ms = std::max(old.max_t_ms, more.max_t_ms);
  old.min_bucket = std::min(old.min_bucket, more.min_bucket);
  old.max_bucket = std::max(old.max_bucket, more.max_bucket);
  old.max_diff = std::max(old.max_diff, more.max_diff);
  old.count += more.count;
}

void Annotations::write(std::string_view query, size_t max, std::vector<std::string>& warnings,
                        std::vector<std::string>& infos) const {
  for (const auto& [text, annotation] : all_) {
    const std::string more = annotation.monotonicity ? details(*annotation.monotonicity) : "";
    auto& list = annotation.is_info() ? infos : warnings;
    list.push_back(fmt::format("{}{} ({})", text, more, position_text(query, annotation.pos)));
  }
  for (const std::string& text : plain_) {
    if (std::find(warnings.begin(), warnings.end(), text) == warnings.end()) warnings.push_back(text);
  }
  cut(warnings, max, "warning");
  cut(infos, max, "info");
}

namespace note {

std::string invalid_quantile(double q) {
  return warning("quantile value should be between 0 and 1, got " + format_g(q));
}
std::string invalid_integral_strategy(double strategy) {
  return warning("strategy should be 0, 1, or 2 (default), using 2, got " + format_g(strategy));
}
std::string invalid_ratio(double ratio, double capped) {
  return warning(
      fmt::format("ratio value should be between -1 and 1, got {}, capping to {}", format_g(ratio), format_g(capped)));
}
std::string bad_bucket_label(std::string_view metric, std::string_view label) {
  return for_metric(warning("bucket label \"le\" is missing or has a malformed value of " + quote(label)), metric);
}
std::string mixed_floats_histograms(std::string_view metric) {
  return warning("encountered a mix of histograms and floats for metric name " + quote(metric));
}
std::string mixed_floats_histograms_aggregation() {
  return warning("encountered a mix of histograms and floats for aggregation");
}
std::string mixed_classic_native(std::string_view metric) {
  return for_metric(warning("vector contains a mix of classic and native histograms"), metric);
}
std::string not_counter(std::string_view metric) {
  return warning("this native histogram metric is not a counter: " + quote(metric));
}
std::string not_gauge(std::string_view metric) {
  return warning("this native histogram metric is not a gauge: " + quote(metric));
}
std::string mixed_exponential_custom(std::string_view metric) {
  return warning("vector contains a mix of histograms with exponential and custom buckets schemas for metric name " +
                 quote(metric));
}
std::string possible_non_counter(std::string_view metric) {
  return info("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " + quote(metric));
}
std::string possible_non_counter_label(std::string_view metric, std::string_view type) {
  return info(
      fmt::format("metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", "
                  "got {}: {}",
                  quote(type), quote(metric)));
}
std::string forced_monotonicity(std::string_view metric) {
  return for_metric(info("input to histogram_quantile needed to be fixed for monotonicity (see "
                         "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"),
                    metric);
}
std::string incompatible_types(std::string_view lhs, std::string_view op, std::string_view rhs) {
  return info(
      fmt::format("incompatible sample types encountered for binary operator {}: {} {} {}", quote(op), lhs, op, rhs));
}
std::string histogram_ignored_in_aggregation(std::string_view aggregation) {
  return info(fmt::format("ignored histogram in {} aggregation", aggregation));
}
std::string histogram_ignored_in_range(std::string_view metric) {
  return info("ignored histograms in a range containing both floats and histograms for metric name " + quote(metric));
}
std::string incompatible_buckets(std::string_view op) {
  return warning(fmt::format("incompatible bucket layout encountered for binary operator {}", op));
}
std::string sort_in_range_query() {
  return warning("sort is ineffective for range queries since results are always ordered by labels");
}
std::string quantile_nan_result(std::string_view metric) {
  return for_metric(info("input to histogram_quantile has NaN observations, result is NaN"), metric);
}
std::string quantile_nan_skew(std::string_view metric) {
  return for_metric(info("input to histogram_quantile has NaN observations, result is skewed higher"), metric);
}
std::string fraction_nans(std::string_view metric) {
  return for_metric(info("input to histogram_fraction has NaN observations, which are excluded from all fractions"),
                    metric);
}
std::string reset_collision(std::string_view operation) {
  return warning(fmt::format("conflicting counter resets during histogram {}", operation));
}
std::string mismatched_custom_buckets(std::string_view operation) {
  return info(fmt::format("mismatched custom buckets were reconciled during {}", operation));
}
std::string start_time_overlap(std::string_view metric) {
  return warning(
      fmt::format("sample has start time that overlaps with previous sample timestamp for metric {}", quote(metric)));
}

}  // namespace note
}  // namespace hs::promql
