#include <algorithm>
#include <array>
#include <unordered_set>

#include "promql/evaluator.h"
#include "promql/functions.h"
#include "promql/histogram_math.h"

namespace hs::promql {

// What a function over a range goes through: series, and how each step's range lies.
struct Evaluator::SelectedWindow {
  std::shared_ptr<const Selection> selection;  // of a selector
  std::vector<Series> own;                     // of a subquery
  std::vector<bool> drop_names;                // of a subquery's rows
  const TimeModifier* time = nullptr;
  int64_t range_ms = 0;
  bool anchored = false;
  bool smoothed = false;
  int pos = 0;

  const std::vector<Series>& series() const { return selection ? selection->series : own; }
};

namespace {

template <class Point>
size_t first_after(const std::vector<Point>& points, size_t from, int64_t t) {
  while (from < points.size() && points[from].t_ms <= t) ++from;
  return from;
}

std::span<const int64_t> part(const std::vector<int64_t>& starts, size_t from, size_t to) {
  return starts.size() >= to ? std::span(starts).subspan(from, to - from) : std::span<const int64_t>();
}

bool ends_like_counter(std::string_view name) {
  static constexpr std::array<std::string_view, 4> endings = {"_total", "_sum", "_count", "_bucket"};
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view e) { return name.ends_with(e); });
}

// How often a value was below the one before, up to each point: what tells ranges without a reset from others. Only for
// functions that ask.
std::vector<uint32_t> drops_before(const std::vector<FloatPoint>& points, const CallExpr& node) {
  if (node.function->name != "rate" && node.function->name != "increase") return {};
  std::vector<uint32_t> drops(points.size());
  for (size_t i = 1; i < points.size(); ++i) drops[i] = drops[i - 1] + (points[i].v < points[i - 1].v ? 1 : 0);
  return drops;
}

}  // namespace

bool Evaluator::window_source(const Expr& matrix, SelectedWindow& out) {
  const Expr& inner = unwrap(matrix);
  if (inner.kind == Expr::Kind::matrix_selector) {
    const auto& node = as<MatrixSelector>(inner);
    const auto& selector = as<VectorSelector>(*node.selector);
    out.selection = state_.selections[&selector];
    out.time = &selector.time;
    out.range_ms = node.range_ms;
    out.anchored = selector.anchored;
    out.smoothed = selector.smoothed;
    out.pos = inner.range.start;
    return out.selection != nullptr;
  }
  const auto& node = as<SubqueryExpr>(inner);
  out.time = &node.time;
  out.range_ms = node.range_ms;
  for (Row& row : eval_subquery(node)) {
    Series series;
    series.labels = std::move(row.labels);
    series.floats = std::move(row.floats);
    series.histograms = std::move(row.histograms);
    // What a hint says about the sample before is not true of the point before, which may be any sample.
    for (HistogramPoint& p : series.histograms) {
      if (p.h->hint != ResetHint::gauge) p.h = with_hint(p.h, ResetHint::unknown);
    }
    out.own.push_back(std::move(series));
    out.drop_names.push_back(row.drop_name);
  }
  return !state_.failed();
}

bool Evaluator::extension_allowed(const CallExpr& node, const SelectedWindow& window) {
  const std::string_view name = node.function->name;
  const bool rates = name == "rate" || name == "increase" || name == "delta";
  const bool counts = name == "changes" || name == "resets";
  if (window.anchored && !rates && !counts) {
    state_.fail("anchored modifier can only be used with: changes, delta, increase, rate, resets - not with " +
                std::string(name));
  }
  if (window.smoothed && !rates) {
    state_.fail("smoothed modifier can only be used with: delta, increase, rate - not with " + std::string(name));
  }
  return !state_.failed();
}

Rows Evaluator::eval_window(const CallExpr& node, size_t matrix_argument) {
  Rows out;
  each_window(node, matrix_argument, [&](Row& row) {
    if (state_.take(sample_count(row))) out.push_back(std::move(row));
  });
  if (state_.failed()) return {};
  if (node.function->name == "absent_over_time") return absent_over_time(node, *node.arguments[matrix_argument], out);
  return out;
}

// A rate of what does not look like a counter.
void Evaluator::note_counter(const Series& series, int pos) {
  const std::string_view metric = series.labels.get(metric_name_label);
  if (metric.empty()) return;
  if (state_.options.features.type_and_unit_labels) {
    const std::string_view type = series.labels.get("__type__");
    if (type != "counter" && type != "histogram") state_.note(note::possible_non_counter_label(metric, type), pos);
  } else if (!ends_like_counter(metric)) {
    state_.note(note::possible_non_counter(metric), pos);
  }
}

