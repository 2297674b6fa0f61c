#include "promql/store/packer.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"
#include "model/batch.h"
#include "promql/store/native.h"
#include "promql/store/packed_histograms.h"
#include "store/block.h"
#include "store/native_writer.h"
#include "store/params.h"

namespace hs::promql::store {
namespace {

constexpr uint64_t samples_at_once = 1'000'000;      // of as many series: 24 MB here, and one insert
constexpr uint64_t samples_of_histogram = 32;        // what one counts for: some 700 bytes here
constexpr uint64_t series_samples_max = 20'000'000;  // of one series in a slot; a faster one is left as it is
constexpr uint32_t run_samples = 480;                // of one row: two hours of 15 s; a reader unpacks whole rows
constexpr uint32_t run_histograms = 120;             // some 60 bytes each

metrics::Counter samples_packed("homeostat_packed_samples_total", "Samples of metrics that were packed by series.");

template <class Point>
struct Row {
  Point point;
  uint64_t cut;
};

int64_t int64_at(const db::ResultColumn& column, size_t row) {
  int64_t value = 0;
  std::memcpy(&value, column.bytes.data() + row * 8, 8);
  return value;
}

// In the order of time; of several at one instant the last writing stands.
template <class Point>
void settle(std::vector<Row<Point>>& rows) {
  const auto earlier = [](const auto& a, const auto& b) {
    return std::tie(a.point.t_ms, a.cut) < std::tie(b.point.t_ms, b.cut);
  };
  if (!std::is_sorted(rows.begin(), rows.end(), earlier)) std::sort(rows.begin(), rows.end(), earlier);
  size_t kept = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (kept > 0 && rows[kept - 1].point.t_ms == rows[i].point.t_ms) --kept;
    if (kept != i) rows[kept] = std::move(rows[i]);
    ++kept;
  }
  rows.resize(kept);
}

// A row of `packed_samples`.
struct Packing {
  uint64_t series = 0;
  const std::string* tenant = nullptr;
  PackedRow kind = PackedRow::samples;
  uint32_t samples = 0;
  int64_t first_ms = 0, last_ms = 0;
  std::string bytes;
};

// The rows of one series, as many as it takes.
template <class Run>
void pack_runs(std::vector<Row<typename Run::Point>>& rows, size_t of_run, const Packing& like,
               std::vector<Packing>& out) {
  settle(rows);
  for (size_t i = 0; i < rows.size();) {
    Run run;
    for (const size_t end = std::min(i + of_run, rows.size()); i < end; ++i) run.add(rows[i].point);
    Packing& row = out.emplace_back(like);
    row.samples = run.size();
    row.first_ms = run.first_ms(), row.last_ms = run.last_ms();
    row.bytes = run.view().bytes;
  }
  rows = {};
}

db::Query slot_query(std::string_view sql, int64_t slot, const std::stop_token& stop) {
  return {.sql = sql,
          .params = {{"start", std::to_string(slot * nanos_per_s)},
                     {"end", std::to_string((slot + PackedIndex::slot_s) * nanos_per_s)}},
          .timeout_ms = packer_timeout_ms,
          .memory_bytes_max = packer_engine_bytes_max,
          .cancel = stop};
}

std::string block_of(const std::vector<Packing>& rows, const PackedIndex::Packing& of) {
  db::NativeBlock block(rows.size());
  block.fixed<uint64_t>("series_id", "UInt64", [&](size_t i) { return rows[i].series; });
  block.fixed<uint32_t>("slot", "DateTime('UTC')", [&](size_t) { return static_cast<uint32_t>(of.slot); });
  block.fixed<int64_t>("ts", "DateTime64(9, 'UTC')", [&](size_t i) { return rows[i].first_ms * nanos_per_ms; });
  block.fixed<int64_t>("end_ts", "DateTime64(9, 'UTC')", [&](size_t i) { return rows[i].last_ms * nanos_per_ms; });
  block.fixed<uint32_t>("samples", "UInt32", [&](size_t i) { return rows[i].samples; });
  block.fixed<uint8_t>("histograms", "UInt8", [&](size_t i) { return static_cast<uint8_t>(rows[i].kind); });
  block.fixed<uint64_t>("generation", "UInt64", [&](size_t) { return of.generation; });
  block.low_cardinality("tenant", [&](size_t i) -> std::string_view { return *rows[i].tenant; });
  block.text("packed", [&](size_t i) -> std::string_view { return rows[i].bytes; });
  return block.finish();
}

}  // namespace

