#include <algorithm>

#include "promql/evaluator.h"
#include "promql/histogram_math.h"

namespace hs::promql {
namespace {

// The instant that a modified selector looks at when the step is at `t`.
int64_t reference_time(const TimeModifier& time, int64_t t) {
  return time.timestamp_ms.value_or(t) - time.original_offset_ms;
}

bool stale(const HistogramPoint& p) { return is_stale(p.h->sum); }

}  // namespace

Rows Evaluator::eval_selector(const VectorSelector& node) {
  const auto selection = state_.selections[&node];
  if (!selection) return {};
  if (node.smoothed) return eval_smoothed(node, selection->series);
  return eval_series(selection->series, node.time, false);
}

Rows Evaluator::eval_series(const std::vector<Series>& all, const TimeModifier& time, bool original_times) {
  Rows rows;
  each_selected(all, time, original_times, [&](Row& row) {
    if (state_.take(sample_count(row))) rows.push_back(std::move(row));
  });
  return rows;
}

// The last point of each step's look-back; with `original_times` its own time instead of its value.
void Evaluator::each_selected(const std::vector<Series>& all, const TimeModifier& time, bool original_times,
                              const RowSink& sink) {
  const int64_t lookback = state_.options.lookback_ms;
  Row row;
  for (const Series& series : all) {
    row.floats.clear();
    row.histograms.clear();
    row.drop_name = false;
    size_t f = 0;
    size_t h = 0;
    for (size_t i = 0; i < steps_; ++i) {
      const int64_t at = reference_time(time, time_at(i));
      while (f < series.floats.size() && series.floats[f].t_ms <= at) ++f;
      while (h < series.histograms.size() && series.histograms[h].t_ms <= at) ++h;
      const bool has_float = f > 0 && series.floats[f - 1].t_ms > at - lookback;
      const bool has_histogram = h > 0 && series.histograms[h - 1].t_ms > at - lookback;
      if (has_histogram && (!has_float || series.histograms[h - 1].t_ms > series.floats[f - 1].t_ms)) {
        if (stale(series.histograms[h - 1])) continue;
        if (original_times)
          return state_.fail("this should be an info metric, with float samples: " + series.labels.text());
        row.histograms.push_back({time_at(i), series.histograms[h - 1].h});
      } else if (has_float && !is_stale(series.floats[f - 1].v)) {
        const FloatPoint& p = series.floats[f - 1];
        row.floats.push_back({time_at(i), original_times ? static_cast<double>(p.t_ms) : p.v});
      }
    }
    state_.total += sample_count(row);
    if (!state_.work(static_cast<int64_t>(steps_ + series.floats.size()))) return;
    if (row.empty()) continue;
    row.labels = series.labels;
    sink(row);
    if (state_.failed()) return;
  }
}

Rows Evaluator::eval_smoothed(const VectorSelector& node, const std::vector<Series>& all) {
  Rows rows;
  for (const Series& series : all) {
    Row row;
    row.labels = series.labels;
    if (series.histograms.empty()) {
      smooth_floats(node, series, row);
    } else {
      smooth_histograms(node, series, row);
    }
    if (!state_.take(sample_count(row)) || !state_.work(static_cast<int64_t>(steps_))) return {};
    if (!row.empty()) rows.push_back(std::move(row));
  }
  return rows;
}

void Evaluator::smooth_floats(const VectorSelector& node, const Series& series, Row& out) {
  const int64_t lookback = state_.options.lookback_ms;
  const auto& points = series.floats;
  for (size_t i = 0; i < steps_; ++i) {
    const int64_t at = reference_time(node.time, time_at(i));
    auto next =
        std::lower_bound(points.begin(), points.end(), at, [](const FloatPoint& p, int64_t t) { return p.t_ms < t; });
    while (next != points.end() && is_stale(next->v)) ++next;
    const bool has_next = next != points.end() && next->t_ms <= at + lookback;
    if (has_next && next->t_ms == at) {
      out.floats.push_back({time_at(i), next->v});
      continue;
    }
    auto before = next;
    while (before != points.begin() && is_stale((before - 1)->v)) --before;
    if (before == points.begin() || (before - 1)->t_ms <= at - lookback) continue;
    out.floats.push_back({time_at(i), has_next ? interpolate(*(before - 1), *next, at, false) : (before - 1)->v});
  }
}

void Evaluator::smooth_histograms(const VectorSelector& node, const Series& series, Row& out) {
  const int64_t lookback = state_.options.lookback_ms;
  const int pos = node.range.start;
  const std::string_view metric = series.labels.get(metric_name_label);
  const Window context{.metric = metric, .pos = pos, .state = &state_};
  for (size_t i = 0; i < steps_; ++i) {
    const int64_t at = reference_time(node.time, time_at(i));
    const auto inside = [&](int64_t t) { return t > at - lookback && t <= at + lookback; };
    const bool floats = std::any_of(series.floats.begin(), series.floats.end(),
                                    [&](const FloatPoint& p) { return inside(p.t_ms) && !is_stale(p.v); });
    std::vector<HistogramPoint> points;
    auto p = std::upper_bound(series.histograms.begin(), series.histograms.end(), at - lookback,
                              [](int64_t t, const HistogramPoint& x) { return t < x.t_ms; });
    for (; p != series.histograms.end() && inside(p->t_ms); ++p) {
      if (!stale(*p)) points.push_back(*p);
    }
    if (points.empty() && !floats) continue;
    if (floats && !points.empty()) {
      state_.note(note::mixed_floats_histograms(metric), pos);
      continue;
    }
    if (points.empty()) {
      Series only;
      only.floats = series.floats;
      Row row;
      Evaluator(state_, time_at(i), time_at(i), 1).smooth_floats(node, only, row);
      out.floats.insert(out.floats.end(), row.floats.begin(), row.floats.end());
      continue;
    }
    const auto next = std::find_if(points.begin(), points.end(), [&](const auto& p) { return p.t_ms >= at; });
    HistogramPtr h;
    if (next != points.end() && next->t_ms == at) {
      h = next->h;
    } else if (next != points.begin() && next != points.end()) {
      const auto before = next - 1;
      const bool gauges = before->h->hint == ResetHint::gauge && next->h->hint == ResetHint::gauge;
      h = interpolate(context, *before, *next, at, !gauges);
    } else if (next != points.begin()) {
      h = with_hint(points.back().h, ResetHint::unknown);
    }
    if (h) out.histograms.push_back({time_at(i), h});
    if (!state_.work(static_cast<int64_t>(points.size() + series.floats.size()))) return;
  }
}

// Evaluates below on a grid of its own, aligned to multiples of its step, over all that any step of ours looks at.
Rows Evaluator::eval_subquery(const SubqueryExpr& node) {
  const int64_t step = node.step_ms != 0 ? node.step_ms : state_.options.subquery_step_ms;
  const int64_t last = steps_ == 0 ? start_ms_ : time_at(steps_ - 1);
  const int64_t end = reference_time(node.time, last);
  const int64_t from = reference_time(node.time, start_ms_) - node.range_ms;
  int64_t start = from / step * step;
  if (start <= from) start += step;
  return Evaluator(state_, start, end, step).eval(*node.expr);
}

// The result of an instant query for a range: points in (at - range, at].
Rows Evaluator::eval_matrix(const Expr& expr) {
  if (expr.kind == Expr::Kind::paren) return eval_matrix(*as<ParenExpr>(expr).expr);
  if (expr.kind == Expr::Kind::subquery) return eval_subquery(as<SubqueryExpr>(expr));
  const auto& matrix = as<MatrixSelector>(expr);
  const auto& node = as<VectorSelector>(*matrix.selector);
  const auto selection = state_.selections[&node];
  Rows rows;
  if (!selection) return rows;
  const int64_t end = reference_time(node.time, start_ms_);
  const int64_t start = end - matrix.range_ms;
  const int64_t lookback = state_.options.lookback_ms;
  const int64_t from = node.anchored || node.smoothed ? start - lookback : start;
  const int64_t to = node.smoothed ? end + lookback : end;
  const auto inside = [&](const auto& p) { return p.t_ms > from && p.t_ms <= to; };
  for (const Series& series : selection->series) {
    Row row;
    row.labels = series.labels;
    std::copy_if(series.floats.begin(), series.floats.end(), std::back_inserter(row.floats), inside);
    std::copy_if(series.histograms.begin(), series.histograms.end(), std::back_inserter(row.histograms), inside);
    if ((node.anchored || node.smoothed) && !row.histograms.empty()) {
      state_.fail(std::string(node.anchored ? "anchored" : "smoothed") + " modifier is not supported with histograms");
      return {};
    }
    if ((node.anchored || node.smoothed) && !row.floats.empty()) {
      row.floats = extended_floats(row.floats, start, end, node.smoothed);
    }
    state_.total += sample_count(row);
    if (!state_.take(sample_count(row)) || !state_.work(sample_count(row))) return {};
    if (!row.empty()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hs::promql
