#include "promql/store/floats.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <map>

#include "promql/histogram_math.h"
#include "promql/store/packed_histograms.h"
#include "promql/store/points.h"
#include "store/block.h"
#include "store/params.h"

namespace hs::promql::store {
namespace {

constexpr size_t ids_per_query = 20'000;   // longer lists cost the engine's parser more than a second query does
constexpr size_t whole_metric_from = 500;  // from so many series on the key's range is asked for instead of a list
constexpr size_t interrupt_every = 256;    // series

bool is_untyped(const Found& one) { return one.kind == model::MetricKind::untyped; }

bool is_exponential(const Found& one) { return one.kind == model::MetricKind::exponential_histogram; }
bool has_natives(const Found& one) { return is_untyped(one) || is_exponential(one); }  // perhaps

// What the selector asks for of one metric lies together; of several it is listed.
void add_series(Sql& sql, std::span<const Found* const> some) {
  const bool one_metric =
      std::all_of(some.begin(), some.end(), [&](const Found* one) { return one->id >> 48 == some.front()->id >> 48; });
  if (one_metric && some.size() >= whole_metric_from) {
    const auto [least, most] =
        std::minmax_element(some.begin(), some.end(), [](const Found* a, const Found* b) { return a->id < b->id; });
    sql.add(" AND series_id >= {least:UInt64} AND series_id <= {most:UInt64}");
    sql.bind("least", std::to_string((*least)->id)).bind("most", std::to_string((*most)->id));
    return;
  }
  std::vector<uint64_t> ids;
  for (const Found* one : some) ids.push_back(one->id);
  sql.add(" AND series_id IN {ids:Array(UInt64)}").bind("ids", db::param_list(ids));
}

enum class Order : uint8_t { ascending, was_not, doubtful };

// Sorts by time; doubtful when an instant has two values.
Order settle(std::vector<FloatPoint>& points) {
  const auto not_later = [](const FloatPoint& a, const FloatPoint& b) { return a.t_ms >= b.t_ms; };
  if (std::adjacent_find(points.begin(), points.end(), not_later) == points.end()) return Order::ascending;
  std::sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.t_ms < b.t_ms; });
  const auto differs = [](const FloatPoint& a, const FloatPoint& b) {
    return a.t_ms == b.t_ms && std::bit_cast<uint64_t>(a.v) != std::bit_cast<uint64_t>(b.v);
  };
  if (std::adjacent_find(points.begin(), points.end(), differs) != points.end()) return Order::doubtful;
  const auto equal = [](const FloatPoint& a, const FloatPoint& b) { return a.t_ms == b.t_ms; };
  points.erase(std::unique(points.begin(), points.end(), equal), points.end());
  return Order::was_not;
}

// A histogram wins over a float of its instant.
void histograms_win(Series& series) {
  if (series.histograms.empty() || series.floats.empty()) return;
  auto next = series.histograms.begin();
  std::erase_if(series.floats, [&](const FloatPoint& point) {
    while (next != series.histograms.end() && next->t_ms < point.t_ms) ++next;
    return next != series.histograms.end() && next->t_ms == point.t_ms;
  });
}

}  // namespace

struct FloatReader::Work {
  const std::vector<Found>& found;
  const Select& select;
  int64_t memory_from_ms = INT64_MAX;
  std::vector<Series> series;  // as `found`
  std::vector<char> other;     // as `found`: not ours
  size_t samples = 0;
  std::vector<PackedIndex::Packing> packings;  // those that are read

  void begin(int64_t from_ms) {
    memory_from_ms = from_ms;
    series.assign(found.size(), {});
    other.assign(found.size(), 0);
    samples = 0;
    packings.clear();
  }
  Status count(size_t more) {
    samples += more;
    return bounded(select, samples);
  }
  Status go_on() const {
    const Interrupt why = select.interrupt ? select.interrupt() : Interrupt::none;
    if (why == Interrupt::none) return {};
    return fail(Code::deadline_exceeded, why == Interrupt::canceled ? "query was canceled" : "query timed out");
  }
};

Status FloatReader::from_memory(Work& work) const {
  const int64_t start = std::max(work.select.start_ms, work.memory_from_ms);
  for (size_t i = 0; i < work.found.size(); ++i) {
    const Found& one = work.found[i];
    if (has_natives(one) && recent_->has_others(one.id, start)) work.other[i] = 1;
    if (work.other[i] != 0) continue;
    std::vector<FloatPoint>& points = work.series[i].floats;
    const size_t before = points.size();
    recent_->read(one.id, start, work.select.end_ms, points);
    HS_TRY(work.count(points.size() - before));
    if (has_natives(one)) HS_TRY(natives_from_memory(work, i, start));
    if (i % interrupt_every == 0) HS_TRY(work.go_on());
  }
  return {};
}