void Evaluator::each_window(const CallExpr& node, size_t matrix_argument, const RowSink& sink) {
  const std::string_view name = node.function->name;
  SelectedWindow window;
  if (!window_source(*node.arguments[matrix_argument], window)) return;
  std::vector<std::vector<double>> parameters;
  for (size_t i = 0; i < node.arguments.size(); ++i) {
    if (i != matrix_argument) parameters.push_back(scalars(*node.arguments[i]));
  }
  if (state_.failed() || !extension_allowed(node, window)) return;
  if (matrix_argument > 0) window.pos = unwrap(*node.arguments[0]).range.start;
  const bool keeps_name = name == "last_over_time" || name == "first_over_time";
  const bool rate = name == "rate" || name == "increase";
  const bool unique = !state_.delayed_names() && name != "absent_over_time";
  const WindowFunction function = find_window_function(name);
  std::unordered_set<Labels, LabelsHash> seen;
  Row row;
  for (size_t i = 0; i < window.series().size(); ++i) {
    const Series& series = window.series()[i];
    window_row(node, window, series, function, parameters, row);
    if (state_.failed()) return;
    if (row.empty()) continue;
    row.drop_name = !keeps_name || (!window.drop_names.empty() && window.drop_names[i]);
    row.labels = row.drop_name ? named(series.labels) : series.labels;
    if (rate && !row.floats.empty()) note_counter(series, window.pos);
    if (unique && !seen.insert(row.labels).second)
      return state_.fail("vector cannot contain metrics with the same labelset");
    sink(row);
    if (state_.failed()) return;
  }
}

Rows Evaluator::absent_over_time(const CallExpr&, const Expr& matrix, const Rows& rows) {
  std::vector<char> present(steps_);
  for (const Row& row : rows) {
    for (const FloatPoint& p : row.floats) present[step_of(p.t_ms)] = 1;
  }
  Row row;
  row.labels = unwrap(matrix).kind == Expr::Kind::matrix_selector ? absent_labels(matrix) : Labels();
  row.drop_name = true;
  for (size_t i = 0; i < steps_; ++i) {
    if (!present[i]) row.floats.push_back({time_at(i), 1});
  }
  Rows out;
  if (!row.empty()) out.push_back(std::move(row));
  return out;
}

// The range slides over the points; each step only moves its two ends.
void Evaluator::window_row(const CallExpr& node, const SelectedWindow& window, const Series& series,
                           const WindowFunction& function, const std::vector<std::vector<double>>& parameters,
                           Row& row) {
  row.floats.clear();
  row.histograms.clear();
  const int64_t lookback = state_.options.lookback_ms;
  const bool starts = series.temporality == Temporality::delta ||
                      (state_.options.features.start_timestamps && uses_starts(node.function->name));
  std::vector<double> at_step(parameters.size());
  Window w{.temporality = series.temporality,
           .range_s = static_cast<double>(window.range_ms) / 1000,
           .anchored = window.anchored,
           .smoothed = window.smoothed,
           .metric = series.labels.get(metric_name_label),
           .pos = window.pos,
           .state = &state_};
  const std::vector<uint32_t> drops = starts ? std::vector<uint32_t>() : drops_before(series.floats, node);
  size_t f_low = 0, f_high = 0, h_low = 0, h_high = 0;
  for (size_t step = 0; step < steps_; ++step) {
    w.t_ms = time_at(step);
    w.end_ms = window.time->timestamp_ms.value_or(w.t_ms) - window.time->original_offset_ms;
    w.start_ms = w.end_ms - window.range_ms;
    const int64_t from = window.anchored || window.smoothed ? w.start_ms - lookback : w.start_ms;
    const int64_t to = window.smoothed ? w.end_ms + lookback : w.end_ms;
    f_low = first_after(series.floats, f_low, from);
    f_high = first_after(series.floats, std::max(f_high, f_low), to);
    h_low = first_after(series.histograms, h_low, from);
    h_high = first_after(series.histograms, std::max(h_high, h_low), to);
    w.floats = std::span(series.floats).subspan(f_low, f_high - f_low);
    w.histograms = std::span(series.histograms).subspan(h_low, h_high - h_low);
    if (w.floats.empty() && w.histograms.empty()) continue;
    w.ascending = !drops.empty() && f_high > f_low && drops[f_low] == drops[f_high - 1];
    if (starts) {
      w.float_starts = part(series.float_starts_ms, f_low, f_high);
      w.histogram_starts = part(series.histogram_starts_ms, h_low, h_high);
    }
    for (size_t i = 0; i < parameters.size(); ++i) at_step[i] = parameters[i][step];
    w.parameters = at_step;
    const auto count = static_cast<int64_t>(w.floats.size() + 8 * w.histograms.size());
    state_.total += count;
    if (!state_.work((w.ascending ? 1 : count) + 1)) return;
    WindowValue value = function(w);
    if (!value.present) continue;
    if (value.h)
      row.histograms.push_back({w.t_ms, std::move(value.h)});
    else
      row.floats.push_back({w.t_ms, value.f});
  }
}

}  // namespace hs::promql
