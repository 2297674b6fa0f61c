#include "rules/memory.h"

#include <algorithm>

namespace hs::rules {
namespace {

using promql::Select;
using promql::Selection;
using promql::Series;

bool matches(const Select& select, const promql::Labels& labels) {
  return std::all_of(select.matchers.begin(), select.matchers.end(),
                     [&](const promql::Matcher& m) { return m.matches(labels.get(m.name())); });
}

template <class Point>
void copy(const Select& select, const std::vector<Point>& from, std::vector<Point>& to) {
  const auto first =
      std::lower_bound(from.begin(), from.end(), select.start_ms, [](const Point& p, int64_t t) { return p.t_ms < t; });
  const auto last =
      std::upper_bound(first, from.end(), select.end_ms, [](int64_t t, const Point& p) { return t < p.t_ms; });
  to.assign(first, last);
}

int64_t last_ms(const Series& series) {
  const int64_t f = series.floats.empty() ? INT64_MIN : series.floats.back().t_ms;
  const int64_t h = series.histograms.empty() ? INT64_MIN : series.histograms.back().t_ms;
  return std::max(f, h);
}

// Drops what is not before the first point of `newer`, and appends it.
void join(Series& into, Series newer) {
  const int64_t from = std::min(newer.floats.empty() ? INT64_MAX : newer.floats.front().t_ms,
                                newer.histograms.empty() ? INT64_MAX : newer.histograms.front().t_ms);
  std::erase_if(into.floats, [&](const auto& p) { return p.t_ms >= from; });
  std::erase_if(into.histograms, [&](const auto& p) { return p.t_ms >= from; });
  if (!into.float_starts_ms.empty()) into.float_starts_ms.resize(into.floats.size() + newer.floats.size());
  if (!into.histogram_starts_ms.empty())
    into.histogram_starts_ms.resize(into.histograms.size() + newer.histograms.size());
  into.floats.insert(into.floats.end(), newer.floats.begin(), newer.floats.end());
  into.histograms.insert(into.histograms.end(), newer.histograms.begin(), newer.histograms.end());
}

}  // namespace

void Memory::add(const promql::Sample& sample) {
  const auto [at, fresh] = index_.try_emplace(sample.labels, series_.size());
  if (fresh) series_.emplace_back().labels = sample.labels;
  Series& series = series_[at->second];
  if (!fresh && sample.t_ms <= last_ms(series)) return;
  if (sample.h)
    series.histograms.push_back({sample.t_ms, sample.h});
  else
    series.floats.push_back({sample.t_ms, sample.f});
}

Result<Selection> Memory::select(const Select& select) const {
  Selection out;
  for (const Series& series : series_) {
    if (!matches(select, series.labels)) continue;
    Series part;
    copy(select, series.floats, part.floats);
    copy(select, series.histograms, part.histograms);
    if (part.floats.empty() && part.histograms.empty()) continue;
    part.labels = series.labels;
    out.series.push_back(std::move(part));
    if (select.max_series > 0 && out.series.size() > select.max_series)
      return fail(Code::resource_exhausted, "the selector matches more series than a query may read");
  }
  return out;
}

Result<Selection> Overlay::select(const Select& select) const {
  HS_ASSIGN(Selection out, base_.select(select));
  if (newer_.empty()) return out;
  HS_ASSIGN(Selection newer, newer_.select(select));
  if (newer.series.empty()) return out;
  std::unordered_map<promql::Labels, size_t, promql::LabelsHash> at;
  for (size_t i = 0; i < out.series.size(); ++i) at.emplace(out.series[i].labels, i);
  for (Series& series : newer.series) {
    const auto found = at.find(series.labels);
    if (found == at.end())
      out.series.push_back(std::move(series));
    else
      join(out.series[found->second], std::move(series));
  }
  return out;
}

}  // namespace hs::rules