Status FloatReader::natives_from_memory(Work& work, size_t i, int64_t start_ms) const {
  const size_t before = work.series[i].histograms.size();
  recent_->read(work.found[i].id, start_ms, work.select.end_ms, work.series[i].histograms);
  return take_natives(work, i, before);
}

// Those from `first` on were read as Prometheus would have sent them.
Status FloatReader::take_natives(Work& work, size_t i, size_t first) const {
  size_t samples = 0;
  for (HistogramPoint& point : std::span(work.series[i].histograms).subspan(first)) {
    samples += samples_of(*point.h);
    if (!is_untyped(work.found[i]) && point.h->zero_threshold == 0) prometheus_default(own(point.h));
  }
  return work.count(samples);
}

// Which series have native histograms in the window, that nobody packed: few questions, and most answers are "none".
Status FloatReader::note_histograms(Work& work, const Window& window) const {
  std::unordered_map<uint64_t, size_t> index;
  std::vector<const Found*> untyped;
  for (size_t i = 0; i < work.found.size(); ++i) {
    if (is_exponential(work.found[i])) work.other[i] = 1;
    if (!is_untyped(work.found[i]) || work.other[i] != 0) continue;
    index.emplace(work.found[i].id, i);
    untyped.push_back(&work.found[i]);
  }
  for (size_t at = 0; at < untyped.size(); at += ids_per_query) {
    const auto some = std::span(untyped).subspan(at, std::min(ids_per_query, untyped.size() - at));
    Sql sql;
    sql.add("SELECT DISTINCT series_id FROM distributions WHERE");
    add_fact_window(sql, window);
    add_series(sql, some);
    HS_TRY(reader_.each(sql, work.select.interrupt, [&](const db::ResultBlock& block, size_t row) -> Status {
      const auto one = index.find(column(block, "series_id").u64(row));
      if (one != index.end()) work.other[one->second] = 1;
      return {};
    }));
  }
  return {};
}

struct FloatReader::Wanted {
  std::unordered_map<uint64_t, size_t> index;  // of `found`
  std::vector<const Found*> found;

  explicit Wanted(const Work& work) {
    for (size_t i = 0; i < work.found.size(); ++i) {
      if (work.other[i] != 0) continue;
      index.emplace(work.found[i].id, i);
      found.push_back(&work.found[i]);
    }
  }
  std::span<const Found* const> some(size_t at) const {
    return std::span(found).subspan(at, std::min(ids_per_query, found.size() - at));
  }
};

// Rows of packed samples, which come in any order.
struct FloatReader::Pieces {
  struct OfSeries {
    std::vector<PackedView> floats, histograms;
  };
  std::deque<std::string> kept;  // what the views are of
  std::vector<std::shared_ptr<const PackedCache::Rows>> cached;
  std::unordered_map<size_t, OfSeries> by_index;

  void add(Work& work, size_t i, PackedRow kind, const PackedView& view) {
    if (kind == PackedRow::samples_beside_others && has_natives(work.found[i])) work.other[i] = 1;
    if (work.other[i] != 0) return;
    OfSeries& of = by_index[i];
    (kind == PackedRow::histograms ? of.histograms : of.floats).push_back(view);
  }
  void add(Work& work, size_t i, std::shared_ptr<const PackedCache::Rows> rows) {
    for (const PackedCache::Row& row : *rows) add(work, i, row.kind, row.view());
    cached.push_back(std::move(rows));
  }
  // Appends them in the order of time.
  template <class Point>
  static Status unpack_all(std::vector<PackedView>& pieces, const Window& window, std::vector<Point>& out) {
    std::sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) { return a.first_ms < b.first_ms; });
    for (const PackedView& piece : pieces)
      if (!unpack(piece, window.start_ms, window.end_ms, out))
        return fail(Code::internal, "packed samples cannot be read");
    return {};
  }
};

