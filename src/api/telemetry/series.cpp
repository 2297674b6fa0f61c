#include <array>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "api/telemetry/reader.h"
#include "store/block.h"

namespace hs::api::telemetry {
namespace {

constexpr uint64_t series_default = 20, series_max = 200, points_default = 1000, points_max = 10'000;
constexpr uint64_t all_points_max = 200'000, exemplars_max = 100, names_default = 100, names_max = 1000;
constexpr std::array<std::string_view, 7> kinds = {"unknown", "gauge",  "sum", "histogram", "exponential_histogram",
                                                   "summary", "untyped"};
constexpr std::array<std::string_view, 3> temporalities = {"unspecified", "delta", "cumulative"};

template <size_t n>
std::string_view name_at(const std::array<std::string_view, n>& names, uint64_t at) {
  return names[at < n ? at : 0];
}

// Dictionaries are told once a partition, at its first instant.
UnixNanos partition_of(UnixNanos time) {
  constexpr int64_t width = store::partition_s * nanos_per_s;
  return time - time % width;
}

struct Question {
  std::string name, service;
  Window window;
  uint64_t limit = 0, points = 0, after = 0;
  Matches labels, resource;
};

Result<Question> read_question(const Params& params, UnixNanos now) {
  Question q;
  q.name = params.text("name");
  q.service = params.text("service");
  if (q.name.empty()) return fail(Code::invalid_argument, "parameter 'name' is required: a metric's name");
  HS_ASSIGN(q.window, read_window(params, now));
  HS_ASSIGN(q.limit, params.number("limit", series_default, 1, series_max));
  HS_ASSIGN(q.points, params.number("points", points_default, 0, points_max));
  HS_ASSIGN(q.after, params.number("cursor", 0, 0, UINT64_MAX));
  if (q.limit * q.points > all_points_max)
    return fail(Code::invalid_argument,
                fmt::format("parameters 'limit' times 'points' must not be more than {}", all_points_max));
  q.labels = params.matches("label.");
  q.resource = params.matches("resource.");
  return q;
}

// Conditions on points: one tenant, the window, these series.
Select points_of(Literal columns, const Question& q, std::span<const uint64_t> ids) {
  Select select;
  select.add(columns).add(" WHERE").within(q.window.start, q.window.end);
  select.add(" AND series_id IN {ids:Array(UInt64)} ORDER BY series_id, ts DESC LIMIT {points:UInt64} BY series_id");
  select.bind("ids", ids).bind("points", q.points);
  return select;
}

// What the store made of an exact integer: its double, and what that lacks.
int64_t exact_integer(double value, int64_t rest) {
  constexpr double beyond = 9223372036854775808.0;  // 2^63, which INT64_MAX is rounded to
  if (value == beyond) return std::numeric_limits<int64_t>::max() + (rest + 1);
  return value >= -beyond && value < beyond ? static_cast<int64_t>(value) + rest : 0;
}

void write_number(JsonText& out, const store::ResultBlock& block, size_t row) {
  const double value = column(block, "value").f64(row);
  const bool is_int = column(block, "is_int").u64(row) != 0;
  out.key("type").text(is_int ? "int" : "double").key("value");
  if (is_int)
    out.integer(exact_integer(value, column(block, "int_rest").i64(row)));
  else
    out.real(value);
}

void write_times(JsonText& out, const store::ResultBlock& block, size_t row) {
  out.key("time_unix_nano").digits(time_sent(column(block, "ts").i64(row), column(block, "ts_sent").i64(row)));
  out.key("start_time_unix_nano").digits(column(block, "start_ts").i64(row));
  out.key("flags").count(column(block, "flags").u64(row));
}

template <class Write>
void write_array(JsonText& out, std::string_view key, const store::ResultColumn& array, size_t row, Write write) {
  out.key(key).open('[');
  for (size_t i = array.begin(row); i < array.end(row); ++i) write(array.items(), i);
  out.close(']');
}

void write_reals(JsonText& out, std::string_view key, const store::ResultBlock& block, std::string_view name,
                 size_t row) {
  write_array(out, key, column(block, name), row, [&](const auto& items, size_t i) { out.real(items.f64(i)); });
}

void write_counts(JsonText& out, std::string_view key, const store::ResultBlock& block, std::string_view name,
                  size_t row) {
  write_array(out, key, column(block, name), row, [&](const auto& items, size_t i) { out.count(items.u64(i)); });
}

struct BucketColumns {
  std::string_view offset, counts, float_counts;
};

void write_buckets(JsonText& out, std::string_view key, const store::ResultBlock& block, const BucketColumns& columns,
                   size_t row) {
  out.key(key).open('{').key("offset").integer(column(block, columns.offset).i64(row));
  if (column(block, "is_float").u64(row) != 0)
    write_reals(out, "counts", block, columns.float_counts, row);
  else
    write_counts(out, "counts", block, columns.counts, row);
  out.close('}');
}

// Prometheus' native histograms may have float counts, and custom buckets (scale -53).
void write_exponential(JsonText& out, const store::ResultBlock& block, size_t row) {
  const bool is_float = column(block, "is_float").u64(row) != 0;
  out.key("scale").integer(column(block, "scale").i64(row)).key("zero_count");
  if (is_float)
    out.real(column(block, "float_zero_count").f64(row));
  else
    out.count(column(block, "zero_count").u64(row));
  out.key("zero_threshold").real(column(block, "zero_threshold").f64(row));
  if (column(block, "scale").i64(row) == model::custom_buckets_scale) write_reals(out, "bounds", block, "bounds", row);
  write_buckets(out, "positive", block, {"positive_offset", "positive_counts", "positive_float_counts"}, row);
  write_buckets(out, "negative", block, {"negative_offset", "negative_counts", "negative_float_counts"}, row);
}

void write_distribution(JsonText& out, const store::ResultBlock& block, size_t row) {
  const uint64_t has = column(block, "has").u64(row), kind = column(block, "kind").u64(row);
  out.key("count");
  if (column(block, "is_float").u64(row) != 0)
    out.real(column(block, "float_count").f64(row));
  else
    out.count(column(block, "count").u64(row));
  if (has & 1) out.key("sum").real(column(block, "sum").f64(row));
  if (has & 2) out.key("min").real(column(block, "min").f64(row));
  if (has & 4) out.key("max").real(column(block, "max").f64(row));
  if (kind == 3) {
    write_reals(out, "bounds", block, "bounds", row);
    write_counts(out, "counts", block, "counts", row);
  } else if (kind == 5) {
    write_reals(out, "quantiles", block, "bounds", row);
    write_reals(out, "values", block, "quantile_values", row);
  } else {
    write_exponential(out, block, row);
  }
}

// The parts of an answer by series: "points" and "exemplars", as text.
struct Parts {
  std::map<uint64_t, JsonText> points, exemplars;
};

template <class Write>
Status collect_into(std::map<uint64_t, JsonText>& by_series, const Reader& reader, const http::Request& request,
                    const Select& select, size_t rows_max, Write write) {
  HS_ASSIGN(const Blocks blocks, reader.run(select, request, rows_max));
  for (const store::ResultBlock& block : blocks)
    for (size_t row = 0; row < block.rows; ++row) {
      JsonText& out = by_series[column(block, "series_id").u64(row)];
      out.open('{');
      write(out, block, row);
      out.close('}');
    }
  return {};
}

Status read_points(Parts& parts, const Reader& reader, const http::Request& request, const Question& q,
                   std::span<const uint64_t> ids) {
  if (q.points == 0 || ids.empty()) return {};
  const Select numbers =
      points_of("SELECT series_id, ts, ts_sent, start_ts, flags, value, is_int, int_rest FROM samples", q, ids);
  HS_TRY(collect_into(parts.points, reader, request, numbers, all_points_max,
                      [](JsonText& out, const store::ResultBlock& block, size_t row) {
                        write_times(out, block, row);
                        write_number(out, block, row);
                      }));
  const Select distributions = points_of(
      "SELECT series_id, ts, ts_sent, start_ts, flags, kind, count, sum, min, max, has, bounds, counts, "
      "quantile_values,"
      " scale, zero_count, zero_threshold, positive_offset, positive_counts, negative_offset, negative_counts,"
      " is_float, float_count, float_zero_count, positive_float_counts, negative_float_counts"
      " FROM distributions",
      q, ids);
  return collect_into(parts.points, reader, request, distributions, all_points_max,
                      [](JsonText& out, const store::ResultBlock& block, size_t row) {
                        write_times(out, block, row);
                        write_distribution(out, block, row);
                      });
}

Status read_exemplars(Parts& parts, const Reader& reader, const http::Request& request, Question q,
                      std::span<const uint64_t> ids) {
  if (q.points == 0 || ids.empty()) return {};
  q.points = exemplars_max;
  const Select select = points_of(
      "SELECT series_id, ts, ts_sent, value, is_int, trace_id, span_id, int_rest, attrs, attr_types FROM exemplars", q,
      ids);
  return collect_into(parts.exemplars, reader, request, select, series_max * exemplars_max,
                      [](JsonText& out, const store::ResultBlock& block, size_t row) {
                        const std::string_view trace_id = column(block, "trace_id").text(row);
                        const bool traced = trace_id.find_first_not_of('\0') != trace_id.npos;
                        const int64_t sent = column(block, "ts_sent").i64(row);
                        out.key("time_unix_nano").digits(time_sent(column(block, "ts").i64(row), sent));
                        write_number(out, block, row);
                        out.key("trace_id");
                        traced ? out.hex_bytes(trace_id) : out.text("");
                        out.key("span_id");
                        traced ? out.hex(column(block, "span_id").u64(row)) : out.text("");
                        out.key("attributes");
                        write_attributes(out, column(block, "attrs"), column(block, "attr_types"), row);
                      });
}

void write_part(JsonText& out, std::string_view key, std::map<uint64_t, JsonText>& by_series, uint64_t id) {
  out.key(key).open('[');
  if (const auto at = by_series.find(id); at != by_series.end()) out.raw(at->second.take());
  out.close(']');
}

void write_series(JsonText& out, const store::ResultBlock& block, size_t row, Parts& parts, Contexts& contexts) {
  const auto number = [&](std::string_view name) { return column(block, name).u64(row); };
  const auto text = [&](std::string_view name) { return column(block, name).text(row); };
  contexts.resources.insert(number("resource_id"));
  contexts.scopes.insert(number("scope_id"));
  out.open('{').key("id").hex(number("series_id")).key("name").text(text("metric"));
  out.key("unit").text(text("unit")).key("description").text(text("description"));
  out.key("kind").text(name_at(kinds, number("kind")));
  out.key("temporality").text(name_at(temporalities, number("temporality")));
  out.key("monotonic").boolean(number("monotonic") != 0).key("service").text(text("service"));
  out.key("attributes");
  write_attributes(out, column(block, "attrs"), column(block, "attr_types"), row);
  out.key("metadata");
  write_attributes(out, column(block, "metadata_attrs"), column(block, "metadata_attr_types"), row);
  out.key("resource").hex(number("resource_id")).key("scope").hex(number("scope_id"));
  write_part(out, "points", parts.points, number("series_id"));
  write_part(out, "exemplars", parts.exemplars, number("series_id"));
  out.close('}');
}

// Labels are attributes of the points; here they are part of the series.
Result<Blocks> find_series(const Reader& reader, const http::Request& request, const Question& q) {
  Select select;
  select.add(
      "SELECT series_id, metric, unit, description, kind, temporality, monotonic, service, resource_id, scope_id,"
      " attrs, attr_types, metadata_attrs, metadata_attr_types FROM series WHERE");
  select.within(partition_of(q.window.start), q.window.end);
  select.add(" AND metric = {name:String} AND series_id > {after:UInt64}").bind("name", q.name).bind("after", q.after);
  if (!q.service.empty()) select.add(" AND service = {service:String}").bind("service", q.service);
  select.match_attributes(q.labels).match_resource(q.resource);
  select.add(" ORDER BY series_id LIMIT 1 BY series_id LIMIT {limit:UInt64}").bind("limit", q.limit);
  return reader.run(select, request, q.limit);
}

}  // namespace

Result<std::string> list_series(const Reader& reader, const http::Request& request) {
  constexpr std::array<std::string_view, 7> known = {"name", "service", "start", "end", "limit", "points", "cursor"};
  constexpr std::array<std::string_view, 2> prefixes = {"label.", "resource."};
  HS_ASSIGN(const Params params, Params::read(request, known, prefixes));
  HS_ASSIGN(const Question question, read_question(params, reader.clock.wall()));
  HS_ASSIGN(const Blocks found, find_series(reader, request, question));
  std::vector<uint64_t> ids;
  for (const store::ResultBlock& block : found)
    for (size_t row = 0; row < block.rows; ++row) ids.push_back(column(block, "series_id").u64(row));
  Parts parts;
  HS_TRY(read_points(parts, reader, request, question, ids));
  HS_TRY(read_exemplars(parts, reader, request, question, ids));
  JsonText out;
  Contexts contexts;
  out.open('{').key("series").open('[');
  for (const store::ResultBlock& block : found)
    for (size_t row = 0; row < block.rows; ++row) write_series(out, block, row, parts, contexts);
  out.close(']');
  HS_TRY(write_contexts(out, reader, request, contexts));
  if (ids.size() == question.limit) out.key("next_cursor").digits(ids.back());
  out.close('}');
  return out.take();
}

Result<std::string> list_names(const Reader& reader, const http::Request& request) {
  constexpr std::array<std::string_view, 5> known = {"service", "start", "end", "limit", "cursor"};
  HS_ASSIGN(const Params params, Params::read(request, known));
  HS_ASSIGN(const Window window, read_window(params, reader.clock.wall()));
  HS_ASSIGN(const uint64_t limit, params.number("limit", names_default, 1, names_max));
  Select select;
  select.add(
      "SELECT metric, any(unit) AS unit, any(description) AS description, any(kind) AS kind,"
      " uniq(series_id) AS series FROM series WHERE");
  select.within(partition_of(window.start), window.end).add(" AND metric > {after:String}");
  if (params.has("service")) select.add(" AND service = {service:String}").bind("service", params.text("service"));
  select.add(" GROUP BY metric ORDER BY metric LIMIT {limit:UInt64}");
  select.bind("after", params.text("cursor")).bind("limit", limit);
  HS_ASSIGN(const Blocks blocks, reader.run(select, request, limit));
  JsonText out;
  uint64_t rows = 0;
  std::string last;
  out.open('{').key("names").open('[');
  for (const store::ResultBlock& block : blocks)
    for (size_t row = 0; row < block.rows; ++row, ++rows) {
      last = column(block, "metric").text(row);
      out.open('{').key("name").text(last).key("unit").text(column(block, "unit").text(row));
      out.key("description").text(column(block, "description").text(row));
      out.key("kind").text(name_at(kinds, column(block, "kind").u64(row)));
      out.key("series").count(column(block, "series").u64(row)).close('}');
    }
  out.close(']');
  if (rows == limit) out.key("next_cursor").text(last);
  out.close('}');
  return out.take();
}

}  // namespace hs::api::telemetry
