#pragma once
// The series notation of Prometheus' unit tests: `a+bxN`, `_`, `stale`, histograms in double braces.
// https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "promql/histogram.h"
#include "promql/labels.h"

namespace hs::rules {

struct NotedValue {
  bool missing = false;  // `_`
  double f = 0;
  promql::HistogramPtr h;  // when set: instead of f
};

inline constexpr size_t noted_values_max = 10'000'000;  // of one series: a sequence of a few characters may be long

Result<std::vector<NotedValue>> parse_values(std::string_view text);
// `metric{a="b"}`, `{a="b"}`, `{"utf8.name", a="b"}` or "": exact labels, nothing else.
Result<promql::Labels> parse_metric(std::string_view text);
// The histogram in this notation, without empty buckets at its ends: equal texts, equal histograms. "" for none.
std::string to_notation(const promql::HistogramPtr& histogram);

}  // namespace hs::rules