struct Packer::Work {
  PackedIndex::Packing packing;
  std::stop_token stop;
  struct OfSeries {
    uint64_t id = 0;
    const std::string* tenant = nullptr;
    uint64_t samples = 0, distributions = 0, natives = 0;  // natives: those of `distributions` that may be packed
  };
  std::map<std::string, char, std::less<>> tenants;
  std::vector<OfSeries> series;                          // by id
  uint64_t samples = 0, distributions = 0, natives = 0;  // rows that the slot has
  uint64_t read = 0, natives_read = 0;                   // of them
  uint64_t packings = 0, blocks = 0;                     // written
  bool odd = false;                                      // cannot be packed

  const std::string* tenant(std::string_view name) { return &tenants.try_emplace(std::string(name)).first->first; }
};

// The rows of some series, until they are packed.
struct Packer::Gathered {
  std::span<const Work::OfSeries> of;
  std::vector<std::vector<Row<FloatPoint>>> samples;
  std::vector<std::vector<Row<HistogramPoint>>> histograms;
  std::vector<char> others;  // has distributions that cannot be packed

  explicit Gathered(std::span<const Work::OfSeries> some)
      : of(some), samples(some.size()), histograms(some.size()), others(some.size()) {
    for (size_t i = 0; i < some.size(); ++i) samples[i].reserve(some[i].samples);
  }
  // -1: a series that was not there when they were counted.
  int64_t index(uint64_t id) const {
    const auto at = std::lower_bound(of.begin(), of.end(), id, [](const auto& s, uint64_t i) { return s.id < i; });
    return at != of.end() && at->id == id ? at - of.begin() : -1;
  }
};

