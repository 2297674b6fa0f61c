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

size_t bytes_of(const std::vector<Packed>& runs) {
  size_t bytes = line_bytes + runs.capacity() * sizeof(Packed);
  for (const Packed& run : runs) bytes += run.memory_bytes() - sizeof(Packed);
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

std::vector<Packed> pack(std::span<const FloatPoint> points) {
  std::vector<Packed> runs;
  for (const FloatPoint& p : points) {
    if (runs.empty() || runs.back().size() >= run_samples) runs.emplace_back();
    runs.back().add(p.t_ms, p.v);
  }
  for (Packed& run : runs) run.shrink();
  return runs;
}

}  // namespace

template <class F>
void Recent::change(uint64_t series, F f) {
  Shard& shard = shard_of(series);
  const std::lock_guard lock(shard.mutex);
  const auto [at, added] = shard.lines.try_emplace(series);
  const size_t before = added ? 0 : bytes_of(at->second.runs);
  f(at->second);
  bytes_ += bytes_of(at->second.runs) - before;
}

void Recent::append(Line& line, std::span<const FloatPoint> points) {
  for (const FloatPoint& p : points) {
    if (line.runs.empty() || line.runs.back().size() >= run_samples) {
      if (!line.runs.empty()) line.runs.back().shrink();
      line.runs.emplace_back();
    }
    line.runs.back().add(p.t_ms, p.v);
  }
}

void Recent::prepend(Line& line, std::span<const FloatPoint> points) {
  std::vector<Packed> runs = pack(points);
  line.runs.insert(line.runs.begin(), std::make_move_iterator(runs.begin()), std::make_move_iterator(runs.end()));
}

// Somewhere in the past: the run that it belongs to is made anew.
void Recent::put(Line& line, const FloatPoint& point, bool newer) {
  auto run = std::upper_bound(line.runs.begin(), line.runs.end(), point.t_ms,
                              [](int64_t t, const Packed& r) { return t < r.first_ms(); });
  if (run != line.runs.begin()) --run;
  std::vector<FloatPoint> points;
  run->read(INT64_MIN, INT64_MAX, points);
  const auto at = std::lower_bound(points.begin(), points.end(), point.t_ms,
                                   [](const FloatPoint& p, int64_t t) { return p.t_ms < t; });
  if (at == points.end() || at->t_ms != point.t_ms) {
    points.insert(at, point);
  } else if (newer && std::bit_cast<uint64_t>(at->v) != std::bit_cast<uint64_t>(point.v)) {
    at->v = point.v;
  } else {
    return;
  }
  std::vector<Packed> runs = pack(points);
  run = line.runs.erase(run);
  line.runs.insert(run, std::make_move_iterator(runs.begin()), std::make_move_iterator(runs.end()));
}

void Recent::add_run(uint64_t series, std::span<const FloatPoint> points, uint64_t cut) {
  change(series, [&](Line& line) {
    const bool ascending = std::adjacent_find(points.begin(), points.end(), [](const auto& a, const auto& b) {
                             return a.t_ms >= b.t_ms;
                           }) == points.end();
    if (ascending && (line.runs.empty() || points.front().t_ms > line.runs.back().last_ms())) {
      append(line, points);
    } else if (ascending && points.back().t_ms < line.runs.front().first_ms()) {
      prepend(line, points);
    } else {
      for (const FloatPoint& p : points) {
        if (line.runs.empty() || p.t_ms > line.runs.back().last_ms())
          append(line, {&p, 1});
        else
          put(line, p, cut >= line.cut);
      }
    }
    line.cut = std::max(line.cut, cut);
  });
}

void Recent::add_samples(const db::ResultBlock& rows, int64_t now_ms) {
  const Column64 ids(rows, "series_id"), times(rows, "ts"), values(rows, "value"), cuts(rows, "cut"),
      sent(rows, "ts_sent");
  const db::ResultColumn* flags = rows.find("flags");
  const int64_t floor = floor_ms_;
  std::vector<FloatPoint> points;
  for (size_t row = 0; row < rows.rows;) {
    const int64_t id = ids.at(row);
    uint64_t cut = 0;
    points.clear();
    for (; row < rows.rows && ids.at(row) == id; ++row) {
      const int64_t t = ms_of(times.at(row));
      const bool clamped = sent.at(row) != 0 && sent.at(row) != -1;  // its time is not the sample's
      if (t < floor || clamped) continue;
      const bool none = flags != nullptr && (flags->u64(row) & model::Points::no_recorded_value) != 0;
      points.push_back({t, none ? stale_marker() : std::bit_cast<double>(values.at(row))});
      cut = std::max(cut, static_cast<uint64_t>(cuts.at(row)));
    }
    if (!points.empty()) add_run(static_cast<uint64_t>(id), points, cut);
  }
  keep_bounds(now_ms);
}

void Recent::add_distributions(const db::ResultBlock& rows, int64_t now_ms) {
  const Column64 ids(rows, "series_id"), times(rows, "ts");
  const int64_t floor = floor_ms_;
  for (size_t row = 0; row < rows.rows; ++row) {
    const int64_t t = ms_of(times.at(row));
    if (t < floor) continue;
    change(static_cast<uint64_t>(ids.at(row)),
           [&](Line& line) { line.distribution_ms = std::max(line.distribution_ms, t); });
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
      bytes_ += (gone ? 0 : bytes_of(line.runs)) - before;
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
