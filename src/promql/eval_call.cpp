#include <algorithm>
#include <cmath>
#include <numbers>

#include "promql/evaluator.h"
#include "promql/functions.h"
#include "promql/natural.h"

namespace hs::promql {
namespace {

using Kind = Expr::Kind;

// Go's: NaN wins, but an infinity that cannot be passed wins over NaN.
double go_max(double a, double b) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (a == infinity || b == infinity) return infinity;
  return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
}
double go_min(double a, double b) { return -go_max(-a, -b); }

bool is_matrix(const Expr& expr) {
  const Expr& inner = unwrap(expr);
  return inner.kind == Kind::matrix_selector || inner.kind == Kind::subquery;
}

std::vector<std::string> string_arguments(const CallExpr& node, size_t from) {
  std::vector<std::string> out;
  for (size_t i = from; i < node.arguments.size(); ++i) {
    out.push_back(as<StringLiteral>(unwrap(*node.arguments[i])).value);
  }
  return out;
}

}  // namespace

Labels absent_labels(const Expr& expr) {
  const Expr* selector = &unwrap(expr);
  if (selector->kind == Kind::matrix_selector) selector = as<MatrixSelector>(*selector).selector.get();
  if (selector->kind != Kind::vector_selector) return {};
  Labels out;
  std::vector<std::string> seen;
  for (const Matcher& m : as<VectorSelector>(*selector).matchers) {
    if (m.name() == metric_name_label) continue;
    const bool first = std::find(seen.begin(), seen.end(), m.name()) == seen.end();
    if (m.type() == MatchType::equal && first) {
      out.set(m.name(), m.value());
      seen.push_back(m.name());
    } else {
      out.erase(m.name());
    }
  }
  return out;
}

Rows Evaluator::eval_call(const CallExpr& node) {
  const std::string_view name = node.function->name;
  for (size_t i = 0; i < node.arguments.size(); ++i) {
    if (is_matrix(*node.arguments[i])) return eval_window(node, i);
  }
  if (name == "label_replace") return eval_label_replace(node);
  if (name == "label_join") return eval_label_join(node);
  if (name == "info") return eval_info(node);
  if (name == "timestamp" || name == "start_timestamp") return eval_timestamp(node, name == "start_timestamp");
  if (name == "absent") return eval_absent(node);
  if (name.starts_with("sort")) return eval_sort(node);
  if (name == "histogram_quantile" || name == "histogram_quantiles" || name == "histogram_fraction") {
    return eval_histogram(node);
  }
  if (node.function->result == ValueType::scalar || name == "vector") return eval_scalar(node);
  if (find_date_function(name) != nullptr) return map_dates(node);
  return find_histogram_function(name) != nullptr ? map_histograms(node) : map_floats(node);
}

Rows Evaluator::eval_scalar(const CallExpr& node) {
  const std::string_view name = node.function->name;
  Rows rows;
  if (name == "time") {
    rows.push_back(dense_each([&](size_t i) { return static_cast<double>(time_at(i)) / 1000; }));
  } else if (name == "pi") {
    rows.push_back(dense(std::numbers::pi));
  } else if (name == "min_of" || name == "max_of") {
    const std::vector<double> a = scalars(*node.arguments[0]);
    const std::vector<double> b = scalars(*node.arguments[1]);
    if (state_.failed()) return {};
    rows.push_back(dense_each([&](size_t i) { return name == "min_of" ? go_min(a[i], b[i]) : go_max(a[i], b[i]); }));
  } else if (name == "vector") {
    return eval(*node.arguments[0]);
  } else {  // scalar: the only float, else NaN
    std::vector<double> values(steps_, NAN);
    std::vector<int> counts(steps_);
    for (const Row& row : eval(*node.arguments[0])) {
      for (const FloatPoint& p : row.floats) {
        const size_t step = step_of(p.t_ms);
        values[step] = ++counts[step] == 1 ? p.v : NAN;
      }
    }
    rows.push_back(dense_each([&](size_t i) { return values[i]; }));
  }
  return rows;
}

Rows Evaluator::eval_absent(const CallExpr& node) {
  std::vector<char> present(steps_);
  for (const Row& row : eval(*node.arguments[0])) {
    each_point(row, [&](int64_t t, double, const HistogramPtr&) { present[step_of(t)] = 1; });
  }
  Row row;
  row.labels = absent_labels(*node.arguments[0]);
  for (size_t i = 0; i < steps_; ++i) {
    if (!present[i]) row.floats.push_back({time_at(i), 1});
  }
  Rows rows;
  if (!row.empty()) rows.push_back(std::move(row));
  return rows;
}

