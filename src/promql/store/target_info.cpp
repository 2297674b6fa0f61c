#include "promql/store/target_info.h"

#include <fmt/format.h>

#include "store/params.h"

namespace hs::promql::store {
namespace {

constexpr size_t series_per_resource = 4;  // whose points say that the resource was there

Labels labels_of(const db::ResultColumn& attrs, size_t row, const Naming& naming) {
  Labels labels;
  std::string name, space, instance;
  for (size_t i = attrs.begin(row); i < attrs.end(row); ++i) {
    const std::string_view key = attrs.keys().text(i), value = attrs.values().text(i);
    if (key == "service.name")
      name = value;
    else if (key == "service.namespace")
      space = value;
    else if (key == "service.instance.id")
      instance = value;
    else
      labels.set(label_name(naming, key), value);
  }
  if (labels.empty() || (name.empty() && instance.empty())) return {};
  labels.set("job", space.empty() || name.empty() ? name : fmt::format("{}/{}", space, name));
  labels.set("instance", instance);
  labels.set(metric_name_label, target_info_name);
  return labels;
}

}  // namespace

Result<std::vector<TargetInfo>> target_infos(const Reader& reader, const Naming& naming, const Window& window) {
  Sql sql;
  sql.add("SELECT resource_id, attrs FROM resources WHERE");
  add_dictionary_window(sql, window);
  sql.add(" AND resource_id IN (SELECT resource_id FROM series WHERE kind != 6 AND");
  Sql again;
  add_dictionary_window(again, window);
  sql.add(again.text).add(") LIMIT 1 BY resource_id");
  std::vector<TargetInfo> out;
  HS_TRY(reader.each(sql, {}, [&](const db::ResultBlock& block, size_t row) -> Status {
    Labels labels = labels_of(column(block, "attrs"), row, naming);
    if (!labels.empty()) out.push_back({column(block, "resource_id").u64(row), std::move(labels)});
    return {};
  }));
  return out;
}

Status read_target_info(const Reader& reader, const Naming& naming, const Select& select, Gathering& into) {
  const Window window{select.start_ms, select.end_ms};
  HS_ASSIGN(const std::vector<TargetInfo> infos, target_infos(reader, naming, window));
  std::unordered_map<uint64_t, uint32_t> by_resource, by_series;
  std::vector<uint64_t> resources, ids;
  for (const TargetInfo& info : infos) {
    if (!matches(select.matchers, info.labels)) continue;
    by_resource[info.resource_id] = into.series_of(info.labels, Temporality::cumulative);
    resources.push_back(info.resource_id);
  }
  if (resources.empty()) return {};
  Sql sql;
  sql.add("SELECT series_id, resource_id FROM series WHERE");
  add_dictionary_window(sql, window);
  sql.add(" AND kind != 6 AND resource_id IN {resources:Array(UInt64)} LIMIT {each:UInt64} BY resource_id");
  sql.bind("resources", db::param_list(resources)).bind("each", std::to_string(series_per_resource));
  HS_TRY(reader.each(sql, select.interrupt, [&](const db::ResultBlock& block, size_t row) -> Status {
    ids.push_back(column(block, "series_id").u64(row));
    by_series[ids.back()] = by_resource.at(column(block, "resource_id").u64(row));
    return {};
  }));
  const auto take = [&](const db::ResultBlock& block, size_t row) {
    const int64_t t_ms = column(block, "at").i64(row) / nanos_per_ms;
    return into.add(by_series.at(column(block, "series_id").u64(row)), {.t_ms = t_ms}, 1);
  };
  for (const std::string_view table : {"samples", "distributions"}) {
    Sql points;
    points.add("SELECT series_id, min(ts) AS at FROM ").add(table).add(" WHERE");
    add_fact_window(points, window);
    points.add(" AND series_id IN {ids:Array(UInt64)} GROUP BY series_id, toStartOfMinute(ts)");
    points.bind("ids", db::param_list(ids));
    HS_TRY(reader.each(points, select.interrupt, take));
  }
  return {};
}

}  // namespace hs::promql::store
