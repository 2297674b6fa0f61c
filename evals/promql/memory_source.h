#pragma once
// Series in memory, as a Source: what cases are evaluated against.

#include <algorithm>
#include <unordered_map>

#include "promql/source.h"

namespace hs::promql {

class MemorySource : public Source {
 public:
  void add(Series series) {
    const auto [at, inserted] = index_.try_emplace(series.labels, series_.size());
    if (inserted) {
      series_.push_back(std::move(series));
      return;
    }
    Series& into = series_[at->second];
    const auto append = [](auto& to, auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(into.floats, series.floats);
    append(into.histograms, series.histograms);
    append(into.float_starts_ms, series.float_starts_ms);
    append(into.histogram_starts_ms, series.histogram_starts_ms);
    const auto by_time = [](const auto& a, const auto& b) { return a.t_ms < b.t_ms; };
    std::sort(into.floats.begin(), into.floats.end(), by_time);
    std::sort(into.histograms.begin(), into.histograms.end(), by_time);
  }

  Result<Selection> select(const Select& select) const override {
    Selection out;
    for (const Series& series : series_) {
      const bool matches = std::all_of(select.matchers.begin(), select.matchers.end(),
                                       [&](const Matcher& m) { return m.matches(series.labels.get(m.name())); });
      if (!matches) continue;
      Series part;
      part.labels = series.labels;
      part.temporality = series.temporality;
      copy(select, series.floats, series.float_starts_ms, part.floats, part.float_starts_ms);
      copy(select, series.histograms, series.histogram_starts_ms, part.histograms, part.histogram_starts_ms);
      if (part.floats.empty() && part.histograms.empty()) continue;
      out.series.push_back(std::move(part));
      if (out.series.size() > select.max_series) return fail(Code::resource_exhausted, "too many series");
    }
    return out;
  }

 private:
  template <class Point>
  static void copy(const Select& select, const std::vector<Point>& points, const std::vector<int64_t>& starts,
                   std::vector<Point>& to, std::vector<int64_t>& to_starts) {
    for (size_t i = 0; i < points.size(); ++i) {
      if (points[i].t_ms < select.start_ms || points[i].t_ms > select.end_ms) continue;
      to.push_back(points[i]);
      if (starts.size() == points.size()) to_starts.push_back(starts[i]);
    }
  }

  std::vector<Series> series_;
  std::unordered_map<Labels, size_t, LabelsHash> index_;
};

}  // namespace hs::promql
