#include "promql/rows.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "promql/histogram_math.h"

namespace hs::promql {
namespace {

// Hashes pointers to labels by the labels.
struct PointerHash {
  size_t operator()(const Labels* labels) const { return labels->hash(); }
};
struct PointerEqual {
  bool operator()(const Labels* a, const Labels* b) const { return *a == *b; }
};

template <class Point>
void merge_points(std::vector<Point>& into, std::vector<Point>& from) {
  into.insert(into.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  std::sort(into.begin(), into.end(), [](const Point& a, const Point& b) { return a.t_ms < b.t_ms; });
}

// No time twice, over both lists.
bool distinct_times(const Row& row) {
  int64_t last = 0;
  bool first = true;
  bool distinct = true;
  each_point(row, [&](int64_t t, double, const HistogramPtr&) {
    distinct = distinct && (first || t != last);
    first = false;
    last = t;
  });
  return distinct;
}

}  // namespace

int64_t sample_count(const Row& row) {
  auto total = static_cast<int64_t>(row.floats.size());
  for (const HistogramPoint& p : row.histograms) total += static_cast<int64_t>(size_in_samples(*p.h));
  return total;
}

int64_t sample_count(const Rows& rows) {
  int64_t total = 0;
  for (const Row& row : rows) total += sample_count(row);
  return total;
}

void remove_empty(Rows& rows) {
  std::erase_if(rows, [](const Row& row) { return row.empty(); });
}

bool any_equal_labels(const Rows& rows) {
  if (rows.size() < 2) return false;
  std::unordered_set<const Labels*, PointerHash, PointerEqual> seen;
  seen.reserve(rows.size());
  return std::any_of(rows.begin(), rows.end(), [&](const Row& row) { return !seen.insert(&row.labels).second; });
}

bool merge_equal_labels(Rows& rows) {
  if (!any_equal_labels(rows)) return true;
  Rows out;
  std::unordered_map<Labels, size_t, LabelsHash> index;
  for (Row& row : rows) {
    const auto [at, inserted] = index.try_emplace(row.labels, out.size());
    if (inserted) {
      out.push_back(std::move(row));
      continue;
    }
    Row& into = out[at->second];
    merge_points(into.floats, row.floats);
    merge_points(into.histograms, row.histograms);
    if (!distinct_times(into)) return false;
  }
  rows = std::move(out);
  return true;
}

}  // namespace hs::promql
