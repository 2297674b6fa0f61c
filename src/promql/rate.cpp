// rate, increase, delta, irate, idelta, resets and changes.

#include <algorithm>
#include <cmath>
#include <optional>

#include "promql/evaluator.h"
#include "promql/histogram_math.h"
#include "promql/window.h"

namespace hs::promql {
namespace {

int64_t start_at(std::span<const int64_t> starts, size_t i) { return i < starts.size() ? starts[i] : 0; }

double seconds(int64_t ms) { return static_cast<double>(ms) / 1000; }

// Says once that the start time of a point lies before the point before, in another series' life.
void check_overlap(const Window& w, std::span<const int64_t> starts, int64_t previous_t, size_t i, bool& told) {
  if (told || i >= starts.size()) return;
  told = starts[i] != 0 && starts[i] < previous_t && starts[i] != starts[i - 1];
  if (told) w.note(note::start_time_overlap(w.metric));
}

double float_increase(const Window& w, bool counter) {
  double increase = w.floats.back().v - w.floats[0].v;
  if (!counter || w.ascending) return increase;
  bool told = false;
  for (size_t i = 1; i < w.floats.size(); ++i) {
    const FloatPoint& before = w.floats[i - 1];
    check_overlap(w, w.float_starts, before.t_ms, i, told);
    if (w.floats[i].v < before.v ||
        start_says_reset(start_at(w.float_starts, i - 1), before.t_ms, start_at(w.float_starts, i), w.floats[i].t_ms)) {
      increase += before.v;
    }
  }
  return increase;
}

bool reset_between(const Window& w, size_t i) {
  return start_says_reset(start_at(w.histogram_starts, i - 1), w.histograms[i - 1].t_ms,
                          start_at(w.histogram_starts, i), w.histograms[i].t_ms);
}

// Are all histograms of one kind of buckets? `skip_first`: the first does not matter.
bool same_kind(const Window& w, bool skip_first, bool counter) {
  const auto& points = w.histograms;
  const bool custom = points[skip_first ? 1 : 0].h->custom();
  bool same = points.back().h->custom() == custom;
  for (size_t i = 1; counter && i + 1 < points.size(); ++i) {
    if (points[i].h->hint == ResetHint::gauge) w.note(note::not_counter(w.metric));
    same = same && points[i].h->custom() == custom;
  }
  if (!same) w.note(note::mixed_exponential_custom(w.metric));
  return same;
}

std::optional<HistogramSum> histogram_increase(const Window& w, bool counter) {
  const auto& points = w.histograms;
  const auto gauge = [](const HistogramPoint& p) { return p.h->hint == ResetHint::gauge; };
  if (counter && (gauge(points[0]) || gauge(points.back()))) w.note(note::not_counter(w.metric));
  const bool skip_first = counter && (reset_between(w, 1) || detect_reset(*points[1].h, *points[0].h));
  if (!same_kind(w, skip_first, counter)) return std::nullopt;
  auto empty = std::make_shared<Histogram>();
  empty->schema = points[1].h->schema;
  empty->custom_values = points[1].h->custom_values;
  HistogramPtr before = skip_first ? HistogramPtr(empty) : points[0].h;
  HistogramSum sum(*points.back().h);
  if (sum.subtract(*before).reconciled) w.note(note::mismatched_custom_buckets("subtraction"));
  bool told = false;
  for (size_t i = 1; counter && i < points.size(); ++i) {
    check_overlap(w, w.histogram_starts, points[i - 1].t_ms, i, told);
    if (reset_between(w, i) || detect_reset(*points[i].h, *before)) {
      if (sum.add(*before).reconciled) w.note(note::mismatched_custom_buckets("addition"));
    }
    before = points[i].h;
  }
  if (!counter && !(gauge(points[0]) && gauge(points.back()))) w.note(note::not_gauge(w.metric));
  sum.set_hint(ResetHint::gauge);
  return sum;
}

// How the points lie in the range.
struct Sampled {
  int64_t first_ms = 0;
  int64_t last_ms = 0;
  size_t count = 0;
  double first_value = 0;  // of a counter, or the count of a histogram
  double increase = 0;
};

// By how much the increase between first and last point grows when it is stretched to the range's ends: all the way
// when the next point would be due there, else by half an interval, and never to before a counter was 0.
double stretch(const Window& w, const Sampled& s, bool counter, int64_t known_start_ms) {
  double to_start = seconds(s.first_ms - w.start_ms);
  double to_end = seconds(w.end_ms - s.last_ms);
  double sampled = seconds(s.last_ms - s.first_ms);
  const double average = s.count > 1 ? sampled / static_cast<double>(s.count - 1) : 0;
  const double threshold = average * 1.1;
  if (known_start_ms != 0) {
    to_start = 0;
    sampled = seconds(s.last_ms - known_start_ms);
  } else {
    if (to_start >= threshold) to_start = average / 2;
    if (counter && s.increase > 0 && s.first_value >= 0) {
      to_start = std::min(to_start, sampled * (s.first_value / s.increase));
    }
  }
  if (to_end >= threshold) to_end = average / 2;
  return sampled != 0 ? (sampled + to_start + to_end) / sampled : 1;
}

// Delta temporality: each point counts since the one before. What the first one counted before the range is left out in
// proportion; the rest is stretched to the end as for cumulative counters.
struct DeltaShare {
  double first = 1;  // of the first point's value that lies in the range
  double factor = 1;
};

template <class Point>
DeltaShare delta_share(const Window& w, std::span<const Point> points, std::span<const int64_t> starts) {
  const int64_t first = points[0].t_ms;
  const int64_t last = points.back().t_ms;
  const auto gaps = static_cast<double>(points.size() - 1);
  int64_t began = start_at(starts, 0);
  if (began == 0 || began >= first) {
    began = points.size() > 1 ? first - static_cast<int64_t>(static_cast<double>(last - first) / gaps) : w.start_ms;
  }
  DeltaShare share;
  if (began < w.start_ms) {
    share.first = seconds(first - w.start_ms) / seconds(first - began);
    began = w.start_ms;
  }
  const double covered = seconds(last - began);
  const double average = points.size() > 1 ? seconds(last - first) / gaps : covered;
  double to_end = seconds(w.end_ms - last);
  if (to_end >= average * 1.1) to_end = average / 2;
  if (covered > 0) share.factor = (covered + to_end) / covered;
  return share;
}

WindowValue delta_rate(const Window& w, double divisor) {
  if (!w.floats.empty()) {
    const DeltaShare share = delta_share(w, w.floats, w.float_starts);
    KahanSum sum;
    sum.add(w.floats[0].v * share.first);
    for (const FloatPoint& p : w.floats.subspan(1)) sum.add(p.v);
    return WindowValue::of(sum.value() * share.factor / divisor);
  }
  const DeltaShare share = delta_share(w, w.histograms, w.histogram_starts);
  HistogramSum sum(*w.histograms[0].h);
  sum.multiply(share.first);
  for (const HistogramPoint& p : w.histograms.subspan(1)) {
    const Combined how = sum.add(*p.h);
    if (how.reconciled) w.note(note::mismatched_custom_buckets("addition"));
    if (!how.incompatible) continue;
    w.note(note::mixed_exponential_custom(w.metric));
    return WindowValue::none();
  }
  sum.multiply(share.factor / divisor);
  sum.set_hint(ResetHint::gauge);
  return WindowValue::of(sum.finish());
}

WindowValue float_rate(const Window& w, bool counter, double divisor, int64_t known_start) {
  if (known_start == 0 && w.floats.size() < 2) return WindowValue::none();
  Sampled s{w.floats[0].t_ms, w.floats.back().t_ms, w.floats.size(), w.floats[0].v, float_increase(w, counter)};
  if (known_start != 0) s.increase += w.floats[0].v;
  const double factor = stretch(w, s, counter, known_start) / divisor;
  return WindowValue::of(s.increase * factor);
}

WindowValue histogram_rate(const Window& w, bool counter, double divisor, int64_t known_start) {
  const auto& points = w.histograms;
  if (known_start == 0 && points.size() < 2) return WindowValue::none();
  std::optional<HistogramSum> increase;
  if (points.size() > 1) {
    increase = histogram_increase(w, counter);
    if (!increase) return WindowValue::none();
  }
  Sampled s{points[0].t_ms, points.back().t_ms, points.size(), points[0].h->count, 0};
  if (known_start != 0) {
    if (!increase)
      increase.emplace(*points[0].h);
    else if (increase->add(*points[0].h).incompatible)
      return WindowValue::none();
  }
  s.increase = increase->count();
  return WindowValue::of(increase->finish(stretch(w, s, counter, known_start) / divisor));
}

struct Last {
  int64_t t_ms = 0;
  int64_t start_ms = 0;
  double f = 0;
  HistogramPtr h;
};

// The last two points of both kinds, in order.
std::vector<Last> last_two(const Window& w) {
  std::vector<Last> out;
  for (size_t i = w.floats.size() - std::min<size_t>(2, w.floats.size()); i < w.floats.size(); ++i) {
    out.push_back({w.floats[i].t_ms, start_at(w.float_starts, i), w.floats[i].v, nullptr});
  }
  for (size_t i = w.histograms.size() - std::min<size_t>(2, w.histograms.size()); i < w.histograms.size(); ++i) {
    out.push_back({w.histograms[i].t_ms, start_at(w.histogram_starts, i), 0, w.histograms[i].h});
  }
  std::sort(out.begin(), out.end(), [](const Last& a, const Last& b) { return a.t_ms < b.t_ms; });
  if (out.size() > 2) out.erase(out.begin(), out.end() - 2);
  return out;
}

WindowValue instant_histograms(const Window& w, const Last& a, const Last& b, bool per_second) {
  const bool gauges = a.h->hint == ResetHint::gauge && b.h->hint == ResetHint::gauge;
  const bool any_gauge = a.h->hint == ResetHint::gauge || b.h->hint == ResetHint::gauge;
  const bool delta = per_second && w.temporality == Temporality::delta;
  if (per_second && any_gauge && !delta) w.note(note::not_counter(w.metric));
  if (!per_second && !gauges) w.note(note::not_gauge(w.metric));
  HistogramSum sum(*b.h);
  const bool reset =
      per_second && (delta || start_says_reset(a.start_ms, a.t_ms, b.start_ms, b.t_ms) || detect_reset(*b.h, *a.h));
  if (!reset) {
    const Combined how = sum.subtract(*a.h);
    if (how.incompatible) {
      w.note(note::mixed_exponential_custom(w.metric));
      return WindowValue::none();
    }
    if (how.reconciled) w.note(note::mismatched_custom_buckets("subtraction"));
  }
  sum.set_hint(ResetHint::gauge);
  if (per_second) sum.divide(seconds(b.t_ms - a.t_ms));
  return WindowValue::of(sum.finish());
}

// The points of an anchored range begin with the last one at or before its start.
struct FirstPoints {
  size_t f = 0;
  size_t h = 0;
  bool any = true;  // a point in the range
};

FirstPoints first_points(const Window& w) {
  if (!w.anchored) return {};
  const auto before = [&](const auto& points) {
    const auto at = std::find_if(points.begin(), points.end(), [&](const auto& p) { return p.t_ms > w.start_ms; });
    return static_cast<size_t>(at - points.begin());
  };
  const size_t f = before(w.floats);
  const size_t h = before(w.histograms);
  if (f == w.floats.size() && h == w.histograms.size()) return {.any = false};
  if (f == 0 && h == 0) return {};
  const bool float_anchors = h == 0 || (f > 0 && w.floats[f - 1].t_ms >= w.histograms[h - 1].t_ms);
  return float_anchors ? FirstPoints{f - 1, h} : FirstPoints{f, h - 1};
}

// Calls differs(before, after) for neighbours, over both kinds, and counts.
template <class Differs>
WindowValue count_steps(const Window& w, Differs differs) {
  const FirstPoints first = first_points(w);
  if (!first.any) return WindowValue::none();
  size_t f = first.f, h = first.h;
  int count = 0;
  Last before;
  for (bool any = false; f < w.floats.size() || h < w.histograms.size(); any = true) {
    Last now;
    if (h == w.histograms.size() || (f < w.floats.size() && w.floats[f].t_ms < w.histograms[h].t_ms)) {
      now = {w.floats[f].t_ms, start_at(w.float_starts, f), w.floats[f].v, nullptr};
      ++f;
    } else {
      now = {w.histograms[h].t_ms, start_at(w.histogram_starts, h), 0, w.histograms[h].h};
      ++h;
    }
    if (any && ((now.h == nullptr) != (before.h == nullptr) || differs(before, now))) ++count;
    before = now;
  }
  return WindowValue::of(static_cast<double>(count));
}

}  // namespace

bool start_says_reset(int64_t previous_start, int64_t previous_t, int64_t start, int64_t t) {
  if (start == 0 || start >= t || start < previous_t) return false;
  if (start > previous_t) return true;
  // It begins where the point before was: of a delta yes, of a counter whose start nobody knows no.
  return previous_start <= previous_t && previous_start != 0 && previous_start != previous_t;
}

WindowValue rate_of(const Window& w, bool counter, bool per_second) {
  if (!w.floats.empty() && !w.histograms.empty()) {
    w.note(note::mixed_floats_histograms(w.metric));
    return WindowValue::none();
  }
  if (w.anchored || w.smoothed) return extended_rate_of(w, counter, per_second);
  const double divisor = per_second ? w.range_s : 1;
  if (counter && w.temporality == Temporality::delta) return delta_rate(w, divisor);
  const bool floats = !w.floats.empty();
  const int64_t first = floats ? w.floats[0].t_ms : w.histograms[0].t_ms;
  const int64_t start = start_at(floats ? w.float_starts : w.histogram_starts, 0);
  const int64_t known = counter && start > w.start_ms && start < first ? start : 0;
  return floats ? float_rate(w, counter, divisor, known) : histogram_rate(w, counter, divisor, known);
}

WindowValue instant_rate_of(const Window& w, bool per_second) {
  const std::vector<Last> points = last_two(w);
  if (points.size() < 2) return WindowValue::none();
  const Last& a = points[0];
  const Last& b = points[1];
  if ((a.h == nullptr) != (b.h == nullptr)) {
    w.note(note::mixed_floats_histograms(w.metric));
    return WindowValue::none();
  }
  if (a.t_ms == b.t_ms) return WindowValue::none();
  if (a.h) return instant_histograms(w, a, b, per_second);
  const bool reset = per_second && (w.temporality == Temporality::delta || b.f < a.f ||
                                    start_says_reset(a.start_ms, a.t_ms, b.start_ms, b.t_ms));
  const double change = reset ? b.f : b.f - a.f;
  return WindowValue::of(per_second ? change / seconds(b.t_ms - a.t_ms) : change);
}

WindowValue resets_of(const Window& w) {
  return count_steps(w, [](const Last& a, const Last& b) {
    if (start_says_reset(a.start_ms, a.t_ms, b.start_ms, b.t_ms)) return true;
    return a.h ? detect_reset(*b.h, *a.h) : b.f < a.f;
  });
}

WindowValue changes_of(const Window& w) {
  return count_steps(w, [](const Last& a, const Last& b) {
    if (a.h) return !same_histogram(*a.h, *b.h);
    return a.f != b.f && !(std::isnan(a.f) && std::isnan(b.f));
  });
}

}  // namespace hs::promql
