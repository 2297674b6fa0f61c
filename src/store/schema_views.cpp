// Migration 2. Released: do not edit.
//
// The column names of the OpenTelemetry Collector's ClickHouse exporter, for tools that expect them:
// https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/clickhouseexporter
// The exporter's `Exemplars` are empty here: exemplars have a table of their own.

#include <array>

#include "store/schema_tables.h"

#define HS_TRACE_ID "if(trace_id = toFixedString('', 16), '', lower(hex(trace_id)))"
#define HS_SPAN_ID(id) "if(" id " = 0, '', lower(leftPad(hex(" id "), 16, '0')))"
#define HS_ORIGIN                                                                                                 \
  "LEFT ANY JOIN (SELECT tenant, resource_id, attrs AS resource_attrs, schema_url AS resource_schema_url\n"       \
  "  FROM resources) AS r USING (tenant, resource_id)\n"                                                          \
  "LEFT ANY JOIN (SELECT tenant, scope_id, name AS scope_name, version AS scope_version, attrs AS scope_attrs,\n" \
  "  schema_url AS scope_schema_url, dropped_attributes AS scope_dropped FROM scopes) AS c USING (tenant, scope_id)"
#define HS_POINT_HEAD                                                                                                 \
  "SELECT resource_attrs AS ResourceAttributes, resource_schema_url AS ResourceSchemaUrl, scope_name AS ScopeName,\n" \
  "  scope_version AS ScopeVersion, scope_attrs AS ScopeAttributes, scope_dropped AS ScopeDroppedAttrCount,\n"        \
  "  scope_schema_url AS ScopeSchemaUrl, s.service AS ServiceName, s.metric AS MetricName,\n"                         \
  "  s.description AS MetricDescription, s.unit AS MetricUnit, s.attrs AS Attributes, p.start_ts AS StartTimeUnix,\n" \
  "  p.ts AS TimeUnix, p.flags AS Flags,\n"                                                                           \
  "  emptyArrayString() AS `Exemplars.TraceId`, emptyArrayString() AS `Exemplars.SpanId`,\n"                          \
  "  emptyArrayFloat64() AS `Exemplars.Value`, CAST([], 'Array(DateTime64(9))') AS `Exemplars.TimeUnix`,\n"           \
  "  CAST([], 'Array(Map(LowCardinality(String), String))') AS `Exemplars.FilteredAttributes`,\n"
#define HS_TEMPORALITY "toInt32(s.temporality) AS AggregationTemporality"
#define HS_SERIES                                                                                                 \
  "INNER JOIN (SELECT * FROM series ORDER BY inserted_at DESC LIMIT 1 BY series_id) AS s USING (series_id)\n"     \
  "LEFT ANY JOIN (SELECT tenant, resource_id, attrs AS resource_attrs, schema_url AS resource_schema_url\n"       \
  "  FROM resources) AS r ON r.tenant = s.tenant AND r.resource_id = s.resource_id\n"                             \
  "LEFT ANY JOIN (SELECT tenant, scope_id, name AS scope_name, version AS scope_version, attrs AS scope_attrs,\n" \
  "  schema_url AS scope_schema_url, dropped_attributes AS scope_dropped FROM scopes) AS c\n"                     \
  "  ON c.tenant = s.tenant AND c.scope_id = s.scope_id\n"

