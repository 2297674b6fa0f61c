#pragma once
// The newest points of a series, packed in runs of a bounded size. Internal to Recent.

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace hs::promql::store {

// Run: Packed or PackedHistograms.
template <class Run>
class Runs {
 public:
  using Point = typename Run::Point;

  // At least one. In any order; of several at one instant the last stands, and against what is there those of the
  // newer cut. Gives the bytes that they take, or less than none (wrapped around).
  size_t add(std::vector<Point>& points, uint64_t cut) {
    sort_by_time(points);
    const bool newer = cut >= cut_;
    cut_ = std::max(cut_, cut);
    if (runs_.empty() || points.front().t_ms > runs_.back().last_ms()) return append(points);
    const size_t before = memory_bytes();
    if (points.back().t_ms < runs_.front().first_ms())
      prepend(points);
    else
      merge(points, newer);
    return memory_bytes() - before;
  }
  void read(int64_t start_ms, int64_t end_ms, std::vector<Point>& out) const {
    for (const Run& run : runs_) run.read(start_ms, end_ms, out);
  }
  void drop_before(int64_t t_ms) {
    std::erase_if(runs_, [&](const Run& run) { return run.last_ms() < t_ms; });
  }
  bool empty() const { return runs_.empty(); }
  // Besides this object.
  size_t memory_bytes() const {
    size_t bytes = (runs_.capacity() - runs_.size()) * sizeof(Run);
    for (const Run& run : runs_) bytes += run.memory_bytes();
    return bytes;
  }

 private:
  static void sort_by_time(std::vector<Point>& points) {
    const auto not_later = [](const Point& a, const Point& b) { return a.t_ms >= b.t_ms; };
    if (std::adjacent_find(points.begin(), points.end(), not_later) == points.end()) return;
    std::vector<std::pair<int64_t, size_t>> order;
    for (size_t i = 0; i < points.size(); ++i) order.emplace_back(points[i].t_ms, i);
    std::sort(order.begin(), order.end());
    std::vector<Point> sorted;
    for (const auto& [t_ms, i] : order) {
      if (!sorted.empty() && sorted.back().t_ms == t_ms) sorted.pop_back();
      sorted.push_back(points[i]);
    }
    points = std::move(sorted);
  }

  // Runs of equal size: what comes late into a full one leaves two with room for more.
  static std::vector<Run> pack(std::span<const Point> points) {
    const size_t count = (points.size() + Run::run_samples - 1) / Run::run_samples;
    std::vector<Run> runs(count);
    for (size_t i = 0; i < points.size(); ++i) runs[i * count / points.size()].add(points[i]);
    for (Run& run : runs) run.shrink();
    return runs;
  }

  // Most of all runs are not touched, so they are not counted again.
  size_t append(std::span<const Point> points) {
    const size_t first = runs_.empty() ? 0 : runs_.size() - 1;
    const auto bytes = [&] {
      size_t sum = (runs_.capacity() - runs_.size()) * sizeof(Run);
      for (size_t i = first; i < runs_.size(); ++i) sum += runs_[i].memory_bytes();
      return sum + first * sizeof(Run);
    };
    const size_t before = bytes();
    for (const Point& p : points) {
      if (runs_.empty() || runs_.back().size() >= Run::run_samples) {
        if (!runs_.empty()) runs_.back().shrink();
        runs_.emplace_back();
      }
      runs_.back().add(p);
    }
    return bytes() - before;
  }

  // What is older than all that is there, in the first run while it has room.
  void prepend(std::span<const Point> points) {
    if (points.size() + runs_.front().size() <= Run::run_samples) return merge(points, true);
    std::vector<Run> runs = pack(points);
    runs_.insert(runs_.begin(), std::make_move_iterator(runs.begin()), std::make_move_iterator(runs.end()));
  }

  // Among what is there: the runs that they fall into are made anew. `newer`: they stand against what is there.
  void merge(std::span<const Point> points, bool newer) {
    auto first =
        std::find_if(runs_.begin(), runs_.end(), [&](const Run& run) { return run.last_ms() >= points.front().t_ms; });
    // One that begins later is affected too when there is none that they fall into: it has room, or is split.
    if (first == runs_.end()) --first;
    auto last = std::find_if(first, runs_.end(), [&](const Run& run) { return run.first_ms() > points.back().t_ms; });
    if (last == first) ++last;
    std::vector<Point> before, merged;
    for (auto run = first; run != last; ++run) run->read(INT64_MIN, INT64_MAX, before);
    merged.reserve(before.size() + points.size());
    auto old = before.begin();
    for (const Point& p : points) {
      while (old != before.end() && old->t_ms < p.t_ms) merged.push_back(*old++);
      const bool both = old != before.end() && old->t_ms == p.t_ms;
      merged.push_back(both && !newer ? *old : p);
      if (both) ++old;
    }
    merged.insert(merged.end(), old, before.end());
    std::vector<Run> runs = pack(merged);
    first = runs_.erase(first, last);
    runs_.insert(first, std::make_move_iterator(runs.begin()), std::make_move_iterator(runs.end()));
  }

  std::vector<Run> runs_;  // ascending, not overlapping
  uint64_t cut_ = 0;       // the newest that brought a point
};

}  // namespace hs::promql::store