// The series of `some` that the cache does not know whole; the others' rows are in `pieces` then.
std::vector<const Found*> FloatReader::from_cache(Work& work, const Wanted& wanted, std::span<const Found* const> some,
                                                  Pieces& pieces) const {
  std::vector<const Found*> missing;
  std::vector<std::shared_ptr<const PackedCache::Rows>> rows;
  for (const Found* one : some) {
    rows.clear();
    for (const PackedIndex::Packing& packing : work.packings) {
      rows.push_back(packed_->cache().find({reader_.tenant, one->id, packing.generation}));
      if (rows.back() == nullptr) break;
    }
    if (rows.back() == nullptr) {
      missing.push_back(one);
      continue;
    }
    for (auto& of_packing : rows) pieces.add(work, wanted.index.at(one->id), std::move(of_packing));
  }
  return missing;
}

// What was read of some series, all packings of it.
struct FloatReader::ForCache {
  std::map<std::pair<uint64_t, uint64_t>, PackedCache::Rows> rows;  // by series and generation
  size_t bytes = 0;
  bool wanted = true;

  void take(uint64_t series, uint64_t generation, PackedRow kind, const PackedView& view) {
    if (!wanted) return;
    bytes += view.bytes.size() + sizeof(PackedCache::Row);
    if (bytes > PackedCache::question_max) {
      wanted = false;
      rows.clear();
      return;
    }
    rows[{series, generation}].push_back({kind, view.samples, view.first_ms, std::string(view.bytes)});
  }
  void put(PackedCache& cache, const std::string& tenant, std::span<const Found* const> series,
           std::span<const PackedIndex::Packing> packings) {
    if (!wanted || series.size() * packings.size() > PackedCache::question_max / sizeof(PackedCache::Row)) return;
    for (const Found* one : series)
      for (const PackedIndex::Packing& packing : packings)
        cache.put({tenant, one->id, packing.generation},
                  std::make_shared<const PackedCache::Rows>(std::move(rows[{one->id, packing.generation}])));
  }
};

// Whole packings, of which the window may want a part: few rows of a series more, and no column of their ends.
Status FloatReader::read_packed(Work& work, const Wanted& wanted, std::span<const Found* const> series,
                                Pieces& pieces) const {
  std::vector<uint64_t> generations, ids;
  for (const PackedIndex::Packing& one : work.packings) generations.push_back(one.generation);
  for (const Found* one : series) ids.push_back(one->id);
  Sql sql;
  sql.add(
      "SELECT series_id, toUnixTimestamp64Milli(ts) AS t, samples, histograms, packed, generation FROM packed_samples"
      " PREWHERE series_id IN {ids:Array(UInt64)} AND slot >= toDateTime({first:UInt32}, 'UTC')"
      " AND slot <= toDateTime({last:UInt32}, 'UTC')"
      " WHERE generation IN {generations:Array(UInt64)} AND tenant = {tenant:String}");
  sql.bind("first", std::to_string(work.packings.front().slot)).bind("last", std::to_string(work.packings.back().slot));
  sql.bind("generations", db::param_list(generations)).bind("ids", db::param_list(ids));
  size_t held = 0;  // of packed bytes, as samples
  ForCache read;
  HS_TRY(reader_.each_block(sql, work.select.interrupt, [&](const db::ResultBlock& block) -> Status {
    const db::ResultColumn &ids_of = column(block, "series_id"), &times = column(block, "t"),
                           &samples = column(block, "samples"), &kinds = column(block, "histograms"),
                           &packed = column(block, "packed"), &of = column(block, "generation");
    const std::string_view bytes = pieces.kept.emplace_back(packed.bytes);
    for (size_t row = 0; row < block.rows; ++row) {
      const auto kind = static_cast<PackedRow>(kinds.u64(row));
      const PackedView view{bytes.substr(packed.begin(row), packed.end(row) - packed.begin(row)),
                            static_cast<uint32_t>(samples.u64(row)), times.i64(row)};
      pieces.add(work, wanted.index.at(ids_of.u64(row)), kind, view);
      read.take(ids_of.u64(row), of.u64(row), kind, view);
    }
    held += bytes.size() / sizeof(FloatPoint);
    return work.count(bytes.size() / sizeof(FloatPoint));
  }));
  work.samples -= held;
  if (packed_->holds(work.packings)) read.put(packed_->cache(), reader_.tenant, series, work.packings);
  return {};
}

