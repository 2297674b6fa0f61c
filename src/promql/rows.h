#pragma once
// Vectors over time while a query is evaluated: one row per series, its points only at evaluation steps.

#include <vector>

#include "promql/source.h"

namespace hs::promql {

struct Row {
  Labels labels;
  std::vector<FloatPoint> floats;          // ascending
  std::vector<HistogramPoint> histograms;  // ascending; no instant is in both lists
  bool drop_name = false;                  // delayed name removal: the name goes at the end

  bool empty() const { return floats.empty() && histograms.empty(); }
};

using Rows = std::vector<Row>;

// In samples, as limits count them.
int64_t sample_count(const Row& row);
int64_t sample_count(const Rows& rows);

// Calls f(t, value, histogram or null) for every point in the order of time.
template <class F>
void each_point(const Row& row, F f) {
  size_t h = 0;
  for (const FloatPoint& p : row.floats) {
    while (h < row.histograms.size() && row.histograms[h].t_ms < p.t_ms) {
      f(row.histograms[h].t_ms, 0.0, row.histograms[h].h);
      ++h;
    }
    f(p.t_ms, p.v, HistogramPtr());
  }
  for (; h < row.histograms.size(); ++h) f(row.histograms[h].t_ms, 0.0, row.histograms[h].h);
}

// Rows of equal labels become one; false when two of them have a point at the same time.
bool merge_equal_labels(Rows& rows);
bool any_equal_labels(const Rows& rows);
void remove_empty(Rows& rows);

}  // namespace hs::promql
