#include "api/telemetry/spans.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "api/telemetry/undecided.h"

namespace hs::api::telemetry {
namespace {

constexpr std::array<std::string_view, 6> kinds = {"unspecified", "internal", "server",
                                                   "client",      "producer", "consumer"};
constexpr std::array<std::string_view, 3> statuses = {"unset", "ok", "error"};
constexpr uint64_t trace_spans_max = 10'000, page_default = 100, page_max = 1000;

template <size_t n>
std::string_view name_at(const std::array<std::string_view, n>& names, uint64_t at) {
  return names[at < n ? at : 0];
}

void write_events(JsonText& out, const store::ResultBlock& block, size_t row) {
  const store::ResultColumn& ts = column(block, "events.ts");
  out.key("events").open('[');
  for (size_t i = ts.begin(row); i < ts.end(row); ++i) {
    out.open('{').key("time_unix_nano").digits(ts.items().i64(i));
    out.key("name").text(column(block, "events.name").items().text(i)).key("attributes");
    write_attributes(out, column(block, "events.attrs").items(), column(block, "events.attr_types").items(), i);
    out.key("dropped_attributes").count(column(block, "events.dropped").items().u64(i)).close('}');
  }
  out.close(']');
}

void write_links(JsonText& out, const store::ResultBlock& block, size_t row) {
  const store::ResultColumn& trace_id = column(block, "links.trace_id");
  out.key("links").open('[');
  for (size_t i = trace_id.begin(row); i < trace_id.end(row); ++i) {
    out.open('{').key("trace_id").hex_bytes(trace_id.items().text(i));
    out.key("span_id").hex(column(block, "links.span_id").items().u64(i));
    out.key("trace_state").text(column(block, "links.trace_state").items().text(i));
    out.key("flags").count(column(block, "links.flags").items().u64(i)).key("attributes");
    write_attributes(out, column(block, "links.attrs").items(), column(block, "links.attr_types").items(), i);
    out.key("dropped_attributes").count(column(block, "links.dropped").items().u64(i)).close('}');
  }
  out.close(']');
}

struct Summary {
  int64_t start = 0, end = 0;
  uint64_t spans = 0;
};

using SpanRows = std::vector<std::pair<const store::ResultBlock*, size_t>>;

// A span may be in both: it was decided on between the two looks.
void add_undecided(SpanRows& rows, const Blocks& undecided) {
  const auto identity = [](const store::ResultBlock& block, size_t row) {
    return std::tuple(column(block, "span_id").u64(row), column(block, "parent_id").u64(row),
                      column(block, "ts").i64(row), column(block, "duration").u64(row));
  };
  std::set<std::tuple<uint64_t, uint64_t, int64_t, uint64_t>> stored;
  for (const auto& [block, row] : rows) stored.insert(identity(*block, row));
  for (const store::ResultBlock& block : undecided)
    for (size_t row = 0; row < block.rows; ++row)
      if (!stored.contains(identity(block, row))) rows.emplace_back(&block, row);
  std::sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) {
    const auto key = [](const auto& r) {
      return std::pair(column(*r.first, "ts").i64(r.second), column(*r.first, "span_id").u64(r.second));
    };
    return key(a) < key(b);
  });
}

// Where in time the trace is, so that the spans need not be looked for everywhere.
Result<Summary> find_trace(const Reader& reader, const http::Request& request, const std::string& id) {
  Select select;
  select.add(
      "SELECT min(ts) AS start, max(end_ts) AS end, sum(spans) AS spans FROM trace_parts"
      " WHERE tenant = {tenant:String} AND trace_id = toFixedString(unhex({trace:String}), 16)");
  select.bind("trace", id);
  HS_ASSIGN(const Blocks blocks, reader.run(select, request, 1));
  Summary out;
  if (!blocks.empty() && blocks[0].rows != 0) {
    out.start = column(blocks[0], "start").i64(0);
    out.end = column(blocks[0], "end").i64(0);
    out.spans = column(blocks[0], "spans").u64(0);
  }
  return out;
}

struct SpanFilter {
  std::string service, name, trace_id;
  std::optional<size_t> kind, status;
  std::optional<uint64_t> min_duration, max_duration;
  Matches attributes, resource;

  void operator()(Select& select) const {
    if (!service.empty()) select.add(" AND service = {service:String}").bind("service", service);
    if (!name.empty()) select.add(" AND name = {name:String}").bind("name", name);
    if (!trace_id.empty())
      select.add(" AND trace_id = toFixedString(unhex({trace:String}), 16)").bind("trace", trace_id);
    if (kind) select.add(" AND kind = {kind:UInt8}").bind("kind", uint64_t{*kind});
    if (status) select.add(" AND status = {status:UInt8}").bind("status", uint64_t{*status});
    if (min_duration) select.add(" AND duration >= {least:UInt64}").bind("least", *min_duration);
    if (max_duration) select.add(" AND duration <= {most:UInt64}").bind("most", *max_duration);
    select.match_attributes(attributes).match_resource(resource);
  }
};

Result<SpanFilter> read_filter(const Params& params) {
  SpanFilter filter;
  filter.service = params.text("service");
  filter.name = params.text("name");
  HS_ASSIGN(filter.trace_id, params.trace_id("trace_id"));
  HS_ASSIGN(filter.kind, params.choice("kind", kinds));
  HS_ASSIGN(filter.status, params.choice("status", statuses));
  HS_ASSIGN(filter.min_duration, params.duration_ns("min_duration"));
  HS_ASSIGN(filter.max_duration, params.duration_ns("max_duration"));
  filter.attributes = params.matches("attr.");
  filter.resource = params.matches("resource.");
  return filter;
}

}  // namespace