namespace hs::store {
namespace {

constexpr std::string_view logs =
    "CREATE VIEW IF NOT EXISTS otel_logs AS SELECT ts AS Timestamp, toDateTime(ts) AS TimestampTime,\n"
    "  " HS_TRACE_ID " AS TraceId, " HS_SPAN_ID("span_id") " AS SpanId, toUInt8(bitAnd(flags, 255)) AS TraceFlags,\n"
    "  severity_text AS SeverityText, severity AS SeverityNumber, service AS ServiceName, body AS Body,\n"
    "  resource_schema_url AS ResourceSchemaUrl, resource_attrs AS ResourceAttributes,\n"
    "  scope_schema_url AS ScopeSchemaUrl, scope_name AS ScopeName, scope_version AS ScopeVersion,\n"
    "  scope_attrs AS ScopeAttributes, attrs AS LogAttributes, event_name AS EventName\n"
    "FROM logs\n" HS_ORIGIN;

constexpr std::string_view traces =
    "CREATE VIEW IF NOT EXISTS otel_traces AS SELECT ts AS Timestamp, " HS_TRACE_ID " AS TraceId,\n"
    "  " HS_SPAN_ID("span_id") " AS SpanId, " HS_SPAN_ID("parent_id") " AS ParentSpanId, trace_state AS TraceState,\n"
    "  spans.name AS SpanName,\n"
    "  ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer'][kind + 1] AS SpanKind,\n"
    "  service AS ServiceName, resource_attrs AS ResourceAttributes, scope_name AS ScopeName,\n"
    "  scope_version AS ScopeVersion, spans.attrs AS SpanAttributes, duration AS Duration,\n"
    "  ['Unset', 'Ok', 'Error'][status + 1] AS StatusCode, status_message AS StatusMessage,\n"
    "  `events.ts` AS `Events.Timestamp`, `events.name` AS `Events.Name`, `events.attrs` AS `Events.Attributes`,\n"
    "  arrayMap(x -> lower(hex(x)), `links.trace_id`) AS `Links.TraceId`,\n"
    "  arrayMap(x -> lower(leftPad(hex(x), 16, '0')), `links.span_id`) AS `Links.SpanId`,\n"
    "  `links.trace_state` AS `Links.TraceState`, `links.attrs` AS `Links.Attributes`\n"
    "FROM spans\n" HS_ORIGIN;

constexpr std::string_view gauge = "CREATE VIEW IF NOT EXISTS otel_metrics_gauge AS " HS_POINT_HEAD
                                   "  p.value AS Value\n"
                                   "FROM samples AS p " HS_SERIES "WHERE s.kind = 1";

constexpr std::string_view sum =
    "CREATE VIEW IF NOT EXISTS otel_metrics_sum AS " HS_POINT_HEAD "  p.value AS Value, " HS_TEMPORALITY
    ", CAST(s.monotonic, 'Bool') AS IsMonotonic\n"
    "FROM samples AS p " HS_SERIES "WHERE s.kind = 2";

constexpr std::string_view histogram =
    "CREATE VIEW IF NOT EXISTS otel_metrics_histogram AS " HS_POINT_HEAD
    "  p.count AS Count, p.sum AS Sum, p.counts AS BucketCounts, p.bounds AS ExplicitBounds, p.min AS Min,\n"
    "  p.max AS Max, " HS_TEMPORALITY
    "\n"
    "FROM distributions AS p " HS_SERIES "WHERE p.kind = 3";

constexpr std::string_view exponential =
    "CREATE VIEW IF NOT EXISTS otel_metrics_exponential_histogram AS " HS_POINT_HEAD
    "  p.count AS Count, p.sum AS Sum, p.scale AS Scale, p.zero_count AS ZeroCount,\n"
    "  p.positive_offset AS PositiveOffset, p.positive_counts AS PositiveBucketCounts,\n"
    "  p.negative_offset AS NegativeOffset, p.negative_counts AS NegativeBucketCounts,\n"
    "  p.min AS Min, p.max AS Max, " HS_TEMPORALITY
    "\n"
    "FROM distributions AS p " HS_SERIES "WHERE p.kind = 4";

constexpr std::string_view summary = "CREATE VIEW IF NOT EXISTS otel_metrics_summary AS " HS_POINT_HEAD
                                     "  p.count AS Count, p.sum AS Sum, p.bounds AS `ValueAtQuantiles.Quantile`,\n"
                                     "  p.quantile_values AS `ValueAtQuantiles.Value`\n"
                                     "FROM distributions AS p " HS_SERIES "WHERE p.kind = 5";

}  // namespace

std::span<const std::string_view> standard_views() {
  static constexpr std::array<std::string_view, 7> all = {logs, traces, gauge, sum, histogram, exponential, summary};
  return all;
}

}  // namespace hs::store