// How many rows each series has in the slot.
Status Packer::count(Work& work) const {
  const auto ask = [&](std::string_view sql, auto take) -> Status {
    HS_TRY(client_.query(slot_query(sql, work.packing.slot, work.stop), [&](const db::ResultBlock& block) {
      for (size_t row = 0; row < block.rows; ++row) {
        Work::OfSeries& one = work.series.emplace_back();
        one.id = column(block, "series_id").u64(row);
        one.tenant = work.tenant(column(block, "tenant").text(row));
        take(one, block, row);
      }
      return true;
    }));
    return {};
  };
  HS_TRY(
      ask("SELECT tenant, series_id, count() AS n FROM samples WHERE ts >= fromUnixTimestamp64Nano({start:Int64},"
          " 'UTC') AND ts < fromUnixTimestamp64Nano({end:Int64}, 'UTC') GROUP BY tenant, series_id",
          [&](Work::OfSeries& one, const db::ResultBlock& block, size_t row) {
            work.samples += one.samples = column(block, "n").u64(row);
          }));
  HS_TRY(
      ask("SELECT tenant, series_id, count() AS n, countIf(kind = 4) AS natives FROM distributions"
          " WHERE ts >= fromUnixTimestamp64Nano({start:Int64}, 'UTC') AND ts < fromUnixTimestamp64Nano({end:Int64},"
          " 'UTC') GROUP BY tenant, series_id",
          [&](Work::OfSeries& one, const db::ResultBlock& block, size_t row) {
            work.distributions += one.distributions = column(block, "n").u64(row);
            work.natives += one.natives = column(block, "natives").u64(row);
          }));
  std::sort(work.series.begin(), work.series.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  size_t kept = 0;
  for (const Work::OfSeries& one : work.series) {
    if (kept == 0 || work.series[kept - 1].id != one.id) {
      work.series[kept++] = one;
    } else {
      Work::OfSeries& same = work.series[kept - 1];
      same.samples += one.samples;
      same.distributions += one.distributions;
      same.natives += one.natives;
      work.odd = work.odd || same.tenant != one.tenant;
    }
    const Work::OfSeries& last = work.series[kept - 1];
    work.odd = work.odd || last.samples + samples_of_histogram * last.natives > series_samples_max;
  }
  work.series.resize(kept);
  return {};
}

// Rows of a table for some series; false from `take` when one is of a series that was not counted.
Status Packer::read_some(const Work& work, const Gathered& rows, std::string_view select,
                         const std::function<bool(const db::ResultBlock&)>& take) const {
  const std::string sql = fmt::format(
      "{} ts >= fromUnixTimestamp64Nano({{start:Int64}}, 'UTC') AND ts < fromUnixTimestamp64Nano({{end:Int64}}, 'UTC')"
      " AND series_id >= {{least:UInt64}} AND series_id <= {{most:UInt64}}",
      select);
  db::Query query = slot_query(sql, work.packing.slot, work.stop);
  query.params.emplace_back("least", std::to_string(rows.of.front().id));
  query.params.emplace_back("most", std::to_string(rows.of.back().id));
  HS_TRY(client_.query(query, take));
  return {};
}

Result<bool> Packer::read_samples(Work& work, Gathered& rows) const {
  bool known = true;
  HS_TRY(read_some(work, rows, "SELECT series_id, ts, flags, value, cut, ts_sent FROM samples WHERE",
                   [&](const db::ResultBlock& block) {
                     const db::ResultColumn &ids = column(block, "series_id"), &times = column(block, "ts"),
                                            &values = column(block, "value"), &cuts = column(block, "cut"),
                                            &flags = column(block, "flags"), &sent = column(block, "ts_sent");
                     uint64_t last = 0;
                     std::vector<Row<FloatPoint>>* into = nullptr;
                     for (size_t row = 0; row < block.rows; ++row) {
                       const auto id = static_cast<uint64_t>(int64_at(ids, row));
                       if (into == nullptr || id != last) {
                         const int64_t at = rows.index(id);
                         known = known && at >= 0;
                         if (!known) return false;
                         into = &rows.samples[static_cast<size_t>(at)];
                         last = id;
                       }
                       ++work.read;
                       const int64_t sent_as = int64_at(sent, row);
                       if (sent_as != 0 && sent_as != -1) continue;  // a time that was clamped is not the sample's
                       const bool none = (flags.u64(row) & model::Points::no_recorded_value) != 0;
                       const double value = none ? stale_marker() : std::bit_cast<double>(int64_at(values, row));
                       into->push_back(
                           {{int64_at(times, row) / nanos_per_ms, value}, static_cast<uint64_t>(int64_at(cuts, row))});
                     }
                     return true;
                   }));
  return known;
}

Result<bool> Packer::read_natives(Work& work, Gathered& rows) const {
  bool known = true;
  const std::string select = fmt::format(
      "SELECT series_id, ts, flags, cut, ts_sent, {} FROM distributions WHERE kind = 4 AND", native_columns);
  HS_TRY(read_some(work, rows, select, [&](const db::ResultBlock& block) {
    const db::ResultColumn &ids = column(block, "series_id"), &times = column(block, "ts"),
                           &cuts = column(block, "cut"), &flags = column(block, "flags"),
                           &sent = column(block, "ts_sent");
    const NativeColumns natives(block);
    for (size_t row = 0; row < block.rows; ++row) {
      const int64_t at = rows.index(static_cast<uint64_t>(int64_at(ids, row)));
      known = known && at >= 0;
      if (!known) return false;
      const auto i = static_cast<size_t>(at);
      ++work.natives_read;
      const int64_t sent_as = int64_at(sent, row);
      if (rows.others[i] != 0 || (sent_as != 0 && sent_as != -1)) continue;
      const bool none = (flags.u64(row) & model::Points::no_recorded_value) != 0;
      if (auto h = none ? nullptr : natives.histogram(row, true))
        rows.histograms[i].push_back(
            {{int64_at(times, row) / nanos_per_ms, std::move(h)}, static_cast<uint64_t>(int64_at(cuts, row))});
      else
        rows.others[i] = 1;
    }
    return true;
  }));
  return known;
}

// Of the series [begin, end): a question to each table, one insert.
Status Packer::pack_some(Work& work, size_t begin, size_t end) {
  Gathered rows(std::span(work.series).subspan(begin, end - begin));
  bool natives = false;
  for (size_t i = 0; i < rows.of.size(); ++i) {
    natives = natives || rows.of[i].natives > 0;
    rows.others[i] = rows.of[i].natives != rows.of[i].distributions ? 1 : 0;
  }
  HS_ASSIGN(bool known, read_samples(work, rows));
  if (known && natives) {
    HS_ASSIGN(known, read_natives(work, rows));
  }
  if (!known) return {};  // a new series: the sum will not be right
  std::vector<Packing> packings;
  for (size_t i = 0; i < rows.of.size(); ++i) {
    const int64_t slot_ms = work.packing.slot * 1'000;
    Packing like{.series = rows.of[i].id,
                 .tenant = rows.of[i].tenant,
                 .kind = rows.others[i] != 0 ? PackedRow::samples_beside_others : PackedRow::samples,
                 .first_ms = slot_ms,
                 .last_ms = slot_ms + PackedIndex::slot_ms - 1};
    const size_t first = packings.size();
    pack_runs<Packed>(rows.samples[i], run_samples, like, packings);
    if (rows.others[i] != 0) {
      if (packings.size() == first) packings.push_back(like);
      continue;
    }
    like.kind = PackedRow::histograms;
    pack_runs<PackedHistograms>(rows.histograms[i], run_histograms, like, packings);
  }
  if (packings.empty()) return {};
  work.blocks += 1;
  work.packings += packings.size();
  return client_.insert("packed_samples",
                        fmt::format("packed-{}-{}-{}", work.packing.slot, work.packing.generation, work.blocks),
                        block_of(packings, work.packing), work.stop);
}

Status Packer::pack(const PackedIndex::Due& due, const std::stop_token& stop) {
  last_generation_ = std::max(last_generation_ + 1, static_cast<uint64_t>(clock_.wall()));
  Work work{.packing = {due.slot, last_generation_}, .stop = stop};
  HS_TRY(count(work));
  if (work.odd || work.series.empty()) {
    if (work.odd)
      log::warn("samples are not packed by series: two tenants have a series of one id, or one series has too many",
                {{"from", format_rfc3339(due.slot * nanos_per_s)}});
    index_.leave(due);
    return {};
  }
  for (size_t begin = 0, end = 0; begin < work.series.size(); begin = end) {
    for (uint64_t samples = 0; end < work.series.size() && (end == begin || samples < samples_at_once); ++end)
      samples += work.series[end].samples + samples_of_histogram * work.series[end].natives + 1;
    HS_TRY(pack_some(work, begin, end));
  }
  if (work.read != work.samples || work.natives_read != work.natives)
    return fail(Code::conflict, "samples came or went while they were packed");
  db::NativeBlock row(1);
  row.fixed<uint32_t>("slot", "DateTime('UTC')", [&](size_t) { return static_cast<uint32_t>(due.slot); });
  const auto number = [&](std::string_view name, uint64_t value) {
    row.fixed<uint64_t>(name, "UInt64", [&](size_t) { return value; });
  };
  number("generation", work.packing.generation);
  number("samples", work.samples);
  number("distributions", work.distributions);
  number("packings", work.packings);
  row.fixed<uint8_t>("revision", "UInt8", [&](size_t) { return packed_revision; });
  HS_TRY(client_.insert("packed_slots", fmt::format("packed-{}-{}", due.slot, work.packing.generation), row.finish(),
                        stop));
  const bool all_in = index_.packed(due, work.packing.generation);
  samples_packed.add(work.samples);
  if (due.generation != 0) HS_TRY(remove({due.slot, due.generation}, stop));
  return all_in ? merge(due.slot, stop) : Status{};
}

// Into one part, once all of a partition's slots are packed: a question about few series reads a granule of each part.
Status Packer::merge(int64_t slot, const std::stop_token& stop) {
  const int64_t partition = slot / db::partition_s * db::partition_s;
  const Window window{partition * 1'000, (partition + db::partition_s) * 1'000 - 1};
  if (index_.covering(window).size() != db::partition_s / PackedIndex::slot_s) return {};
  const std::string sql = fmt::format("OPTIMIZE TABLE packed_samples PARTITION ID '{}' FINAL", partition);
  return client_.execute({.sql = sql, .timeout_ms = packer_timeout_ms, .cancel = stop});
}

// Rows of a packing that does not count any more, or never did.
Status Packer::remove(const PackedIndex::Packing& packing, const std::stop_token& stop) {
  const int64_t partition = packing.slot / db::partition_s * db::partition_s;
  const std::string sql = fmt::format("ALTER TABLE packed_samples DELETE IN PARTITION ID '{}' WHERE generation = {}",
                                      partition, packing.generation);  // numbers of ours: they cannot be bound here
  return client_.execute({.sql = sql, .timeout_ms = packer_timeout_ms, .cancel = stop});
}

Result<bool> Packer::step(int64_t quiet_ms, const std::stop_token& stop) {
  const int64_t now_ms = clock_.wall() / nanos_per_ms;
  index_.cache().age(now_ms);
  const auto due = index_.due(now_ms, quiet_ms);
  if (!due) return false;
  HS_TRY(pack(*due, stop));
  return true;
}

}  // namespace hs::promql::store
