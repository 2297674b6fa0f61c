#include "promql/store/recent.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "model/batch.h"
#include "promql/store/native.h"
#include "store/block.h"

namespace hs::promql::store {
namespace {

constexpr uint64_t native_kind = 4;  // of `distributions`
constexpr size_t line_bytes = 160;   // of a series, besides its runs: the map's node and slot
constexpr int64_t sweeps = 16;       // the floor rises by this share of what is kept, not at every sample

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

}  // namespace

size_t Recent::Line::memory_bytes() const {
  return floats.memory_bytes() + (histograms == nullptr ? 0 : sizeof *histograms + histograms->memory_bytes());
}

Recent::Line& Recent::line_of(Shard& shard, uint64_t series) {
  const auto [at, added] = shard.lines.try_emplace(series);
  if (added) bytes_ += line_bytes;
  return at->second;
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

// Calls f(line, places) for each series, under its shard's lock.
template <class F>
void Recent::each_series(std::span<const Place> given, F f) {
  const std::vector<Place> places = by_shard_and_series(given);
  for (auto place = places.begin(); place != places.end();) {
    Shard& shard = shard_of(place->series);
    const std::lock_guard lock(shard.mutex);
    while (place != places.end() && &shard_of(place->series) == &shard) {
      const auto first = place;
      while (place != places.end() && place->series == first->series) ++place;
      f(line_of(shard, first->series), std::span(first, place));
    }
  }
}

// The rows that are new enough, with a time of their own.
std::vector<Recent::Place> Recent::places_of(const db::ResultBlock& rows) const {
  const Column64 ids(rows, "series_id"), times(rows, "ts"), sent(rows, "ts_sent");
  const int64_t floor = floor_ms_;
  std::vector<Place> places;
  places.reserve(rows.rows);
  for (size_t row = 0; row < rows.rows; ++row) {
    const bool clamped = sent.at(row) != 0 && sent.at(row) != -1;  // its time is not the sample's
    if (ms_of(times.at(row)) >= floor && !clamped) places.push_back({static_cast<uint64_t>(ids.at(row)), row});
  }
  return places;
}

void Recent::add_samples(const db::ResultBlock& rows, int64_t now_ms) {
  const Column64 times(rows, "ts"), values(rows, "value"), cuts(rows, "cut");
  const db::ResultColumn* flags = rows.find("flags");
  std::vector<FloatPoint> points;
  each_series(places_of(rows), [&](Line& line, std::span<const Place> places) {
    uint64_t cut = 0;
    points.clear();
    for (const Place& place : places) {
      const bool none = flags != nullptr && (flags->u64(place.row) & model::Points::no_recorded_value) != 0;
      const double value = none ? stale_marker() : std::bit_cast<double>(values.at(place.row));
      points.push_back({ms_of(times.at(place.row)), value});
      cut = std::max(cut, static_cast<uint64_t>(cuts.at(place.row)));
    }
    bytes_ += line.floats.add(points, cut);
  });
  keep_bounds(now_ms);
}

void Recent::add_distributions(const db::ResultBlock& rows, int64_t now_ms) {
  const Column64 times(rows, "ts"), cuts(rows, "cut");
  const db::ResultColumn *kinds = rows.find("kind"), *flags = rows.find("flags");
  const NativeColumns natives(rows);
  std::vector<HistogramPoint> points;
  each_series(places_of(rows), [&](Line& line, std::span<const Place> places) {
    uint64_t cut = 0;
    points.clear();
    for (const Place& place : places) {
      const int64_t t = ms_of(times.at(place.row));
      const bool none = flags != nullptr && (flags->u64(place.row) & model::Points::no_recorded_value) != 0;
      // A point without a value is a number's stale marker: who reads the engine makes it.
      const bool native = kinds != nullptr && kinds->u64(place.row) == native_kind && !none;
      if (auto h = native ? natives.histogram(place.row, true) : nullptr) {
        points.push_back({t, std::move(h)});
        cut = std::max(cut, static_cast<uint64_t>(cuts.at(place.row)));
      } else {
        line.other_ms = std::max(line.other_ms, t);
      }
    }
    if (points.empty()) return;
    if (line.histograms == nullptr) {
      line.histograms = std::make_unique<Runs<PackedHistograms>>();
      bytes_ += sizeof *line.histograms;
    }
    bytes_ += line.histograms->add(points, cut);
  });
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
      const size_t before = line.memory_bytes();
      line.floats.drop_before(floor_ms);
      if (line.histograms != nullptr) line.histograms->drop_before(floor_ms);
      if (line.histograms != nullptr && line.histograms->empty()) line.histograms = nullptr;
      const bool gone = line.floats.empty() && line.histograms == nullptr && line.other_ms < floor_ms;
      bytes_ += (gone ? 0 : line.memory_bytes()) - before - (gone ? line_bytes : 0);
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
  if (at != shard.lines.end()) at->second.floats.read(start_ms, end_ms, out);
}

void Recent::read(uint64_t series, int64_t start_ms, int64_t end_ms, std::vector<HistogramPoint>& out) const {
  const Shard& shard = shard_of(series);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.lines.find(series);
  if (at != shard.lines.end() && at->second.histograms) at->second.histograms->read(start_ms, end_ms, out);
}

bool Recent::has_others(uint64_t series, int64_t start_ms) const {
  const Shard& shard = shard_of(series);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.lines.find(series);
  return at != shard.lines.end() && at->second.other_ms >= start_ms;
}

}  // namespace hs::promql::store
