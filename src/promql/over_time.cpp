// The functions named *_over_time, and trends.

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "promql/evaluator.h"
#include "promql/histogram_math.h"
#include "promql/quantile.h"
#include "promql/window.h"

namespace hs::promql {

void Window::note(std::string text) const { state->note(std::move(text), pos); }

namespace {

bool mixed(const Window& w) {
  if (w.floats.empty() || w.histograms.empty()) return false;
  w.note(note::mixed_floats_histograms(w.metric));
  return true;
}

// For functions of floats only: false when there are none; histograms beside them are told.
bool only_floats(const Window& w) {
  if (w.floats.empty()) return false;
  if (!w.histograms.empty()) w.note(note::histogram_ignored_in_range(w.metric));
  return true;
}

std::vector<double> values_of(const Window& w) {
  std::vector<double> out;
  out.reserve(w.floats.size());
  for (const FloatPoint& p : w.floats) out.push_back(p.v);
  return out;
}

// Adds up histograms with `Accumulator`, and tells what happened on the way.
template <class Accumulator>
WindowValue fold_histograms(const Window& w) {
  Accumulator total(*w.histograms[0].h);
  bool resets = false, not_resets = false, reconciled = false;
  for (size_t i = 0; i < w.histograms.size(); ++i) {
    const Histogram& h = *w.histograms[i].h;
    resets |= h.hint == ResetHint::reset;
    not_resets |= h.hint == ResetHint::not_reset;
    if (i == 0) continue;
    const Combined how = total.add(h);
    reconciled |= how.reconciled;
    if (!how.incompatible) continue;
    w.note(note::mixed_exponential_custom(w.metric));
    return WindowValue::none();
  }
  if (resets && not_resets) w.note(note::reset_collision("aggregation"));
  if (reconciled) w.note(note::mismatched_custom_buckets("aggregation"));
  return WindowValue::of(total.finish());
}

WindowValue sum_over_time(const Window& w) {
  if (mixed(w)) return WindowValue::none();
  if (w.floats.empty()) return fold_histograms<HistogramSum>(w);
  KahanSum sum;
  for (const FloatPoint& p : w.floats) sum.add(p.v);
  return WindowValue::of(sum.value());
}

WindowValue avg_over_time(const Window& w) {
  if (mixed(w)) return WindowValue::none();
  if (w.floats.empty()) return fold_histograms<HistogramMean>(w);
  KahanMean mean;
  for (const FloatPoint& p : w.floats) mean.add(p.v);
  return WindowValue::of(mean.value());
}

WindowValue count_over_time(const Window& w) {
  return WindowValue::of(static_cast<double>(w.floats.size() + w.histograms.size()));
}

WindowValue present_over_time(const Window&) { return WindowValue::of(1.0); }

WindowValue first_over_time(const Window& w) {
  const bool is_float = w.histograms.empty() || (!w.floats.empty() && w.floats[0].t_ms < w.histograms[0].t_ms);
  return is_float ? WindowValue::of(w.floats[0].v) : WindowValue::of(w.histograms[0].h);
}

WindowValue last_over_time(const Window& w) {
  const bool is_float = w.histograms.empty() || (!w.floats.empty() && w.histograms.back().t_ms < w.floats.back().t_ms);
  return is_float ? WindowValue::of(w.floats.back().v) : WindowValue::of(w.histograms.back().h);
}

WindowValue ts_of_first_over_time(const Window& w) {
  int64_t t = std::numeric_limits<int64_t>::max();
  if (!w.floats.empty()) t = w.floats[0].t_ms;
  if (!w.histograms.empty()) t = std::min(t, w.histograms[0].t_ms);
  return WindowValue::of(static_cast<double>(t) / 1000);
}

WindowValue ts_of_last_over_time(const Window& w) {
  int64_t t = 0;
  if (!w.floats.empty()) t = std::max(t, w.floats.back().t_ms);
  if (!w.histograms.empty()) t = std::max(t, w.histograms.back().t_ms);
  return WindowValue::of(static_cast<double>(t) / 1000);
}

// The point that `better` prefers to the one before; NaN loses against anything.
template <class Better>
WindowValue extreme(const Window& w, bool time, Better better) {
  if (!only_floats(w)) return WindowValue::none();
  const FloatPoint* best = &w.floats[0];
  for (const FloatPoint& p : w.floats) {
    if (better(p.v, best->v) || std::isnan(best->v)) best = &p;
  }
  return WindowValue::of(time ? static_cast<double>(best->t_ms) / 1000 : best->v);
}

WindowValue max_over_time(const Window& w) {
  return extreme(w, false, [](double a, double b) { return a > b; });
}
WindowValue min_over_time(const Window& w) {
  return extreme(w, false, [](double a, double b) { return a < b; });
}
WindowValue ts_of_max_over_time(const Window& w) {
  return extreme(w, true, [](double a, double b) { return a >= b; });
}
WindowValue ts_of_min_over_time(const Window& w) {
  return extreme(w, true, [](double a, double b) { return a <= b; });
}

WindowValue quantile_over_time(const Window& w) {
  if (w.floats.empty()) return WindowValue::none();
  const double q = w.parameters[0];
  if (std::isnan(q) || q < 0 || q > 1) w.note(note::invalid_quantile(q));
  only_floats(w);
  std::vector<double> values = values_of(w);
  return WindowValue::of(quantile(q, values));
}

WindowValue mad_over_time(const Window& w) {
  if (!only_floats(w)) return WindowValue::none();
  std::vector<double> values = values_of(w);
  if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) return WindowValue::of(NAN);
  const double median = quantile(0.5, values);
  for (double& v : values) v = std::abs(v - median);
  return WindowValue::of(quantile(0.5, values));
}

double variance(const Window& w) {
  double count = 0;
  KahanSum mean;
  KahanSum squares;
  for (const FloatPoint& p : w.floats) {
    ++count;
    const double delta = p.v - (mean.sum + mean.error);
    mean.add(delta / count);
    squares.add(delta * (p.v - (mean.sum + mean.error)));
  }
  return (squares.sum + squares.error) / count;
}

WindowValue stdvar_over_time(const Window& w) {
  return only_floats(w) ? WindowValue::of(variance(w)) : WindowValue::none();
}
WindowValue stddev_over_time(const Window& w) {
  return only_floats(w) ? WindowValue::of(std::sqrt(variance(w))) : WindowValue::none();
}

// The area under the points: of rectangles as high as the left (0) or right (1) point, or of trapezoids (2). NaN is 0.
WindowValue integral(const Window& w) {
  if (!only_floats(w)) return WindowValue::none();
  constexpr int trapezoids = 2;
  int strategy = trapezoids;
  if (!w.parameters.empty()) {
    const double asked = w.parameters[0];
    if (asked == 0 || asked == 1 || asked == 2)
      strategy = static_cast<int>(asked);
    else
      w.note(note::invalid_integral_strategy(asked));
  }
  const auto value = [](const FloatPoint& p) { return std::isnan(p.v) ? 0 : p.v; };
  KahanSum sum;
  for (size_t i = 1; i < w.floats.size(); ++i) {
    const double left = value(w.floats[i - 1]);
    const double right = value(w.floats[i]);
    const double height = strategy == 0 ? left : strategy == 1 ? right : left / 2 + right / 2;
    if (height != 0) sum.add(height * static_cast<double>(w.floats[i].t_ms - w.floats[i - 1].t_ms) / 1000);
  }
  return WindowValue::of(sum.value());
}

struct Line {
  double slope = 0;
  double intercept = 0;  // at the given time
};

Line regression(std::span<const FloatPoint> points, int64_t t_ms) {
  KahanSum x, y, xy, x2;
  bool constant = true;
  for (const FloatPoint& p : points) {
    const double at = static_cast<double>(p.t_ms - t_ms) / 1000;
    constant = constant && p.v == points[0].v;
    x.add(at);
    y.add(p.v);
    xy.add(at * p.v);
    x2.add(at * at);
  }
  if (constant) return std::isinf(points[0].v) ? Line{NAN, NAN} : Line{0, points[0].v};
  const auto n = static_cast<double>(points.size());
  const auto total = [](const KahanSum& s) { return s.sum + s.error; };
  const double covariance = total(xy) - total(x) * total(y) / n;
  const double variance_x = total(x2) - total(x) * total(x) / n;
  const double slope = covariance / variance_x;
  return {slope, total(y) / n - slope * total(x) / n};
}

// Trends need two floats.
bool enough_for_trend(const Window& w) {
  if (!w.floats.empty() && !w.histograms.empty()) w.note(note::histogram_ignored_in_range(w.metric));
  return w.floats.size() >= 2;
}

WindowValue deriv(const Window& w) {
  if (!enough_for_trend(w)) return WindowValue::none();
  return WindowValue::of(regression(w.floats, w.floats[0].t_ms).slope);
}

WindowValue predict_linear(const Window& w) {
  if (!enough_for_trend(w)) return WindowValue::none();
  const Line line = regression(w.floats, w.t_ms);
  return WindowValue::of(line.slope * w.parameters[0] + line.intercept);
}

WindowValue double_exponential_smoothing(const Window& w) {
  const double smoothing = w.parameters[0];
  const double trend = w.parameters[1];
  const auto bad = [&](std::string_view what, std::string_view name, double v) {
    w.state->fail(fmt::format("invalid {} factor. Expected: 0 < {} < 1, got: {:f}", what, name, v));
    return WindowValue::none();
  };
  if (smoothing <= 0 || smoothing >= 1) return bad("smoothing", "sf", smoothing);
  if (trend <= 0 || trend >= 1) return bad("trend", "tf", trend);
  if (!enough_for_trend(w)) return WindowValue::none();
  double before = 0;
  double level = w.floats[0].v;
  double slope = w.floats[1].v - w.floats[0].v;
  for (size_t i = 1; i < w.floats.size(); ++i) {
    const double x = smoothing * w.floats[i].v;
    if (i > 1) slope = trend * (level - before) + (1 - trend) * slope;
    const double y = (1 - smoothing) * (level + slope);
    before = level;
    level = x + y;
  }
  return WindowValue::of(level);
}

}  // namespace

