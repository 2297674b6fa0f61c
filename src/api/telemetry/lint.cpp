#include "api/telemetry/lint.h"

#include <array>
#include <map>

#include "api/telemetry/reader.h"
#include "store/block.h"

namespace hs::api::telemetry {
namespace {

constexpr int64_t usual_ns = 15 * 60 * nanos_per_s;
constexpr uint64_t spans_looked_at = 200'000;    // about; whole traces are left out beyond it
constexpr uint64_t services_max = 200;           // those with the most spans
constexpr uint64_t names_max = 300;              // of spans of one service: a large one has a hundred routes
constexpr int64_t settle_ns = 60 * nanos_per_s;  // a parent's span comes when it has ended
constexpr double share_that_matters = 0.01;      // of a service's spans; less may be a restart

struct Finding {
  std::string rule, service;
  uint64_t count = 0, of = 0;
  std::string example;  // hex trace id, or a metric's name
};

struct Lint {
  const Reader& reader;
  const http::Request& request;
  Window window;
  std::string service;
  uint64_t share = 1, spans = 0;
  std::vector<Finding> findings = {};

  // The window's spans, thinned by whole traces.
  void bounds(Select& select) const {
    select.within(window.start, window.end).bind("share", share).bind("service", service);
  }
  Status count_spans();
  Status look_at_spans();
  Status look_at_traces();
  Status look_at_metrics();
  void add(std::string_view rule, const store::ResultBlock& block, size_t row, std::string_view counted) {
    const uint64_t count = column(block, counted).u64(row), of = column(block, "n").u64(row);
    const bool matters = static_cast<double>(count) >= share_that_matters * static_cast<double>(of);
    if (count == 0 || !matters) return;
    findings.push_back({std::string(rule), std::string(column(block, "service").text(row)), count, of,
                        std::string(column(block, "example").text(row))});
  }
};

Status Lint::count_spans() {
  Select select;
  select.add("SELECT count() AS n FROM spans WHERE").within(window.start, window.end);
  select.add(" AND ({service:String} = '' OR service = {service:String})").bind("service", service);
  HS_ASSIGN(const Blocks blocks, reader.run(select, request, 1));
  spans = blocks.empty() || blocks[0].rows == 0 ? 0 : column(blocks[0], "n").u64(0);
  share = spans / spans_looked_at + 1;
  return {};
}

Status Lint::look_at_spans() {
  Select select;
  select.add(
      "SELECT service, count() AS n, uniq(name) AS names, lower(hex(any(trace_id))) AS example,"
      " countIf(startsWith(service, 'unknown_service')) AS unnamed,"
      " countIf(kind = 2 AND (mapContains(attrs, 'http.request.method') OR mapContains(attrs, 'http.method'))"
      " AND NOT mapContains(attrs, 'http.route')) AS unrouted,"
      " countIf(hasAny(mapKeys(attrs), ['http.method', 'http.status_code', 'http.url', 'http.target', "
      "'http.user_agent',"
      " 'net.peer.name', 'net.peer.ip', 'net.host.name', 'db.statement', 'db.system', 'db.operation', "
      "'messaging.url']))"
      " AS deprecated FROM spans WHERE");
  bounds(select);
  select.add(
      " AND ({service:String} = '' OR service = {service:String}) AND cityHash64(trace_id) % {share:UInt64} = 0"
      " GROUP BY service ORDER BY n DESC LIMIT {limit:UInt64}");
  select.bind("limit", services_max);
  HS_ASSIGN(const Blocks blocks, reader.run(select, request, services_max));
  for (const store::ResultBlock& block : blocks)
    for (size_t row = 0; row < block.rows; ++row) {
      add("service-name-missing", block, row, "unnamed");
      add("http-route-missing", block, row, "unrouted");
      add("conventions-deprecated", block, row, "deprecated");
      if (column(block, "names").u64(row) > names_max) add("span-names-unbounded", block, row, "names");
    }
  return {};
}

// A quarter of the window stands before those looked at: parents begin before their children.
Status Lint::look_at_traces() {
  Select select;
  select.add(
      "SELECT s.service AS service, count() AS n, lower(hex(any(s.trace_id))) AS example,"
      " countIf(p.span_id = 0) AS unparented,"
      " countIf(p.span_id != 0 AND s.kind = 2 AND s.service != p.service AND s.ts < p.ts) AS skewed"
      " FROM (SELECT service, trace_id, span_id, parent_id, kind, ts FROM spans WHERE");
  bounds(select);
  select.add(
      " AND cityHash64(trace_id) % {share:UInt64} = 0 AND ({service:String} = '' OR service = {service:String})"
      " AND ts >= fromUnixTimestamp64Nano({after:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Nano({settled:Int64}, "
      "'UTC'))"
      " AS s LEFT JOIN (SELECT service, trace_id, span_id, ts FROM spans WHERE tenant = {tenant:String}"
      " AND ts >= fromUnixTimestamp64Nano({start:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Nano({end:Int64}, 'UTC')"
      " AND cityHash64(trace_id) % {share:UInt64} = 0) AS p ON s.trace_id = p.trace_id AND s.parent_id = p.span_id"
      " WHERE s.parent_id != 0 GROUP BY service ORDER BY n DESC LIMIT {limit:UInt64}");
  const int64_t length = window.end - window.start;
  select.bind("after", window.start + length / 4);
  select.bind("settled", std::min(window.end, reader.clock.wall() - settle_ns)).bind("limit", services_max);
  HS_ASSIGN(const Blocks blocks, reader.run(select, request, services_max));
  for (const store::ResultBlock& block : blocks)
    for (size_t row = 0; row < block.rows; ++row) {
      add("spans-unparented", block, row, "unparented");
      add("clock-skew", block, row, "skewed");
    }
  return {};
}

Status Lint::look_at_metrics() {
  Select select;
  select.add(
      "SELECT service, uniq(metric) AS n, uniqIf(metric, unit = '') AS bare, anyIf(metric, unit = '') AS example"
      " FROM series WHERE");
  // Series are told once a partition, at its first instant. Kind 6 is Prometheus', which has units in names.
  select.within(window.start - window.start % (store::partition_s * nanos_per_s), window.end);
  select.add(
      " AND kind != 6 AND ({service:String} = '' OR service = {service:String})"
      " GROUP BY service ORDER BY bare DESC LIMIT {limit:UInt64}");
  select.bind("service", service).bind("limit", services_max);
  HS_ASSIGN(const Blocks blocks, reader.run(select, request, services_max));
  for (const store::ResultBlock& block : blocks)
    for (size_t row = 0; row < block.rows; ++row) add("metric-unit-missing", block, row, "bare");
  return {};
}

void write_rule(JsonText& out, const LintRule& rule) {
  out.open('{').key("what").text(rule.what).key("why").text(rule.why).key("fix").open('{').key("any").text(rule.fix);
  const auto by_language = [&](std::string_view language, std::string_view text) {
    if (!text.empty()) out.key(language).text(text);
  };
  by_language("python", rule.python);
  by_language("javascript", rule.javascript);
  by_language("java", rule.java);
  by_language("go", rule.go);
  out.close('}').close('}');
}

}  // namespace

Result<std::string> list_lint(const Reader& reader, const http::Request& request) {
  constexpr std::array<std::string_view, 3> known = {"start", "end", "service"};
  HS_ASSIGN(const Params params, Params::read(request, known));
  HS_ASSIGN(const Window window, read_window(params, reader.clock.wall(), usual_ns));
  Lint lint{reader, request, window, std::string(params.text("service"))};
  HS_TRY(lint.count_spans());
  HS_TRY(lint.look_at_spans());
  HS_TRY(lint.look_at_traces());
  HS_TRY(lint.look_at_metrics());
  JsonText out;
  std::map<std::string_view, const LintRule*> used;
  out.open('{').key("spans").count(lint.spans).key("looked_at_one_trace_of").count(lint.share);
  out.key("findings").open('[');
  for (const Finding& f : lint.findings) {
    used[f.rule] = &lint_rule(f.rule);
    out.open('{').key("rule").text(f.rule).key("service").text(f.service).key("count").count(f.count);
    out.key("of").count(f.of).key("example").text(f.example).close('}');
  }
  out.close(']').key("rules").open('{');
  for (const auto& [id, rule] : used) {
    out.key(id);
    write_rule(out, *rule);
  }
  out.close('}').close('}');
  return out.take();
}

}  // namespace hs::api::telemetry