// Of a plain selector the time of the sample itself, of anything else the time of the step.
Rows Evaluator::eval_timestamp(const CallExpr& node, bool start) {
  const Expr& argument = unwrap(*node.arguments[0]);
  const bool direct = argument.kind == Kind::vector_selector;
  if (start && (!direct || !state_.options.features.start_timestamps)) return {};
  Rows rows;
  if (!direct) {
    rows = eval(argument);
    for (Row& row : rows) {
      Row out;
      each_point(row, [&](int64_t t, double, const HistogramPtr&) {
        out.floats.push_back({t, static_cast<double>(t) / 1000});
      });
      row.floats = std::move(out.floats);
      row.histograms.clear();
    }
  } else {
    const auto& selector = as<VectorSelector>(argument);
    const auto selection = state_.selections[&selector];
    if (!selection) return {};
    std::vector<Series> times;
    for (const Series& series : selection->series) times.push_back(times_of(series, start));
    rows = eval_series(times, selector.time, false);
  }
  for (Row& row : rows) {
    row.labels = named(row.labels);
    row.drop_name = true;
  }
  return finish(std::move(rows));
}

Rows Evaluator::eval_sort(const CallExpr& node) {
  const std::string_view name = node.function->name;
  const bool by_label = name.starts_with("sort_by_label");
  const bool descending = name.ends_with("_desc");
  Rows rows = eval(*node.arguments[0]);
  if (start_ms_ != end_ms_) state_.note(note::sort_in_range_query(), node.range.start);
  if (!by_label) {
    for (Row& row : rows) row.histograms.clear();
    remove_empty(rows);
  }
  if (!instant()) return finish(std::move(rows));
  const std::vector<std::string> labels = by_label ? string_arguments(node, 1) : std::vector<std::string>();
  const auto before = [&](const Row& a, const Row& b) {
    if (!by_label) {
      const double x = a.floats[0].v;
      const double y = b.floats[0].v;
      if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
      return descending ? x > y : x < y;
    }
    for (const std::string& label : labels) {
      const std::string_view x = a.labels.get(label);
      const std::string_view y = b.labels.get(label);
      if (x != y) return natural_less(x, y) != descending;
    }
    return descending ? b.labels < a.labels : a.labels < b.labels;
  };
  std::sort(rows.begin(), rows.end(), before);
  return finish(std::move(rows));
}

Rows Evaluator::map_floats(const CallExpr& node) {
  const std::string_view name = node.function->name;
  Rows rows = eval(*node.arguments[0]);
  std::vector<std::vector<double>> parameters;
  for (size_t i = 1; i < node.arguments.size(); ++i) parameters.push_back(scalars(*node.arguments[i]));
  if (state_.failed()) return {};
  const auto at = [&](size_t i, const FloatPoint& p) { return parameters[i][step_of(p.t_ms)]; };
  const FloatFunction simple = find_float_function(name);
  for (Row& row : rows) {
    row.histograms.clear();
    row.labels = named(row.labels);
    row.drop_name = true;
    if (name == "clamp") std::erase_if(row.floats, [&](const FloatPoint& p) { return at(1, p) < at(0, p); });
    for (FloatPoint& p : row.floats) {
      if (simple != nullptr)
        p.v = simple(p.v);
      else if (name == "clamp")
        p.v = go_max(at(0, p), go_min(at(1, p), p.v));
      else if (name == "clamp_min")
        p.v = go_max(at(0, p), p.v);
      else if (name == "clamp_max")
        p.v = go_min(at(0, p), p.v);
      else if (name == "round") {
        const double inverse = 1 / (parameters.empty() ? 1.0 : at(0, p));
        p.v = std::floor(p.v * inverse + 0.5) / inverse;
      }
    }
    if (!state_.work(static_cast<int64_t>(row.floats.size()))) return {};
  }
  return finish(std::move(rows));
}

Rows Evaluator::map_histograms(const CallExpr& node) {
  const HistogramFunction function = find_histogram_function(node.function->name);
  Rows rows = eval(*node.arguments[0]);
  for (Row& row : rows) {
    row.floats.clear();
    for (const HistogramPoint& p : row.histograms) row.floats.push_back({p.t_ms, function(*p.h)});
    if (!state_.work(4 * static_cast<int64_t>(row.histograms.size()))) return {};
    row.histograms.clear();
    row.labels = state_.delayed_names() ? row.labels : row.labels.without_name();
    row.drop_name = true;
  }
  return finish(std::move(rows));
}

Rows Evaluator::map_dates(const CallExpr& node) {
  const DateFunction function = find_date_function(node.function->name);
  if (node.arguments.empty()) {
    Rows rows;
    rows.push_back(dense_each([&](size_t i) { return function(time_at(i) / 1000); }));
    return rows;
  }
  Rows rows = eval(*node.arguments[0]);
  for (Row& row : rows) {
    row.histograms.clear();
    for (FloatPoint& p : row.floats) p.v = function(whole_seconds(p.v));
    row.labels = named(row.labels);
    row.drop_name = true;
  }
  return finish(std::move(rows));
}

}  // namespace hs::promql
