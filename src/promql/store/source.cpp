#include "promql/store/source.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "promql/json.h"
#include "promql/store/floats.h"
#include "promql/store/points.h"
#include "promql/store/target_info.h"
#include "store/block.h"
#include "store/params.h"

namespace hs::promql::store {
namespace {

using model::MetricKind;

constexpr size_t exemplars_max = 100'000;  // of one answer

// The label sets that a series of the store stands for, but for `le` and `quantile`.
template <class Add>
void for_each_labels(const Found& one, std::span<const Matcher> matchers, Add add) {
  for (const Part part : parts_of(one.kind)) {
    if ((one.parts & part) == 0) continue;
    const bool bounded = part == part_bucket || (part == part_plain && one.kind == MetricKind::summary);
    if (bounded) continue;  // made of its points
    Labels labels = one.labels;
    labels.set(metric_name_label, name_of_part(one.name, part));
    if (matches(matchers, labels)) add(std::move(labels));
  }
}

bool is_bounded(const Found& one) {
  if (one.kind == MetricKind::histogram) return (one.parts & part_bucket) != 0;
  return one.kind == MetricKind::summary && (one.parts & part_plain) != 0;
}

// Those with `le` or `quantile`: bounds are in the points alone.
template <class Add>
Status for_each_bounded(const Reader& reader, const std::vector<Found>& found, std::span<const Matcher> matchers,
                        const Window& window, Add add) {
  std::unordered_map<uint64_t, const Found*> by_id;
  std::vector<uint64_t> ids;
  for (const Found& one : found) {
    if (!is_bounded(one)) continue;
    by_id[one.id] = &one;
    ids.push_back(one.id);
  }
  if (ids.empty()) return {};
  Sql sql;
  sql.add("SELECT DISTINCT series_id, bounds FROM distributions WHERE");
  add_fact_window(sql, window);
  sql.add(" AND series_id IN {ids:Array(UInt64)}").bind("ids", db::param_list(ids));
  return reader.each(sql, {}, [&](const db::ResultBlock& block, size_t row) -> Status {
    const Found& one = *by_id.at(column(block, "series_id").u64(row));
    const bool classic = one.kind == MetricKind::histogram;
    const db::ResultColumn& bounds = column(block, "bounds");
    const size_t n = bounds.end(row) - bounds.begin(row);
    for (size_t i = 0; i < n + (classic ? 1 : 0); ++i) {
      Labels labels = one.labels;
      labels.set(metric_name_label, name_of_part(one.name, classic ? part_bucket : part_plain));
      const double bound = i < n ? bounds.items().f64(bounds.begin(row) + i) : HUGE_VAL;
      labels.set(classic ? "le" : "quantile", format_float(bound));
      if (matches(matchers, labels)) add(std::move(labels));
    }
    return {};
  });
}

std::string_view type_of(const Descriptor& d) {
  switch (d.kind) {
    case MetricKind::gauge:
      return "gauge";
    case MetricKind::sum:
      return d.monotonic ? "counter" : "gauge";
    case MetricKind::histogram:
    case MetricKind::exponential_histogram:
      return "histogram";
    case MetricKind::summary:
      return "summary";
    case MetricKind::untyped:
      break;
  }
  return "unknown";
}

}  // namespace

StoreSource::StoreSource(db::Client& client, SourceOptions options)
    : options_(std::move(options)),
      reader_{client, db::param_text(options_.tenant), options_.cancel, options_.timeout_ms},
      finder_(reader_, options_.naming) {}

Result<SeriesCache::Entry> StoreSource::find(std::span<const Matcher> matchers, const Window& window, size_t series_max,
                                             const InterruptCheck& interrupt) const {
  constexpr int64_t partition_ms = db::partition_s * 1000;
  const auto partition = [](int64_t ms) {
    const int64_t index = std::clamp<int64_t>(ms, 0, INT64_MAX / nanos_per_ms) / partition_ms;
    return index * db::partition_s * nanos_per_s;
  };
  const SeriesCache::Question question{options_.tenant, options_.naming, partition(window.start_ms),
                                       partition(window.end_ms), matchers};
  if (options_.cache != nullptr) {
    const SeriesCache::Entry known = options_.cache->find(question);
    if (known && (series_max == 0 || known->all.size() <= series_max)) return known;
  }
  const uint64_t version = options_.cache != nullptr ? options_.cache->version() : 0;
  HS_ASSIGN(FoundSeries found, finder_.find(matchers, window, series_max, interrupt));
  const auto entry = std::make_shared<const FoundSeries>(std::move(found));
  if (options_.cache != nullptr) options_.cache->put(question, version, entry);
  return entry;
}

Result<Selection> StoreSource::select(const Select& select) const {
  const Window window{select.start_ms, select.end_ms};
  Selection out;
  if (window.end_ms < window.start_ms || window.end_ms < 0) return out;
  HS_ASSIGN(const SeriesCache::Entry entry, find(select.matchers, window, select.max_series, select.interrupt));
  const std::vector<Found>& found = entry->all;
  std::vector<const Found*> others;
  if (entry->plain && !select.starts) {  // columns of numbers, and the memory, have no starts
    HS_ASSIGN(out.series, FloatReader(reader_, options_.recent, options_.packed).read(found, select, others));
  } else {
    for (const Found& one : found) others.push_back(&one);
  }
  const bool infos = matches_name(select.matchers, target_info_name);
  if (others.empty() && !infos) return out;
  size_t samples = 0;
  for (const Series& series : out.series) {
    samples += series.floats.size();
    for (const HistogramPoint& point : series.histograms) samples += samples_of(*point.h);
  }
  Gathering gathering(select, samples);
  PointReader points(reader_, select.matchers, select.interrupt, select.starts);
  HS_TRY(points.read(others, window, gathering));
  if (infos) HS_TRY(read_target_info(reader_, options_.naming, select, gathering));
  for (Series& series : gathering.take()) out.series.push_back(std::move(series));
  return out;
}

Result<std::set<Labels>> StoreSource::series(std::span<const std::vector<Matcher>> sets, const Window& window,
                                             size_t series_max) const {
  std::set<Labels> out;
  const auto add = [&](Labels labels) { out.insert(std::move(labels)); };
  for (const std::vector<Matcher>& matchers : sets) {
    HS_ASSIGN(const SeriesCache::Entry entry, find(matchers, window, series_max, {}));
    const std::vector<Found>& found = entry->all;
    for (const Found& one : found) for_each_labels(one, matchers, add);
    HS_TRY(for_each_bounded(reader_, found, matchers, window, add));
    if (!matches_name(matchers, target_info_name)) continue;
    HS_ASSIGN(const auto infos, target_infos(reader_, options_.naming, window));
    for (const TargetInfo& info : infos)
      if (matches(matchers, info.labels)) out.insert(info.labels);
  }
  return out;
}

// Names of metrics without looking at series: what pickers ask for all the time.
Result<std::set<std::string>> StoreSource::all_names(const Window& window) const {
  std::set<std::string> out;
  HS_ASSIGN(const std::vector<Descriptor> known, finder_.descriptors(window, {}));
  for (const Descriptor& d : known)
    for (const Part part : parts_of(d.kind)) out.insert(name_of_part(d.name, part));
  Sql sql;
  sql.add("SELECT DISTINCT metric FROM series WHERE");
  add_dictionary_window(sql, window);
  sql.add(" AND kind = 6");
  HS_TRY(reader_.each(sql, {}, [&](const db::ResultBlock& block, size_t row) -> Status {
    out.emplace(column(block, "metric").text(row));
    return {};
  }));
  if (!known.empty()) out.emplace(target_info_name);
  return out;
}

Result<std::set<std::string>> StoreSource::label_names(std::span<const std::vector<Matcher>> sets, const Window& window,
                                                       size_t series_max) const {
  std::set<std::string> out;
  if (!sets.empty()) {
    HS_ASSIGN(const std::set<Labels> all, series(sets, window, series_max));
    for (const Labels& labels : all)
      for (const Label& label : labels) out.insert(label.name);
    return out;
  }
  // Without a selector: keys, not series. OpenTelemetry's are few enough to be translated one by one.
  Sql sql;
  sql.add("SELECT DISTINCT kind = 6 AS final, arrayJoin(mapKeys(attrs)) AS key FROM series WHERE");
  add_dictionary_window(sql, window);
  HS_TRY(reader_.each(sql, {}, [&](const db::ResultBlock& block, size_t row) -> Status {
    const std::string_view key = column(block, "key").text(row);
    out.insert(column(block, "final").u64(row) != 0 ? std::string(key) : label_name(options_.naming, key));
    return {};
  }));
  HS_ASSIGN(const std::vector<Descriptor> known, finder_.descriptors(window, {}));
  for (const Descriptor& d : known) {
    if (d.kind == MetricKind::histogram) out.emplace("le");
    if (d.kind == MetricKind::summary) out.emplace("quantile");
  }
  if (!known.empty()) {
    HS_ASSIGN(std::set<std::string> of_resources, finder_.resource_labels(window));
    out.merge(of_resources);
    HS_ASSIGN(const auto infos, target_infos(reader_, options_.naming, window));
    for (const TargetInfo& info : infos)
      for (const Label& label : info.labels) out.insert(label.name);
  }
  HS_ASSIGN(const std::set<std::string> names, all_names(window));
  if (!names.empty()) out.emplace(metric_name_label);
  return out;
}

Result<std::set<std::string>> StoreSource::label_values(const std::string& name,
                                                        std::span<const std::vector<Matcher>> sets,
                                                        const Window& window, size_t series_max) const {
  if (sets.empty() && name == metric_name_label) return all_names(window);
  std::vector<std::vector<Matcher>> all(sets.begin(), sets.end());
  if (all.empty()) {
    HS_ASSIGN(Matcher any, Matcher::make(MatchType::not_equal, name, ""));
    all.push_back({std::move(any)});
  }
  HS_ASSIGN(const std::set<Labels> found, series(all, window, series_max));
  std::set<std::string> out;
  for (const Labels& labels : found)
    if (const std::string_view value = labels.get(name); !value.empty()) out.emplace(value);
  return out;
}

Result<std::map<std::string, std::set<FamilyInfo>>> StoreSource::metadata(const Window& window) const {
  std::map<std::string, std::set<FamilyInfo>> out;
  HS_ASSIGN(const std::vector<Descriptor> known, finder_.descriptors(window, {}));
  for (const Descriptor& d : known) out[d.name].insert({std::string(type_of(d)), d.description, d.unit});
  Sql sql;
  sql.add("SELECT DISTINCT name, type, help, unit FROM metric_families WHERE");
  add_dictionary_window(sql, window);
  HS_TRY(reader_.each(sql, {}, [&](const db::ResultBlock& block, size_t row) -> Status {
    const auto text = [&](std::string_view of) { return std::string(column(block, of).text(row)); };
    out[text("name")].insert({text("type"), text("help"), text("unit")});
    return {};
  }));
  return out;
}

Result<std::vector<ExemplarsOf>> StoreSource::exemplars(std::span<const std::vector<Matcher>> sets,
                                                        const Window& window) const {
  std::map<Labels, ExemplarsOf> by_series;
  std::unordered_map<uint64_t, std::pair<Labels, bool>> series_of;  // and whether its names are final
  for (const std::vector<Matcher>& matchers : sets) {
    HS_ASSIGN(const SeriesCache::Entry entry, find(matchers, window, 0, {}));
    const std::vector<Found>& found = entry->all;
    for (const Found& one : found) {
      Labels labels = one.labels;
      const Part part = one.kind == MetricKind::histogram ? part_bucket : part_plain;
      labels.set(metric_name_label, name_of_part(one.name, part));
      series_of[one.id] = {std::move(labels), one.kind == MetricKind::untyped};
    }
  }
  std::vector<uint64_t> ids;
  for (const auto& [id, labels] : series_of) ids.push_back(id);
  if (ids.empty()) return std::vector<ExemplarsOf>();
  Sql sql;
  sql.add("SELECT series_id, ts, value, trace_id, span_id, attrs FROM exemplars WHERE");
  add_fact_window(sql, window);
  sql.add(" AND series_id IN {ids:Array(UInt64)} ORDER BY series_id, ts LIMIT {limit:UInt64}");
  sql.bind("ids", db::param_list(ids)).bind("limit", std::to_string(exemplars_max));
  HS_TRY(reader_.each(sql, {}, [&](const db::ResultBlock& block, size_t row) -> Status {
    const auto& [labels, final_names] = series_of.at(column(block, "series_id").u64(row));
    ExemplarsOf::One one;
    one.value = column(block, "value").f64(row);
    one.t_ms = column(block, "ts").i64(row) / nanos_per_ms;
    const db::ResultColumn& attrs = column(block, "attrs");
    for (size_t i = attrs.begin(row); i < attrs.end(row); ++i) {
      const std::string_view key = attrs.keys().text(i);
      one.labels.set(final_names ? std::string(key) : label_name(options_.naming, key), attrs.values().text(i));
    }
    const std::string_view trace = column(block, "trace_id").text(row);
    if (!final_names && trace.find_first_not_of('\0') != trace.npos) {
      model::TraceId id{};
      std::copy(trace.begin(), trace.end(), id.begin());
      one.labels.set("trace_id", model::to_hex(id));
      one.labels.set("span_id", model::span_id_to_hex(column(block, "span_id").u64(row)));
    }
    ExemplarsOf& of = by_series[labels];
    of.series = labels;
    of.exemplars.push_back(std::move(one));
    return {};
  }));
  std::vector<ExemplarsOf> out;
  for (auto& [labels, of] : by_series) out.push_back(std::move(of));
  return out;
}

}  // namespace hs::promql::store
