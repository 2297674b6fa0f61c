#include "promql/store/recent.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "model/batch.h"
#include "store/block.h"

namespace hs::promql::store {
namespace {

constexpr uint32_t run_samples = 120;  // of one run: half an hour of 15 s; a reader unpacks whole runs
constexpr size_t line_bytes = 160;     // of a series, besides its runs: the map's node and slot
constexpr int64_t sweeps = 16;         // the floor rises by this share of what is kept, not at every sample

size_t bytes_behind(const Packed& run) { return run.memory_bytes() - sizeof(Packed); }

size_t bytes_of(const std::vector<Packed>& runs) {
  size_t bytes = runs.capacity() * sizeof(Packed);
  for (const Packed& run : runs) bytes += bytes_behind(run);
  return bytes;
}

// A column of 8 bytes a row; absent ones are 0 throughout.
struct Column64 {
  const char* bytes = nullptr;
  Column64(const db::ResultBlock& rows, std::string_view name) {
    const db::ResultColumn* column = rows.find(name);
    if (column != nullptr && column->width == 8) bytes = column->bytes.data();
  }
  int64_t at(size_t row) const {
    int64_t value = 0;
    if (bytes != nullptr) std::memcpy(&value, bytes + row * 8, 8);
    return value;
  }
};

int64_t ms_of(int64_t ns) { return ns >= 0 ? ns / nanos_per_ms : -((nanos_per_ms - 1 - ns) / nanos_per_ms); }

// Runs of equal size: what comes late into a full one leaves two with room for more.
std::vector<Packed> pack(std::span<const FloatPoint> points) {
  const size_t count = (points.size() + run_samples - 1) / run_samples;
  std::vector<Packed> runs(count);
  for (size_t i = 0; i < points.size(); ++i) runs[i * count / points.size()].add(points[i].t_ms, points[i].v);
  for (Packed& run : runs) run.shrink();
  return runs;
}

// In order; of several at one instant the last stands.
void sort_by_time(std::vector<FloatPoint>& points) {
  const auto not_later = [](const FloatPoint& a, const FloatPoint& b) { return a.t_ms >= b.t_ms; };
  if (std::adjacent_find(points.begin(), points.end(), not_later) == points.end()) return;
  std::vector<std::pair<int64_t, size_t>> order;
  for (size_t i = 0; i < points.size(); ++i) order.emplace_back(points[i].t_ms, i);
  std::sort(order.begin(), order.end());
  std::vector<FloatPoint> sorted;
  for (const auto& [t_ms, i] : order) {
    if (!sorted.empty() && sorted.back().t_ms == t_ms) sorted.pop_back();
    sorted.push_back(points[i]);
  }
  points = std::move(sorted);
}

}  // namespace

Recent::Line& Recent::line_of(Shard& shard, uint64_t series) {
  const auto [at, added] = shard.lines.try_emplace(series);
  if (added) bytes_ += line_bytes;
  return at->second;
}

// What it takes more than before: most of all runs are not touched, so they are not counted again.
size_t Recent::append(Line& line, std::span<const FloatPoint> points) {
  std::vector<Packed>& runs = line.runs;
  const size_t first = runs.empty() ? 0 : runs.size() - 1;
  const size_t before = runs.capacity() * sizeof(Packed) + (runs.empty() ? 0 : bytes_behind(runs[first]));
  for (const FloatPoint& p : points) {
    if (runs.empty() || runs.back().size() >= run_samples) {
      if (!runs.empty()) runs.back().shrink();
      runs.emplace_back();
    }
    runs.back().add(p.t_ms, p.v);
  }
  size_t after = runs.capacity() * sizeof(Packed);
  for (size_t i = first; i < runs.size(); ++i) after += bytes_behind(runs[i]);
  return after - before;
}

// What is older than all that is there, in the first run while it has room.
void Recent::prepend(Line& line, std::span<const FloatPoint> points) {
  if (points.size() + line.runs.front().size() <= run_samples) return merge(line, points, true);
  std::vector<Packed> runs = pack(points);
  line.runs.insert(line.runs.begin(), std::make_move_iterator(runs.begin()), std::make_move_iterator(runs.end()));
}

// Among what is there: the runs that they fall into are made anew. `newer`: they stand against what is there.
void Recent::merge(Line& line, std::span<const FloatPoint> points, bool newer) {
  auto first = std::find_if(line.runs.begin(), line.runs.end(),
                            [&](const Packed& run) { return run.last_ms() >= points.front().t_ms; });
  // One that begins later is affected too when there is none that they fall into: it has room, or is split.
  if (first == line.runs.end()) --first;
  auto last =
      std::find_if(first, line.runs.end(), [&](const Packed& run) { return run.first_ms() > points.back().t_ms; });
  if (last == first) ++last;
  std::vector<FloatPoint> before, merged;
  for (auto run = first; run != last; ++run) run->read(INT64_MIN, INT64_MAX, before);
  merged.reserve(before.size() + points.size());
  auto old = before.begin();
  for (const FloatPoint& p : points) {
    while (old != before.end() && old->t_ms < p.t_ms) merged.push_back(*old++);
    const bool both = old != before.end() && old->t_ms == p.t_ms;
    merged.push_back(both && !newer ? *old : p);
    if (both) ++old;
  }
  merged.insert(merged.end(), old, before.end());
  std::vector<Packed> runs = pack(merged);
  first = line.runs.erase(first, last);
  line.runs.insert(first, std::make_move_iterator(runs.begin()), std::make_move_iterator(runs.end()));
}

void Recent::add_run(Line& line, std::vector<FloatPoint>& points, uint64_t cut) {
  sort_by_time(points);
  if (line.runs.empty() || points.front().t_ms > line.runs.back().last_ms()) {
    bytes_ += append(line, points);
  } else {
    const size_t before = bytes_of(line.runs);
    if (points.back().t_ms < line.runs.front().first_ms())
      prepend(line, points);
    else
      merge(line, points, cut >= line.cut);
    bytes_ += bytes_of(line.runs) - before;
  }
  line.cut = std::max(line.cut, cut);
}

// So each series is looked up once for all its rows, and near others of its shard. Rows of a series stay in order.
std::vector<Recent::Place> Recent::by_shard_and_series(std::span<const Place> places) {
  std::array<size_t, shard_count + 1> ends{};
  for (const Place& place : places) ++ends[shard_index(place.series) + 1];
  for (size_t i = 0; i < shard_count; ++i) ends[i + 1] += ends[i];
  const std::array<size_t, shard_count + 1> begins = ends;
  std::vector<Place> sorted(places.size());
  for (const Place& place : places) sorted[ends[shard_index(place.series)]++] = place;
  for (size_t i = 0; i < shard_count; ++i)
    std::sort(sorted.begin() + static_cast<std::ptrdiff_t>(begins[i]),
              sorted.begin() + static_cast<std::ptrdiff_t>(begins[i + 1]), [](const Place& a, const Place& b) {
                return a.series != b.series ? a.series < b.series : a.row < b.row;
              });
  return sorted;
}

void Recent::add_samples(const db::ResultBlock& rows, int64_t now_ms) {
  const Column64 ids(rows, "series_id"), times(rows, "ts"), values(rows, "value"), cuts(rows, "cut"),
      sent(rows, "ts_sent");
  const db::ResultColumn* flags = rows.find("flags");
  const int64_t floor = floor_ms_;
  std::vector<Place> places;
  places.reserve(rows.rows);
  for (size_t row = 0; row < rows.rows; ++row) {
    const bool clamped = sent.at(row) != 0 && sent.at(row) != -1;  // its time is not the sample's
    if (ms_of(times.at(row)) >= floor && !clamped) places.push_back({static_cast<uint64_t>(ids.at(row)), row});
  }
  places = by_shard_and_series(places);
  std::vector<FloatPoint> points;
  for (auto place = places.begin(); place != places.end();) {
    Shard& shard = shard_of(place->series);
    const std::lock_guard lock(shard.mutex);
    while (place != places.end() && &shard_of(place->series) == &shard) {
      const uint64_t series = place->series;
      uint64_t cut = 0;
      points.clear();
      for (; place != places.end() && place->series == series; ++place) {
        const size_t row = place->row;
        const bool none = flags != nullptr && (flags->u64(row) & model::Points::no_recorded_value) != 0;
        points.push_back({ms_of(times.at(row)), none ? stale_marker() : std::bit_cast<double>(values.at(row))});
        cut = std::max(cut, static_cast<uint64_t>(cuts.at(row)));
      }
      add_run(line_of(shard, series), points, cut);
    }
  }
  keep_bounds(now_ms);
}

void Recent::add_distributions(const db::ResultBlock& rows, int64_t now_ms) {
  const Column64 ids(rows, "series_id"), times(rows, "ts");
  const int64_t floor = floor_ms_;
  for (size_t row = 0; row < rows.rows; ++row) {
    const int64_t t = ms_of(times.at(row));
    if (t < floor) continue;
    const auto series = static_cast<uint64_t>(ids.at(row));
    Shard& shard = shard_of(series);
    const std::lock_guard lock(shard.mutex);
    Line& line = line_of(shard, series);
    line.distribution_ms = std::max(line.distribution_ms, t);
  }
  keep_bounds(now_ms);
}

// Too old goes, and what there is no room for: the floor rises first, so that nobody reads half of what is promised.
void Recent::keep_bounds(int64_t now_ms) {
  const std::lock_guard lock(bounds_mutex_);
  const int64_t step = std::max<int64_t>(options_.keep_ms / sweeps, 1);
  const int64_t oldest = now_ms - options_.keep_ms;
  if (floor_ms_ < oldest - step) drop_before(oldest);
  for (int64_t tries = 0; bytes_ > options_.bytes_max && tries < sweeps; ++tries) drop_before(floor_ms_ + step);
  // More series than there is room for: for as long as senders' clocks may run ahead, nothing is kept.
  if (bytes_ > options_.bytes_max) drop_before(now_ms + db::time_future_max_ns / nanos_per_ms + 1);
}

void Recent::drop_before(int64_t floor_ms) {
  floor_ms_ = floor_ms;
  if (complete_from_ms_ < floor_ms) complete_from_ms_ = floor_ms;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    std::erase_if(shard.lines, [&](const auto& entry) {
      Line& line = shard.lines.at(entry.first);
      const size_t before = bytes_of(line.runs);
      std::erase_if(line.runs, [&](const Packed& run) { return run.last_ms() < floor_ms; });
      const bool gone = line.runs.empty() && line.distribution_ms < floor_ms;
      bytes_ += (gone ? 0 : bytes_of(line.runs)) - before - (gone ? line_bytes : 0);
      return gone;
    });
  }
}

bool Recent::filled(int64_t from_ms) {
  const std::lock_guard lock(bounds_mutex_);
  if (from_ms < floor_ms_) return false;
  complete_from_ms_ = std::min<int64_t>(complete_from_ms_, from_ms);
  return true;
}

void Recent::read(uint64_t series, int64_t start_ms, int64_t end_ms, std::vector<FloatPoint>& out) const {
  const Shard& shard = shard_of(series);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.lines.find(series);
  if (at == shard.lines.end()) return;
  for (const Packed& run : at->second.runs) run.read(start_ms, end_ms, out);
}

bool Recent::has_distributions(uint64_t series, int64_t start_ms) const {
  const Shard& shard = shard_of(series);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.lines.find(series);
  return at != shard.lines.end() && at->second.distribution_ms >= start_ms;
}

}  // namespace hs::promql::store
