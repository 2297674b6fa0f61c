#include <algorithm>
#include <array>

#include "promql/ast.h"

namespace hs::promql {
namespace {

constexpr auto scalar = ValueType::scalar;
constexpr auto vector = ValueType::vector;
constexpr auto matrix = ValueType::matrix;
constexpr auto string = ValueType::string;

// Sorted by name.
const std::vector<Function>& table() {
  static const std::vector<Function> functions = [] {
    std::vector<Function> all;
    const auto add = [&](std::initializer_list<std::string_view> names, std::vector<ValueType> arguments,
                         int variadic = 0, ValueType result = vector, bool experimental = false) {
      for (const std::string_view name : names) all.push_back({name, arguments, variadic, result, experimental});
    };
    add({"abs",
         "absent",
         "acos",
         "acosh",
         "asin",
         "asinh",
         "atan",
         "atanh",
         "ceil",
         "cos",
         "cosh",
         "deg",
         "exp",
         "floor",
         "ln",
         "log10",
         "log2",
         "rad",
         "sgn",
         "sin",
         "sinh",
         "sort",
         "sort_desc",
         "sqrt",
         "tan",
         "tanh",
         "timestamp",
         "histogram_avg",
         "histogram_count",
         "histogram_sum",
         "histogram_stddev",
         "histogram_stdvar"},
        {vector});
    add({"absent_over_time", "avg_over_time", "changes", "count_over_time", "delta", "deriv", "first_over_time",
         "idelta", "increase", "irate", "last_over_time", "max_over_time", "min_over_time", "present_over_time", "rate",
         "resets", "stddev_over_time", "stdvar_over_time", "sum_over_time"},
        {matrix});
    add({"mad_over_time", "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time",
         "ts_of_min_over_time"},
        {matrix}, 0, vector, true);
    add({"days_in_month", "day_of_month", "day_of_week", "day_of_year", "hour", "minute", "month", "year"}, {vector},
        1);
    add({"clamp"}, {vector, scalar, scalar});
    add({"clamp_max", "clamp_min"}, {vector, scalar});
    add({"round"}, {vector, scalar}, 1);
    add({"histogram_fraction"}, {scalar, scalar, vector});
    add({"histogram_quantile"}, {scalar, vector});
    add({"histogram_quantiles"}, {vector, string, scalar, scalar}, 9, vector, true);
    add({"double_exponential_smoothing"}, {matrix, scalar, scalar}, 0, vector, true);
    add({"integral"}, {matrix, scalar}, 1, vector, true);
    add({"predict_linear"}, {matrix, scalar});
    add({"quantile_over_time"}, {scalar, matrix});
    add({"label_replace"}, {vector, string, string, string, string});
    add({"label_join"}, {vector, string, string, string}, -1);
    add({"sort_by_label", "sort_by_label_desc"}, {vector, string}, -1, vector, true);
    add({"info"}, {vector, vector}, 1, vector, true);
    add({"start_timestamp"}, {vector}, 0, vector, true);
    add({"pi", "time"}, {}, 0, scalar);
    add({"start", "end", "step", "range"}, {}, 0, scalar, true);
    add({"min_of", "max_of"}, {scalar, scalar}, 0, scalar, true);
    add({"scalar"}, {vector}, 0, scalar);
    add({"vector"}, {scalar});
    std::sort(all.begin(), all.end(), [](const Function& a, const Function& b) { return a.name < b.name; });
    return all;
  }();
  return functions;
}

}  // namespace

const Function* find_function(std::string_view name) {
  const auto& all = table();
  const auto at = std::lower_bound(all.begin(), all.end(), name,
                                   [](const Function& f, std::string_view wanted) { return f.name < wanted; });
  return at != all.end() && at->name == name ? &*at : nullptr;
}

}  // namespace hs::promql
