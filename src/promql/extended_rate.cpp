// rate, increase and delta of anchored and smoothed ranges: between values at exactly the ends of the range, which are
// the last points before them (anchored) or interpolated (smoothed).

#include <algorithm>

#include "promql/evaluator.h"
#include "promql/histogram_math.h"
#include "promql/window.h"

namespace hs::promql {
namespace {

// The points that matter: from the last one at or before the start (else the first) to the end.
struct Ends {
  size_t first = 0;
  size_t last = 0;
  bool any = false;  // something in the range
};

template <class Point>
Ends find_ends(std::span<const Point> points, int64_t start, int64_t end, bool smoothed) {
  Ends ends;
  const auto limit = points.begin() + static_cast<std::ptrdiff_t>(points.size() - 1);
  const auto after = std::find_if(points.begin(), limit, [&](const Point& p) { return p.t_ms > start; });
  ends.first = after == points.begin() ? 0 : static_cast<size_t>(after - points.begin()) - 1;
  const auto at_end = std::find_if(points.begin(), limit, [&](const Point& p) { return p.t_ms >= end; });
  ends.last = smoothed ? static_cast<size_t>(at_end - points.begin()) : points.size() - 1;
  ends.any = points[ends.last].t_ms > start && !(smoothed && points[ends.first].t_ms > end);
  return ends;
}

double left_value(std::span<const FloatPoint> points, size_t first, int64_t start, bool smoothed, bool counter) {
  const bool between = smoothed && points[first].t_ms < start;
  return between ? interpolate(points[first], points[first + 1], start, counter) : points[first].v;
}

double right_value(std::span<const FloatPoint> points, size_t last, int64_t end, bool smoothed, bool counter) {
  const bool between = smoothed && last > 0 && points[last].t_ms > end;
  return between ? interpolate(points[last - 1], points[last], end, counter) : points[last].v;
}

WindowValue float_rate(const Window& w, bool counter, double divisor) {
  const Ends ends = find_ends(w.floats, w.start_ms, w.end_ms, w.smoothed);
  if (!ends.any) return WindowValue::none();
  const double left = left_value(w.floats, ends.first, w.start_ms, w.smoothed, counter);
  const double right = right_value(w.floats, ends.last, w.end_ms, w.smoothed, counter);
  double increase = right - left;
  double before = left;
  for (size_t i = ends.first; counter && i <= ends.last; ++i) {
    const FloatPoint& p = w.floats[i];
    const bool outside = (i == ends.first && p.t_ms <= w.start_ms) || (i == ends.last && p.t_ms >= w.end_ms);
    if (outside) continue;
    if (p.v < before) increase += before;
    before = p.v;
  }
  if (counter && right < before) increase += before;
  return WindowValue::of(increase / divisor);
}

bool valid_histograms(const Window& w, const Ends& ends, bool counter) {
  const bool custom = w.histograms[ends.first].h->custom();
  for (size_t i = ends.first; i <= ends.last; ++i) {
    const Histogram& h = *w.histograms[i].h;
    if (h.custom() != custom) {
      w.note(note::mixed_exponential_custom(w.metric));
      return false;
    }
    if (counter && h.hint == ResetHint::gauge) w.note(note::not_counter(w.metric));
  }
  return true;
}

// Adds what counters had when they were reset, between the two ends.
void correct_resets(const Window& w, const Ends& ends, const HistogramPtr& left, const HistogramPtr& right,
                    HistogramSum& increase) {
  const auto& points = w.histograms;
  size_t next = ends.first + 1;
  HistogramPtr before = left;
  const bool interpolated = w.smoothed && points[ends.first].t_ms < w.start_ms;
  if (interpolated && detect_reset(*points[next].h, *points[ends.first].h)) {
    before = points[next].h;  // the value at the start knows of that reset
    ++next;
  }
  if (next > ends.last) return;
  const auto add = [&](const Histogram& h) {
    if (increase.add(h).reconciled) w.note(note::mismatched_custom_buckets("addition"));
  };
  for (; next < ends.last; ++next) {
    if (detect_reset(*points[next].h, *before)) add(*before);
    before = points[next].h;
  }
  if (detect_reset(*right, *before)) add(*before);
}

WindowValue histogram_rate(const Window& w, bool counter, double divisor) {
  const auto& points = w.histograms;
  const Ends ends = find_ends(points, w.start_ms, w.end_ms, w.smoothed);
  if (!ends.any || !valid_histograms(w, ends, counter)) return WindowValue::none();
  HistogramPtr left = points[ends.first].h;
  if (w.smoothed && points[ends.first].t_ms < w.start_ms) {
    left = interpolate(w, points[ends.first], points[ends.first + 1], w.start_ms, counter);
  }
  HistogramPtr right = points[ends.last].h;
  if (w.smoothed && ends.last > 0 && points[ends.last].t_ms > w.end_ms) {
    right = interpolate(w, points[ends.last - 1], points[ends.last], w.end_ms, counter);
  }
  if (!left || !right) return WindowValue::none();
  if (!counter && !(left->hint == ResetHint::gauge && right->hint == ResetHint::gauge))
    w.note(note::not_gauge(w.metric));
  HistogramSum increase(*right);
  if (increase.subtract(*left).reconciled) w.note(note::mismatched_custom_buckets("subtraction"));
  if (counter) correct_resets(w, ends, left, right, increase);
  increase.divide(divisor);
  increase.set_hint(ResetHint::gauge);
  return WindowValue::of(increase.finish());
}

}  // namespace

double interpolate(const FloatPoint& a, const FloatPoint& b, int64_t t, bool counter) {
  const double from = counter && b.v < a.v ? 0 : a.v;
  return from + (b.v - from) * static_cast<double>(t - a.t_ms) / static_cast<double>(b.t_ms - a.t_ms);
}

HistogramPtr interpolate(const Window& w, const HistogramPoint& a, const HistogramPoint& b, int64_t t, bool counter) {
  if (t == a.t_ms) return a.h;
  if (t == b.t_ms) return b.h;
  if (a.h->custom() != b.h->custom()) {  // which a counter's reset would hide
    w.note(note::mixed_exponential_custom(w.metric));
    return nullptr;
  }
  const double fraction = static_cast<double>(t - a.t_ms) / static_cast<double>(b.t_ms - a.t_ms);
  if (counter && detect_reset(*b.h, *a.h)) return scaled(*b.h, fraction);
  HistogramSum sum(*b.h);
  if (sum.subtract(*a.h).reconciled) w.note(note::mismatched_custom_buckets("subtraction"));
  sum.multiply(fraction);
  if (sum.add(*a.h).reconciled) w.note(note::mismatched_custom_buckets("addition"));
  return sum.finish();
}

std::vector<FloatPoint> extended_floats(std::span<const FloatPoint> points, int64_t start, int64_t end, bool smoothed) {
  const Ends ends = find_ends(points, start, end, smoothed);
  std::vector<FloatPoint> out;
  if (points[ends.last].t_ms <= start) return out;
  out.push_back({start, left_value(points, ends.first, start, smoothed, false)});
  for (size_t i = ends.first; i <= ends.last; ++i) {
    if (points[i].t_ms > start && points[i].t_ms < end) out.push_back(points[i]);
  }
  out.push_back({end, right_value(points, ends.last, end, smoothed, false)});
  return out;
}

WindowValue extended_rate_of(const Window& w, bool counter, bool per_second) {
  const double divisor = per_second ? w.range_s : 1;
  return w.floats.empty() ? histogram_rate(w, counter, divisor) : float_rate(w, counter, divisor);
}

}  // namespace hs::promql