WindowFunction find_window_function(std::string_view name) {
  struct Entry {
    std::string_view name;
    WindowFunction function;
  };
  static constexpr Entry table[] = {
      {"absent_over_time", present_over_time},
      {"avg_over_time", avg_over_time},
      {"changes", changes_of},
      {"count_over_time", count_over_time},
      {"delta", [](const Window& w) { return rate_of(w, false, false); }},
      {"deriv", deriv},
      {"double_exponential_smoothing", double_exponential_smoothing},
      {"first_over_time", first_over_time},
      {"idelta", [](const Window& w) { return instant_rate_of(w, false); }},
      {"increase", [](const Window& w) { return rate_of(w, true, false); }},
      {"integral", integral},
      {"irate", [](const Window& w) { return instant_rate_of(w, true); }},
      {"last_over_time", last_over_time},
      {"mad_over_time", mad_over_time},
      {"max_over_time", max_over_time},
      {"min_over_time", min_over_time},
      {"predict_linear", predict_linear},
      {"present_over_time", present_over_time},
      {"quantile_over_time", quantile_over_time},
      {"rate", [](const Window& w) { return rate_of(w, true, true); }},
      {"resets", resets_of},
      {"stddev_over_time", stddev_over_time},
      {"stdvar_over_time", stdvar_over_time},
      {"sum_over_time", sum_over_time},
      {"ts_of_first_over_time", ts_of_first_over_time},
      {"ts_of_last_over_time", ts_of_last_over_time},
      {"ts_of_max_over_time", ts_of_max_over_time},
      {"ts_of_min_over_time", ts_of_min_over_time},
  };
  for (const Entry& entry : table) {
    if (entry.name == name) return entry.function;
  }
  return nullptr;
}

}  // namespace hs::promql