Status FloatReader::from_packed(Work& work, const Window& window) const {
  const Wanted wanted(work);
  for (size_t at = 0; at < wanted.found.size(); at += ids_per_query) {
    Pieces pieces;
    const std::vector<const Found*> missing = from_cache(work, wanted, wanted.some(at), pieces);
    if (!missing.empty()) HS_TRY(read_packed(work, wanted, missing, pieces));
    for (auto& [i, of] : pieces.by_index) {
      if (work.other[i] != 0) continue;
      Series& series = work.series[i];
      const size_t floats = series.floats.size(), histograms = series.histograms.size();
      HS_TRY(Pieces::unpack_all(of.floats, window, series.floats));
      HS_TRY(Pieces::unpack_all(of.histograms, window, series.histograms));
      HS_TRY(work.count(series.floats.size() - floats));
      HS_TRY(take_natives(work, i, histograms));
      HS_TRY(work.go_on());
    }
  }
  return {};
}

Status FloatReader::from_engine(Work& work, const Window& window) const {
  if (!work.packings.empty()) HS_TRY(from_packed(work, window));
  int64_t start_ms = window.start_ms;
  for (const PackedIndex::Packing& packing : work.packings) {
    const int64_t slot_ms = packing.slot * 1'000;
    if (start_ms < slot_ms) HS_TRY(from_samples(work, {start_ms, slot_ms - 1}));
    start_ms = slot_ms + PackedIndex::slot_ms;
  }
  if (start_ms <= window.end_ms) HS_TRY(from_samples(work, {start_ms, window.end_ms}));
  for (size_t i = 0; i < work.found.size(); ++i)
    if (settle(work.series[i].floats) == Order::doubtful) work.other[i] = 1;
  return {};
}

Status FloatReader::from_samples(Work& work, const Window& window) const {
  HS_TRY(note_histograms(work, window));
  const Wanted wanted(work);
  for (size_t at = 0; at < wanted.found.size(); at += ids_per_query) {
    Sql sql;
    sql.add(
        "SELECT series_id, toUnixTimestamp64Milli(ts) AS t,"
        " if(bitTest(flags, 0), reinterpretAsFloat64({stale:UInt64}), value) AS v FROM samples WHERE");
    sql.bind("stale", std::to_string(stale_bits));
    add_fact_window(sql, window);
    sql.add(" AND ts_sent IN (0, -1)");  // a time that was clamped is not the sample's
    add_series(sql, wanted.some(at));
    HS_TRY(reader_.each_block(sql, work.select.interrupt, [&](const db::ResultBlock& block) -> Status {
      const char* ids = column(block, "series_id").bytes.data();
      const char* times = column(block, "t").bytes.data();
      const char* values = column(block, "v").bytes.data();
      uint64_t last = 0;
      std::vector<FloatPoint>* into = nullptr;
      for (size_t row = 0; row < block.rows; ++row) {
        uint64_t id = 0;
        std::memcpy(&id, ids + row * 8, 8);
        if (id != last || row == 0) {
          const auto one = wanted.index.find(id);
          into = one == wanted.index.end() ? nullptr : &work.series[one->second].floats;
          last = id;
        }
        if (into == nullptr) continue;
        FloatPoint point;
        std::memcpy(&point.t_ms, times + row * 8, 8);
        std::memcpy(&point.v, values + row * 8, 8);
        into->push_back(point);
      }
      return work.count(block.rows);
    }));
  }
  return {};
}

Result<std::vector<Series>> FloatReader::read(const std::vector<Found>& found, const Select& select,
                                              std::vector<const Found*>& others) const {
  Work work{.found = found, .select = select};
  // The floor of the memory may rise while it is read, and a packing be replaced: then the engine is asked after all.
  for (bool again = false;; again = true) {
    work.begin(again ? INT64_MAX : recent_ == nullptr ? INT64_MAX : recent_->complete_from_ms());
    const Window older{select.start_ms, std::min(select.end_ms, work.memory_from_ms - 1)};
    if (!again && packed_ != nullptr) work.packings = packed_->covering(older);
    if (older.start_ms <= older.end_ms) {
      HS_TRY(from_engine(work, older));
    }
    if (select.end_ms >= work.memory_from_ms) HS_TRY(from_memory(work));
    const bool floor_rose = work.memory_from_ms != INT64_MAX &&
                            recent_->complete_from_ms() > std::max(work.memory_from_ms, select.start_ms);
    if (!floor_rose && (work.packings.empty() || packed_->holds(work.packings))) break;
  }
  std::vector<Series> out;
  out.reserve(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (work.other[i] != 0) {
      others.push_back(&found[i]);
    } else if (!work.series[i].floats.empty() || !work.series[i].histograms.empty()) {
      histograms_win(work.series[i]);
      work.series[i].labels = found[i].labels;
      work.series[i].temporality = found[i].temporality;
      out.push_back(std::move(work.series[i]));
    }
  }
  return out;
}

}  // namespace hs::promql::store
