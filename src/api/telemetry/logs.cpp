#include <array>

#include "api/telemetry/reader.h"

namespace hs::api::telemetry {
namespace {

constexpr uint64_t page_default = 100, page_max = 1000;
// The least SeverityNumber of each; a filter takes these and worse.
constexpr std::array<std::string_view, 6> severities = {"trace", "debug", "info", "warn", "error", "fatal"};
uint64_t least_number(size_t severity) { return 1 + 4 * severity; }

struct LogFilter {
  std::string service, contains, event_name, trace_id;
  std::optional<size_t> severity;
  Matches attributes, resource;

  void operator()(Select& select) const {
    if (!service.empty()) select.add(" AND service = {service:String}").bind("service", service);
    if (severity) select.add(" AND severity >= {severity:UInt8}").bind("severity", least_number(*severity));
    if (!contains.empty()) select.add(" AND position(body, {contains:String}) > 0").bind("contains", contains);
    if (!event_name.empty()) select.add(" AND event_name = {event:String}").bind("event", event_name);
    if (!trace_id.empty())
      select.add(" AND trace_id = toFixedString(unhex({trace:String}), 16)").bind("trace", trace_id);
    select.match_attributes(attributes).match_resource(resource);
  }
};

Result<LogFilter> read_filter(const Params& params) {
  LogFilter filter;
  filter.service = params.text("service");
  filter.contains = params.text("contains");
  filter.event_name = params.text("event_name");
  HS_ASSIGN(filter.trace_id, params.trace_id("trace_id"));
  HS_ASSIGN(filter.severity, params.choice("severity", severities));
  filter.attributes = params.matches("attr.");
  filter.resource = params.matches("resource.");
  return filter;
}

void write_log(JsonText& out, const store::ResultBlock& block, size_t row, Contexts& contexts) {
  const auto number = [&](std::string_view name) { return column(block, name).u64(row); };
  const auto text = [&](std::string_view name) { return column(block, name).text(row); };
  contexts.resources.insert(number("resource_id"));
  contexts.scopes.insert(number("scope_id"));
  out.open('{').key("time_unix_nano");
  out.digits(time_sent(column(block, "ts").i64(row), column(block, "ts_sent").i64(row)));
  out.key("observed_time_unix_nano").digits(column(block, "observed_ts").i64(row));
  out.key("service").text(text("service"));
  out.key("severity_number").count(number("severity")).key("severity_text").text(text("severity_text"));
  out.key("body").open('{');
  write_value(out, static_cast<char>(number("body_type")), text("body"));
  out.close('}').key("event_name").text(text("event_name"));
  const std::string_view trace_id = text("trace_id");
  out.key("trace_id");
  trace_id.find_first_not_of('\0') == trace_id.npos ? out.text("") : out.hex_bytes(trace_id);
  out.key("span_id");
  number("span_id") == 0 ? out.text("") : out.hex(number("span_id"));
  out.key("flags").count(number("flags")).key("attributes");
  write_attributes(out, column(block, "attrs"), column(block, "attr_types"), row);
  out.key("dropped_attributes").count(number("dropped_attributes"));
  out.key("resource").hex(number("resource_id")).key("scope").hex(number("scope_id")).close('}');
}

}  // namespace

Result<std::string> list_logs(const Reader& reader, const http::Request& request) {
  constexpr std::array<std::string_view, 9> known = {"service", "severity", "contains", "event_name", "trace_id",
                                                     "start",   "end",      "limit",    "cursor"};
  constexpr std::array<std::string_view, 2> prefixes = {"attr.", "resource."};
  HS_ASSIGN(const Params params, Params::read(request, known, prefixes));
  HS_ASSIGN(const uint64_t limit, params.number("limit", page_default, 1, page_max));
  HS_ASSIGN(const Cursor cursor, read_cursor(params, reader.clock.wall()));
  HS_ASSIGN(const LogFilter filter, read_filter(params));
  Select select;
  select.add(
      "SELECT ts, ts_sent, cut, observed_ts, service, severity, severity_text, body, body_type, event_name,"
      " trace_id, span_id, flags, resource_id, scope_id, attrs, attr_types, dropped_attributes,"
      " cityHash64(resource_id, scope_id, severity, body, trace_id, span_id, mapKeys(attrs), mapValues(attrs))"
      " AS row_hash");
  page(select, " FROM logs", cursor, limit, filter);
  HS_ASSIGN(const Blocks blocks, reader.run(select, request, limit));
  JsonText out;
  Contexts contexts;
  PageWriter rows(cursor, limit);
  out.open('{').key("logs").open('[');
  rows.rows(out, blocks, [&](const auto& block, size_t row) { write_log(out, block, row, contexts); });
  out.close(']');
  HS_TRY(write_contexts(out, reader, request, contexts));
  rows.finish(out);
  out.close('}');
  return out.take();
}

}  // namespace hs::api::telemetry
