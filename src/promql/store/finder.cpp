#include "promql/store/finder.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "store/params.h"

namespace hs::promql::store {
namespace {

using model::MetricKind;

constexpr size_t regex_bytes_max = 2000;  // longer ones are not pushed down

// Resource attributes that are labels of every series; the rest is in target_info.
constexpr std::array<std::string_view, 4> promoted = {"service.name", "service.namespace",
                                                      "deployment.environment.name", "deployment.environment"};

using Texts = std::vector<std::pair<std::string, std::string>>;

Texts map_of(const db::ResultColumn& map, size_t row) {
  Texts out;
  for (size_t i = map.begin(row); i < map.end(row); ++i) out.emplace_back(map.keys().text(i), map.values().text(i));
  return out;
}

std::string_view value_in(const Texts& texts, std::string_view key) {
  const auto at = std::find_if(texts.begin(), texts.end(), [&](const auto& t) { return t.first == key; });
  return at == texts.end() ? std::string_view() : std::string_view(at->second);
}

// What matchers say of Prometheus' own series, in SQL. An absent label is '', in maps too.
void push_down(Sql& sql, std::span<const Matcher> matchers) {
  size_t n = 0;
  for (const Matcher& m : matchers) {
    if (m.value().size() > regex_bytes_max) continue;
    const bool regex = m.type() == MatchType::regex || m.type() == MatchType::not_regex;
    const bool negated = m.type() == MatchType::not_equal || m.type() == MatchType::not_regex;
    const std::string label =
        m.name() == metric_name_label ? std::string("metric") : fmt::format("attrs[{{k{}:String}}]", n);
    if (m.name() != metric_name_label) sql.bind(fmt::format("k{}", n), db::param_text(m.name()));
    if (regex)
      sql.add(fmt::format(" AND {}match({}, {{v{}:String}})", negated ? "NOT " : "", label, n));
    else
      sql.add(fmt::format(" AND {} {} {{v{}:String}}", label, negated ? "!=" : "=", n));
    sql.bind(fmt::format("v{}", n), db::param_text(regex ? "^(?s:" + m.value() + ")$" : m.value()));
    ++n;
  }
}

Status too_many(size_t series_max) {
  return fail(Code::resource_exhausted, fmt::format("the query selects more than {} series", series_max));
}

struct MetricWanted {
  const Descriptor* descriptor;
  uint8_t parts;
};

struct Key {
  std::string metric, unit;
  uint8_t kind = 0;
  bool monotonic = false;
  auto operator<=>(const Key&) const = default;
};

}  // namespace

bool has_parts(MetricKind kind) { return kind == MetricKind::histogram || kind == MetricKind::summary; }

std::string name_of_part(const std::string& name, Part part) {
  if (part == part_plain) return name;
  return name + (part == part_bucket ? "_bucket" : part == part_sum ? "_sum" : "_count");
}

std::vector<Part> parts_of(MetricKind kind) {
  if (kind == MetricKind::histogram) return {part_bucket, part_sum, part_count};
  if (kind == MetricKind::summary) return {part_plain, part_sum, part_count};
  return {part_plain};
}

Found own_series(const db::ResultBlock& rows, size_t row) {
  Found one;
  one.id = column(rows, "series_id").u64(row);
  one.name = column(rows, "metric").text(row);
  std::vector<Label> labels = {{std::string(metric_name_label), one.name}};
  const db::ResultColumn* attributes = rows.find("attrs");  // a block in which nobody has any lacks them
  for (size_t i = attributes ? attributes->begin(row) : 0; attributes && i < attributes->end(row); ++i)
    labels.push_back({std::string(attributes->keys().text(i)), std::string(attributes->values().text(i))});
  std::sort(labels.begin(), labels.end());
  one.labels = Labels::from(std::move(labels));
  return one;
}

uint8_t wanted_parts(std::span<const Matcher> matchers, MetricKind kind, const std::string& name) {
  uint8_t wanted = 0;
  for (const Part part : parts_of(kind))
    if (matches_name(matchers, name_of_part(name, part))) wanted |= part;
  return wanted;
}

bool matches(std::span<const Matcher> matchers, const Labels& labels, std::span<const std::string_view> except) {
  return std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& m) {
    return std::find(except.begin(), except.end(), m.name()) != except.end() || m.matches(labels.get(m.name()));
  });
}

