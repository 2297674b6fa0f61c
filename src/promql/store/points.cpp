#include "promql/store/points.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "base/assert.h"
#include "promql/json.h"
#include "store/params.h"

namespace hs::promql::store {
namespace {

constexpr size_t ids_per_query = 20'000;  // longer lists cost the engine's parser more than a second query does

// A fixed column of 8 bytes without a test at each row: a query reads millions.
class Fixed64 {
 public:
  Fixed64(const db::ResultBlock& block, std::string_view name) : bytes_(column(block, name).bytes.data()) {
    HS_ASSERT(column(block, name).width == 8, name);
  }
  template <class T>
  T get(size_t row) const {
    T value{};
    std::memcpy(&value, bytes_ + row * 8, 8);
    return value;
  }

 private:
  const char* bytes_;
};

int64_t ms_of(int64_t ns) { return ns >= 0 ? ns / nanos_per_ms : -((nanos_per_ms - 1 - ns) / nanos_per_ms); }

template <class Rows>
void sort_by_time(Rows& rows) {
  const auto earlier = [](const auto& a, const auto& b) { return a.t_ms != b.t_ms ? a.t_ms < b.t_ms : a.cut < b.cut; };
  if (!std::is_sorted(rows.begin(), rows.end(), earlier)) std::sort(rows.begin(), rows.end(), earlier);
  // Of equal instants the last one stays.
  size_t kept = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (kept > 0 && rows[kept - 1].t_ms == rows[i].t_ms) --kept;
    if (kept != i) rows[kept] = std::move(rows[i]);
    ++kept;
  }
  rows.resize(kept);
}

Sql points_sql(std::string_view columns, const Window& window, std::span<const uint64_t> ids) {
  Sql sql;
  sql.add(columns).add(" WHERE");
  add_fact_window(sql, window);
  // A time that was clamped is not the sample's.
  sql.add(" AND ts_sent IN (0, -1) AND series_id IN {ids:Array(UInt64)}").bind("ids", db::param_list(ids));
  return sql;
}

}  // namespace

size_t samples_of(const Histogram& h) {
  return 6 + (h.positive.size() + h.negative.size() + h.positive_spans.size() + h.negative_spans.size()) / 2;
}

Status bounded(const Select& select, size_t samples) {
  if (select.max_samples != 0 && samples > select.max_samples)
    return fail(Code::resource_exhausted,
                "query processing would load too many samples into memory in query execution");
  if (select.lease != nullptr && !select.lease->reach(select.held + samples))
    return fail(Code::unavailable, std::string(no_room_text));
  return {};
}

uint32_t Gathering::series_of(Labels labels, Temporality temporality) {
  const auto [at, added] = by_labels_.try_emplace(std::move(labels), static_cast<uint32_t>(collected_.size()));
  if (added) collected_.push_back({.temporality = temporality});
  return at->second;
}

Status Gathering::count(size_t samples) {
  samples_ += samples;
  return bounded(select_, samples_);
}

Status Gathering::add(uint32_t series, const At& at, double v) {
  Collected& collected = collected_[series];
  collected.floats.push_back({at, v});
  collected.starts |= at.start_ms != 0;
  return count(1);
}

Status Gathering::add(uint32_t series, const At& at, std::shared_ptr<Histogram> h) {
  const size_t samples = samples_of(*h);
  Collected& collected = collected_[series];
  collected.histograms.push_back({at, std::move(h)});
  collected.starts |= at.start_ms != 0;
  return count(samples);
}

Series Gathering::finished(const Labels& labels, Collected& collected) {
  sort_by_time(collected.floats);
  sort_by_time(collected.histograms);
  Series out;
  out.labels = labels;
  out.temporality = collected.temporality;
  out.floats.reserve(collected.floats.size());
  size_t next = 0;  // histogram; it wins over a float of its instant
  for (const Row& row : collected.floats) {
    while (next < collected.histograms.size() && collected.histograms[next].t_ms < row.t_ms) ++next;
    if (next < collected.histograms.size() && collected.histograms[next].t_ms == row.t_ms) continue;
    out.floats.push_back({row.t_ms, row.v});
    if (collected.starts) out.float_starts_ms.push_back(row.start_ms);
  }
  for (HistogramRow& row : collected.histograms) {
    out.histograms.push_back({row.t_ms, std::move(row.h)});
    if (collected.starts) out.histogram_starts_ms.push_back(row.start_ms);
  }
  collected = {};
  return out;
}