void write_span(JsonText& out, const store::ResultBlock& block, size_t row, Contexts& contexts) {
  const auto number = [&](std::string_view name) { return column(block, name).u64(row); };
  const auto text = [&](std::string_view name) { return column(block, name).text(row); };
  const int64_t start = time_sent(column(block, "ts").i64(row), column(block, "ts_sent").i64(row));
  contexts.resources.insert(number("resource_id"));
  contexts.scopes.insert(number("scope_id"));
  out.open('{').key("trace_id").hex_bytes(text("trace_id")).key("span_id").hex(number("span_id"));
  out.key("parent_span_id");
  number("parent_id") == 0 ? out.text("") : out.hex(number("parent_id"));
  out.key("service").text(text("service")).key("name").text(text("name"));
  out.key("kind").text(name_at(kinds, number("kind"))).key("status").text(name_at(statuses, number("status")));
  out.key("status_message").text(text("status_message")).key("trace_state").text(text("trace_state"));
  out.key("flags").count(number("flags")).key("start_time_unix_nano").digits(start);
  out.key("duration_nano").digits(number("duration")).key("attributes");
  write_attributes(out, column(block, "attrs"), column(block, "attr_types"), row);
  out.key("dropped_attributes").count(number("dropped_attributes"));
  out.key("dropped_events").count(number("dropped_events")).key("dropped_links").count(number("dropped_links"));
  write_events(out, block, row);
  write_links(out, block, row);
  out.key("resource").hex(number("resource_id")).key("scope").hex(number("scope_id")).close('}');
}

Result<std::string> read_trace(const Reader& reader, const http::Request& request) {
  constexpr std::array<std::string_view, 1> known = {"limit"};
  HS_ASSIGN(const Params params, Params::read(request, known));
  HS_ASSIGN(const uint64_t limit, params.number("limit", trace_spans_max, 1, trace_spans_max));
  HS_ASSIGN(const std::string id, checked_trace_id(request.param("id"), "the path"));
  HS_ASSIGN(const Undecided undecided, undecided_trace(reader, request, id));
  HS_ASSIGN(const Summary summary, find_trace(reader, request, id));
  if (summary.spans == 0 && undecided.spans.empty()) return fail(Code::not_found, fmt::format("no trace {}", id));
  Blocks blocks;
  if (summary.spans > 0) {
    Select select;
    select.add(span_columns).add(" FROM spans WHERE").within(summary.start, summary.end);
    select.add(" AND trace_id = toFixedString(unhex({trace:String}), 16) ORDER BY ts, span_id LIMIT {limit:UInt64}");
    select.bind("trace", id).bind("limit", limit);
    HS_ASSIGN(blocks, reader.run(select, request, limit));
  }
  SpanRows rows;
  for (const store::ResultBlock& block : blocks)
    for (size_t row = 0; row < block.rows; ++row) rows.emplace_back(&block, row);
  const uint64_t stored = rows.size();
  if (!undecided.spans.empty()) add_undecided(rows, undecided.spans);
  JsonText out;
  Contexts contexts;
  uint64_t written = 0;
  out.open('{').key("trace_id").text(id).key("spans").open('[');
  for (; written < std::min<uint64_t>(rows.size(), limit) && out.size() < answer_bytes_max; ++written)
    write_span(out, *rows[written].first, rows[written].second, contexts);
  out.close(']');
  HS_TRY(write_contexts(out, reader, request, std::move(contexts), undecided.described));
  if (rows.size() > stored) out.key("undecided").count(rows.size() - stored);
  out.key("truncated").boolean(written < rows.size() || stored < summary.spans).close('}');
  return out.take();
}

Result<std::string> list_spans(const Reader& reader, const http::Request& request) {
  constexpr std::array<std::string_view, 11> known = {"service",      "name",         "trace_id", "kind",
                                                      "status",       "start",        "end",      "limit",
                                                      "min_duration", "max_duration", "cursor"};
  constexpr std::array<std::string_view, 2> prefixes = {"attr.", "resource."};
  HS_ASSIGN(const Params params, Params::read(request, known, prefixes));
  HS_ASSIGN(const uint64_t limit, params.number("limit", page_default, 1, page_max));
  HS_ASSIGN(const Cursor cursor, read_cursor(params, reader.clock.wall()));
  HS_ASSIGN(const SpanFilter filter, read_filter(params));
  Select select;
  select.add(span_columns).add(", cityHash64(trace_id, span_id, parent_id, resource_id, name, duration) AS row_hash");
  page(select, " FROM spans", cursor, limit, filter);
  HS_ASSIGN(const Blocks blocks, reader.run(select, request, limit));
  JsonText out;
  Contexts contexts;
  PageWriter rows(cursor, limit);
  out.open('{').key("spans").open('[');
  rows.rows(out, blocks, [&](const auto& block, size_t row) { write_span(out, block, row, contexts); });
  out.close(']');
  HS_TRY(write_contexts(out, reader, request, contexts));
  rows.finish(out);
  out.close('}');
  return out.take();
}

}  // namespace hs::api::telemetry