bool matches_name(std::span<const Matcher> matchers, std::string_view name) {
  return std::all_of(matchers.begin(), matchers.end(),
                     [&](const Matcher& m) { return m.name() != metric_name_label || m.matches(name); });
}

struct Finder::Work {
  std::span<const Matcher> matchers;
  Window window;
  size_t series_max;
  const InterruptCheck& interrupt;
  std::map<Key, MetricWanted> wanted;  // OpenTelemetry's
  std::vector<Found> found;
  std::vector<Texts> attributes;  // of OpenTelemetry's series in `found`, in order
  std::unordered_map<uint64_t, Texts> resources;

  Status take(const db::ResultBlock& block, size_t row) {
    if (series_max > 0 && found.size() >= series_max) return too_many(series_max);
    Found one;
    one.id = column(block, "series_id").u64(row);
    one.kind = static_cast<MetricKind>(column(block, "kind").u64(row));
    if (one.kind == MetricKind::untyped) {
      one = own_series(block, row);
      if (!matches(matchers, one.labels)) return {};
      found.push_back(std::move(one));
      attributes.emplace_back();
      return {};
    }
    const Key key{std::string(column(block, "metric").text(row)), std::string(column(block, "unit").text(row)),
                  static_cast<uint8_t>(one.kind), column(block, "monotonic").u64(row) != 0};
    const auto at = wanted.find(key);
    if (at == wanted.end()) return {};
    one.temporality = column(block, "temporality").u64(row) == 1 ? Temporality::delta : Temporality::cumulative;
    one.resource_id = column(block, "resource_id").u64(row);
    one.parts = at->second.parts;
    one.name = at->second.descriptor->name;
    found.push_back(std::move(one));
    attributes.push_back(map_of(column(block, "attrs"), row));
    return {};
  }

  // Labels of an OpenTelemetry series: attributes of the point win over what the resource gives.
  void label(Found& one, const Texts& of_point, const Naming& naming) const {
    Labels labels;
    const auto resource = resources.find(one.resource_id);
    if (resource != resources.end()) add_resource(labels, resource->second, naming);
    for (const auto& [key, value] : of_point) labels.set(label_name(naming, key), value);
    one.labels = std::move(labels);
  }

  static void add_resource(Labels& labels, const Texts& resource, const Naming& naming) {
    for (const std::string_view key : promoted) labels.set(label_name(naming, key), value_in(resource, key));
    const std::string_view space = value_in(resource, "service.namespace"), name = value_in(resource, "service.name");
    labels.set("job", space.empty() || name.empty() ? std::string(name) : fmt::format("{}/{}", space, name));
    labels.set("instance", value_in(resource, "service.instance.id"));
  }
};

Result<std::vector<Descriptor>> Finder::descriptors(const Window& window, const InterruptCheck& interrupt) const {
  Sql sql;
  sql.add("SELECT metric, unit, any(description) AS description, kind, monotonic FROM series WHERE");
  add_dictionary_window(sql, window);
  sql.add(" AND kind != 6 GROUP BY metric, unit, kind, monotonic");
  std::vector<Descriptor> out;
  HS_TRY(reader_.each(sql, interrupt, [&](const db::ResultBlock& block, size_t row) -> Status {
    Descriptor d;
    d.metric = column(block, "metric").text(row);
    d.unit = column(block, "unit").text(row);
    d.description = column(block, "description").text(row);
    d.kind = static_cast<MetricKind>(column(block, "kind").u64(row));
    d.monotonic = column(block, "monotonic").u64(row) != 0;
    d.name = metric_name(naming_, d.metric, d.unit, d.kind, d.monotonic);
    out.push_back(std::move(d));
    return {};
  }));
  return out;
}