std::vector<Series> Gathering::take() {
  std::vector<Series> out;
  for (const auto& [labels, index] : by_labels_) {
    Collected& collected = collected_[index];
    if (!collected.floats.empty() || !collected.histograms.empty()) out.push_back(finished(labels, collected));
  }
  return out;
}

PointReader::Target PointReader::make_target(const Found& one, Gathering& into) const {
  Target target;
  target.found = &one;
  const auto series = [&](Part part) -> int64_t {
    Labels labels = one.labels;
    labels.set(metric_name_label, name_of_part(one.name, part));
    return into.series_of(std::move(labels), one.temporality);
  };
  if (!has_parts(one.kind)) {
    target.plain = series(part_plain);
    return target;
  }
  // Matchers on `le` may hold for a series without it.
  const std::array<std::string_view, 1> name = {metric_name_label};
  if (!matches(matchers_, one.labels, name)) return target;
  for (const Part part : {part_sum, part_count})
    if ((one.parts & part) != 0) target.parts[part] = series(part);
  return target;
}

int64_t PointReader::bound_of(Target& target, double bound, Gathering& into) const {
  const auto [at, added] = target.by_bound.try_emplace(bound, -1);
  if (!added) return at->second;
  const Found& one = *target.found;
  const bool classic = one.kind == model::MetricKind::histogram;
  Labels labels = one.labels;
  labels.set(metric_name_label, name_of_part(one.name, classic ? part_bucket : part_plain));
  labels.set(classic ? "le" : "quantile", format_float(bound));
  if (matches(matchers_, labels)) at->second = into.series_of(std::move(labels), one.temporality);
  return at->second;
}

Gathering::At PointReader::at_of(const db::ResultBlock& block, size_t row) const {
  return {.t_ms = ms_of(column(block, "ts").i64(row)),
          .cut = column(block, "cut").u64(row),
          .start_ms = starts_ ? ms_of(column(block, "start_ts").i64(row)) : 0};
}

Status PointReader::read(std::span<const Found* const> found, const Window& window, Gathering& into) {
  std::vector<uint64_t> numbers, distributions;
  for (const Found* one : found) {
    targets_.emplace(one->id, make_target(*one, into));
    const bool either = one->kind == model::MetricKind::untyped;
    if (either || one->kind <= model::MetricKind::sum) numbers.push_back(one->id);
    if (either || one->kind > model::MetricKind::sum) distributions.push_back(one->id);
  }
  const std::string_view also = starts_ ? ", start_ts" : "";
  for (auto* ids : {&numbers, &distributions}) {
    std::sort(ids->begin(), ids->end());
    for (size_t at = 0; at < ids->size(); at += ids_per_query) {
      const auto some = std::span(*ids).subspan(at, std::min(ids_per_query, ids->size() - at));
      if (ids == &numbers)
        HS_TRY(read_samples(
            points_sql(fmt::format("SELECT series_id, ts, flags, value, cut{} FROM samples", also), window, some),
            into));
      else
        HS_TRY(read_distributions(
            points_sql(
                fmt::format(
                    "SELECT series_id, ts, flags, kind, cut, has, counts, quantile_values, {}{} FROM distributions",
                    native_columns, also),
                window, some),
            into));
    }
  }
  return {};
}

Status PointReader::read_samples(const Sql& sql, Gathering& into) {
  return reader_.each_block(sql, interrupt_, [&](const db::ResultBlock& block) -> Status {
    const Fixed64 ids(block, "series_id"), times(block, "ts"), values(block, "value"), cuts(block, "cut");
    const std::optional<Fixed64> starts = starts_ ? std::optional<Fixed64>(Fixed64(block, "start_ts")) : std::nullopt;
    const db::ResultColumn& flags = column(block, "flags");
    uint64_t last = 0;
    int64_t series = -1;
    for (size_t row = 0; row < block.rows; ++row) {
      const auto id = ids.get<uint64_t>(row);
      if (id != last || series < 0) {
        const auto at = targets_.find(id);
        if (at == targets_.end() || at->second.plain < 0) continue;
        last = id;
        series = at->second.plain;
      }
      const bool none = (flags.u64(row) & model::Points::no_recorded_value) != 0;
      const double value = none ? stale_marker() : values.get<double>(row);
      const Gathering::At at{ms_of(times.get<int64_t>(row)), cuts.get<uint64_t>(row),
                             starts ? ms_of(starts->get<int64_t>(row)) : 0};
      HS_TRY(into.add(static_cast<uint32_t>(series), at, value));
    }
    return {};
  });
}

