#include "promql/store/floats.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "promql/store/points.h"
#include "store/block.h"
#include "store/params.h"

namespace hs::promql::store {
namespace {

constexpr size_t ids_per_query = 20'000;   // longer lists cost the engine's parser more than a second query does
constexpr size_t whole_metric_from = 500;  // from so many series on the key's range is asked for instead of a list
constexpr size_t interrupt_every = 256;    // series

bool is_untyped(const Found& one) { return one.kind == model::MetricKind::untyped; }

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

}  // namespace

struct FloatReader::Work {
  const std::vector<Found>& found;
  const Select& select;
  int64_t memory_from_ms = INT64_MAX;
  std::vector<Series> series;  // as `found`
  std::vector<char> other;     // as `found`: not ours
  size_t samples = 0;

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
    if (is_untyped(one) && recent_->has_distributions(one.id, start)) work.other[i] = 1;
    if (work.other[i] != 0) continue;
    std::vector<FloatPoint>& points = work.series[i].floats;
    const size_t before = points.size();
    recent_->read(one.id, start, work.select.end_ms, points);
    HS_TRY(work.count(points.size() - before));
    if (i % interrupt_every == 0) HS_TRY(work.go_on());
  }
  return {};
}

// Which series have native histograms in the older part of the window: few questions, and most answers are "none".
Status FloatReader::note_histograms(Work& work, int64_t end_ms) const {
  std::unordered_map<uint64_t, size_t> index;
  std::vector<const Found*> untyped;
  for (size_t i = 0; i < work.found.size(); ++i) {
    if (!is_untyped(work.found[i])) continue;
    index.emplace(work.found[i].id, i);
    untyped.push_back(&work.found[i]);
  }
  for (size_t at = 0; at < untyped.size(); at += ids_per_query) {
    const auto some = std::span(untyped).subspan(at, std::min(ids_per_query, untyped.size() - at));
    Sql sql;
    sql.add("SELECT DISTINCT series_id FROM distributions WHERE");
    add_fact_window(sql, {work.select.start_ms, end_ms});
    add_series(sql, some);
    HS_TRY(reader_.each(sql, work.select.interrupt, [&](const db::ResultBlock& block, size_t row) -> Status {
      const auto one = index.find(column(block, "series_id").u64(row));
      if (one != index.end()) work.other[one->second] = 1;
      return {};
    }));
  }
  return {};
}

Status FloatReader::from_engine(Work& work, int64_t end_ms) const {
  HS_TRY(note_histograms(work, end_ms));
  std::unordered_map<uint64_t, size_t> index;
  std::vector<const Found*> wanted;
  for (size_t i = 0; i < work.found.size(); ++i) {
    if (work.other[i] != 0) continue;
    index.emplace(work.found[i].id, i);
    wanted.push_back(&work.found[i]);
  }
  for (size_t at = 0; at < wanted.size(); at += ids_per_query) {
    const auto some = std::span(wanted).subspan(at, std::min(ids_per_query, wanted.size() - at));
    Sql sql;
    sql.add(
        "SELECT series_id, toUnixTimestamp64Milli(ts) AS t,"
        " if(bitTest(flags, 0), reinterpretAsFloat64({stale:UInt64}), value) AS v FROM samples WHERE");
    sql.bind("stale", std::to_string(stale_bits));
    add_fact_window(sql, {work.select.start_ms, end_ms});
    sql.add(" AND ts_sent IN (0, -1)");  // a time that was clamped is not the sample's
    add_series(sql, some);
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
          const auto one = index.find(id);
          into = one == index.end() ? nullptr : &work.series[one->second].floats;
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
  for (size_t i = 0; i < work.found.size(); ++i)
    if (settle(work.series[i].floats) == Order::doubtful) work.other[i] = 1;
  return {};
}

Result<std::vector<Series>> FloatReader::read(const std::vector<Found>& found, const Select& select,
                                              std::vector<const Found*>& others) const {
  Work work{.found = found, .select = select};
  // The floor of the memory may rise while it is read: then the engine is asked after all.
  for (bool memory = recent_ != nullptr;; memory = false) {
    work.memory_from_ms = memory ? recent_->complete_from_ms() : INT64_MAX;
    work.series.assign(found.size(), {});
    work.other.assign(found.size(), 0);
    work.samples = 0;
    if (select.start_ms < work.memory_from_ms)
      HS_TRY(from_engine(work, std::min(select.end_ms, work.memory_from_ms - 1)));
    if (select.end_ms >= work.memory_from_ms) HS_TRY(from_memory(work));
    if (!memory || recent_->complete_from_ms() <= std::max(work.memory_from_ms, select.start_ms)) break;
  }
  std::vector<Series> out;
  out.reserve(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (work.other[i] != 0) {
      others.push_back(&found[i]);
    } else if (!work.series[i].floats.empty()) {
      work.series[i].labels = found[i].labels;
      work.series[i].temporality = found[i].temporality;
      out.push_back(std::move(work.series[i]));
    }
  }
  return out;
}

}  // namespace hs::promql::store