Result<std::set<std::string>> Finder::resource_labels(const Window& window) const {
  Sql sql;
  sql.add("SELECT DISTINCT arrayJoin(mapKeys(attrs)) AS key FROM resources WHERE");
  add_dictionary_window(sql, window);
  std::set<std::string> out;
  HS_TRY(reader_.each(sql, {}, [&](const db::ResultBlock& block, size_t row) -> Status {
    const std::string_view key = column(block, "key").text(row);
    if (key == "service.name") out.emplace("job");
    if (key == "service.instance.id") out.emplace("instance");
    if (std::find(promoted.begin(), promoted.end(), key) != promoted.end()) out.insert(label_name(naming_, key));
    return {};
  }));
  return out;
}

Status Finder::read_resources(Work& work) const {
  std::unordered_set<uint64_t> ids;
  for (const Found& one : work.found)
    if (one.kind != MetricKind::untyped) ids.insert(one.resource_id);
  if (ids.empty()) return {};
  const std::vector<uint64_t> list(ids.begin(), ids.end());
  Sql sql;
  sql.add("SELECT resource_id, attrs FROM resources WHERE");
  add_dictionary_window(sql, work.window);
  sql.add(" AND resource_id IN {ids:Array(UInt64)} LIMIT 1 BY resource_id").bind("ids", db::param_list(list));
  return reader_.each(sql, work.interrupt, [&](const db::ResultBlock& block, size_t row) -> Status {
    work.resources.emplace(column(block, "resource_id").u64(row), map_of(column(block, "attrs"), row));
    return {};
  });
}

Result<FoundSeries> Finder::find(std::span<const Matcher> matchers, const Window& window, size_t series_max,
                                 const InterruptCheck& interrupt) const {
  HS_ASSIGN(const std::vector<Descriptor> known, descriptors(window, interrupt));
  Work work{matchers, window, series_max, interrupt, {}, {}, {}, {}};
  std::set<std::string> metrics;
  for (const Descriptor& d : known) {
    const uint8_t parts = wanted_parts(matchers, d.kind, d.name);
    if (parts == 0) continue;
    work.wanted[{d.metric, d.unit, static_cast<uint8_t>(d.kind), d.monotonic}] = {&d, parts};
    metrics.insert(d.metric);
  }
  Sql sql;
  sql.add("SELECT series_id, metric, unit, kind, temporality, monotonic, resource_id, attrs FROM series WHERE");
  add_dictionary_window(sql, window);
  sql.add(" AND (kind = 6");
  push_down(sql, matchers);
  if (!metrics.empty()) {
    const std::vector<std::string> list(metrics.begin(), metrics.end());
    sql.add(" OR kind != 6 AND metric IN {metrics:Array(String)}").bind("metrics", db::param_list(list));
  }
  sql.add(") LIMIT 1 BY series_id");
  HS_TRY(reader_.each(sql, interrupt, [&](const db::ResultBlock& block, size_t row) { return work.take(block, row); }));
  HS_TRY(read_resources(work));
  constexpr std::array<std::string_view, 3> later = {metric_name_label, "le", "quantile"};
  FoundSeries out;
  out.plain = true;
  std::unordered_set<Labels, LabelsHash> distinct;
  for (size_t i = 0; i < work.found.size(); ++i) {
    Found& one = work.found[i];
    const bool is_final = one.kind == MetricKind::untyped, parts = has_parts(one.kind);
    if (!is_final) work.label(one, work.attributes[i], naming_);
    if (!is_final && !parts) one.labels.set(metric_name_label, one.name);
    const auto except = std::span(later).first(parts ? 3 : 1);
    if (!is_final && !matches(matchers, one.labels, except)) continue;
    out.plain = out.plain && !parts && distinct.insert(one.labels).second;
    out.all.push_back(std::move(one));
  }
  return out;
}

}  // namespace hs::promql::store
