#pragma once
// Functions over the points of one series in a range of time.

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "promql/source.h"

namespace hs::promql {

class QueryState;

struct Window {
  std::span<const FloatPoint> floats;
  std::span<const HistogramPoint> histograms;
  std::span<const int64_t> float_starts;  // empty when start times are not known or not to be used
  std::span<const int64_t> histogram_starts;
  Temporality temporality = Temporality::cumulative;
  int64_t start_ms = 0;  // of the range, exclusive
  int64_t end_ms = 0;    // inclusive
  int64_t t_ms = 0;      // of the step
  double range_s = 0;
  bool anchored = false;  // points before (and after) the range are there too
  bool smoothed = false;
  bool ascending = false;  // no float is below the one before, and starts do not matter: no counter was reset
  std::span<const double> parameters;  // the scalar arguments at this step
  // For messages.
  std::string_view metric;
  int pos = 0;
  QueryState* state = nullptr;

  void note(std::string text) const;
};

// A float, a histogram, or nothing.
struct WindowValue {
  bool present = false;
  double f = 0;
  HistogramPtr h;

  static WindowValue none() { return {}; }
  static WindowValue of(double v) { return {true, v, nullptr}; }
  static WindowValue of(HistogramPtr h) { return {true, 0, std::move(h)}; }
};

using WindowFunction = WindowValue (*)(const Window&);

// nullptr when `name` is no function over a range.
WindowFunction find_window_function(std::string_view name);

// rate.cpp: `counter` corrects for resets, `per_second` divides by the range.
WindowValue rate_of(const Window& w, bool counter, bool per_second);
// extended_rate.cpp: the same for anchored and smoothed ranges.
WindowValue extended_rate_of(const Window& w, bool counter, bool per_second);
WindowValue instant_rate_of(const Window& w, bool per_second);
WindowValue resets_of(const Window& w);
WindowValue changes_of(const Window& w);

// A point between two others, linearly; a counter that was reset between them starts at 0.
double interpolate(const FloatPoint& a, const FloatPoint& b, int64_t t_ms, bool counter);
// Null (and a note) when the two do not combine.
HistogramPtr interpolate(const Window& w, const HistogramPoint& a, const HistogramPoint& b, int64_t t_ms, bool counter);

// What an anchored or smoothed range selector shows: values at both ends of the range, and the points between.
std::vector<FloatPoint> extended_floats(std::span<const FloatPoint> floats, int64_t start_ms, int64_t end_ms,
                                        bool smoothed);

// Does the start time of a point say that its counter began anew after the point before?
bool start_says_reset(int64_t previous_start_ms, int64_t previous_t_ms, int64_t start_ms, int64_t t_ms);

}  // namespace hs::promql