Status PointReader::read_distributions(const Sql& sql, Gathering& into) {
  return reader_.each_block(sql, interrupt_, [&](const db::ResultBlock& block) -> Status {
    const NativeColumns natives(block);
    for (size_t row = 0; row < block.rows; ++row) HS_TRY(take_distribution(block, natives, row, into));
    return {};
  });
}

Status PointReader::take_distribution(const db::ResultBlock& block, const NativeColumns& natives, size_t row,
                                      Gathering& into) {
  const auto known = targets_.find(column(block, "series_id").u64(row));
  if (known == targets_.end()) return {};
  Target& target = known->second;
  const Gathering::At at = at_of(block, row);
  if ((column(block, "flags").u64(row) & model::Points::no_recorded_value) != 0) return take_stale(target, at, into);
  const uint64_t kind = column(block, "kind").u64(row);
  if (kind == 3) return take_classic(target, block, row, into);
  if (kind == 5) return take_summary(target, block, row, into);
  if (target.plain < 0) return {};
  std::shared_ptr<Histogram> h = natives.histogram(row, target.found->kind == model::MetricKind::untyped);
  return h ? into.add(static_cast<uint32_t>(target.plain), at, std::move(h)) : Status{};
}

Status PointReader::take_totals(Target& target, const db::ResultBlock& block, size_t row, Gathering& into) {
  const Gathering::At at = at_of(block, row);
  for (const auto& [part, series] : target.parts) {
    if (part == part_sum && (column(block, "has").u64(row) & 1) == 0) continue;
    const double value =
        part == part_sum ? column(block, "sum").f64(row) : static_cast<double>(column(block, "count").u64(row));
    HS_TRY(into.add(static_cast<uint32_t>(series), at, value));
  }
  return {};
}

Status PointReader::take_classic(Target& target, const db::ResultBlock& block, size_t row, Gathering& into) {
  HS_TRY(take_totals(target, block, row, into));
  if ((target.found->parts & part_bucket) == 0) return {};
  const Gathering::At at = at_of(block, row);
  const db::ResultColumn& bounds = column(block, "bounds");
  const db::ResultColumn& counts = column(block, "counts");
  const size_t n = bounds.end(row) - bounds.begin(row);
  uint64_t below = 0;
  for (size_t i = 0; i <= n; ++i) {
    const double bound = i < n ? bounds.items().f64(bounds.begin(row) + i) : HUGE_VAL;
    const bool counted = counts.begin(row) + i < counts.end(row);
    below = i < n && counted ? below + counts.items().u64(counts.begin(row) + i) : below;
    const uint64_t value = i < n ? below : column(block, "count").u64(row);
    const int64_t series = bound_of(target, bound, into);
    if (series >= 0) HS_TRY(into.add(static_cast<uint32_t>(series), at, static_cast<double>(value)));
  }
  return {};
}

Status PointReader::take_summary(Target& target, const db::ResultBlock& block, size_t row, Gathering& into) {
  HS_TRY(take_totals(target, block, row, into));
  if ((target.found->parts & part_plain) == 0) return {};
  const Gathering::At at = at_of(block, row);
  const db::ResultColumn& quantiles = column(block, "bounds");
  const db::ResultColumn& values = column(block, "quantile_values");
  for (size_t i = 0; quantiles.begin(row) + i < quantiles.end(row); ++i) {
    if (values.begin(row) + i >= values.end(row)) break;
    const int64_t series = bound_of(target, quantiles.items().f64(quantiles.begin(row) + i), into);
    const double value = values.items().f64(values.begin(row) + i);
    if (series >= 0) HS_TRY(into.add(static_cast<uint32_t>(series), at, value));
  }
  return {};
}

// Of a histogram's buckets those are known that other points of the window have.
Status PointReader::take_stale(Target& target, const Gathering::At& at, Gathering& into) const {
  if (target.plain >= 0) HS_TRY(into.add(static_cast<uint32_t>(target.plain), at, stale_marker()));
  for (const auto& [part, series] : target.parts) HS_TRY(into.add(static_cast<uint32_t>(series), at, stale_marker()));
  for (const auto& [bound, series] : target.by_bound)
    if (series >= 0) HS_TRY(into.add(static_cast<uint32_t>(series), at, stale_marker()));
  return {};
}

}  // namespace hs::promql::store
