// Migration 1. Released: do not edit.
//
// Every row of a fact table carries `cut`, the number of the journal's cut that brought it, so that a replay can ask
// whether a block is in already; the index over it is one entry a part. `ts_sent`: what the sender said, when `ts` was
// clamped (0: as it is, -1: the sender gave no time). Inserts are one compact part each (min_level_for_wide_part), and
// on disk before they are acknowledged (fsync), because the journal forgets them then. deduplication_window counts
// parts; a replay does not rest on it alone.

#include <array>

#include "store/schema_tables.h"

#define HS_FACT                                                          \
  "  tenant LowCardinality(String),\n"                                   \
  "  cut UInt64 CODEC(Delta, ZSTD(1)),\n"                                \
  "  inserted_at DateTime('UTC') DEFAULT now() CODEC(Delta, ZSTD(1)),\n" \
  "  ts_sent Int64 CODEC(ZSTD(1)),\n"                                    \
  "  INDEX i_cut cut TYPE minmax GRANULARITY 65536"
#define HS_KEEP                                                                                               \
  " SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,\n" \
  "  min_level_for_wide_part = 1"
#define HS_ATTRIBUTES                                             \
  "  attrs Map(LowCardinality(String), String) CODEC(ZSTD(1)),\n" \
  "  attr_types LowCardinality(String),\n"

namespace hs::store {
namespace {

constexpr std::string_view spans =
    "CREATE TABLE IF NOT EXISTS spans (\n"
    "  ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),\n"
    "  trace_id FixedString(16) CODEC(ZSTD(1)),\n"
    "  span_id UInt64 CODEC(NONE),\n"
    "  parent_id UInt64 CODEC(LZ4),\n"
    "  service LowCardinality(String),\n"
    "  name LowCardinality(String),\n"
    "  kind UInt8,\n"
    "  status UInt8,\n"
    "  status_message String CODEC(ZSTD(1)),\n"
    "  trace_state String CODEC(ZSTD(1)),\n"
    "  flags UInt32 CODEC(ZSTD(1)),\n"
    "  duration UInt64 CODEC(T64, ZSTD(1)),\n"
    "  resource_id UInt64 CODEC(ZSTD(1)),\n"
    "  scope_id UInt64 CODEC(ZSTD(1)),\n" HS_ATTRIBUTES
    "  dropped_attributes UInt32,\n"
    "  dropped_events UInt32,\n"
    "  dropped_links UInt32,\n"
    "  `events.ts` Array(DateTime64(9, 'UTC')) CODEC(Delta, ZSTD(1)),\n"
    "  `events.name` Array(LowCardinality(String)),\n"
    "  `events.attrs` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),\n"
    "  `events.attr_types` Array(LowCardinality(String)),\n"
    "  `events.dropped` Array(UInt32) CODEC(ZSTD(1)),\n"
    "  `links.trace_id` Array(FixedString(16)) CODEC(ZSTD(1)),\n"
    "  `links.span_id` Array(UInt64) CODEC(ZSTD(1)),\n"
    "  `links.trace_state` Array(String) CODEC(ZSTD(1)),\n"
    "  `links.flags` Array(UInt32) CODEC(ZSTD(1)),\n"
    "  `links.attrs` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),\n"
    "  `links.attr_types` Array(LowCardinality(String)),\n"
    "  `links.dropped` Array(UInt32) CODEC(ZSTD(1)),\n" HS_FACT
    ",\n"
    "  INDEX i_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,\n"
    "  INDEX i_attrs mapValues(attrs) TYPE bloom_filter(0.01) GRANULARITY 1,\n"
    "  INDEX i_duration duration TYPE minmax GRANULARITY 1\n"
    ") ENGINE = MergeTree PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY (service, toStartOfMinute(ts), trace_id)" HS_KEEP;

// One row for each trace of a cut: what is known of the trace is the sum of its rows (the view `traces`).
constexpr std::string_view trace_parts =
    "CREATE TABLE IF NOT EXISTS trace_parts (\n"
    "  trace_id FixedString(16) CODEC(ZSTD(1)),\n"
    "  ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),\n"
    "  end_ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),\n"
    "  spans UInt64 CODEC(T64, ZSTD(1)),\n"
    "  errors UInt64 CODEC(T64, ZSTD(1)),\n"
    "  root_service LowCardinality(String),\n"
    "  root_name LowCardinality(String),\n"
    "  services Array(LowCardinality(String)) CODEC(ZSTD(1)),\n" HS_FACT
    "\n) ENGINE = MergeTree PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY trace_id" HS_KEEP;

constexpr std::string_view traces =
    "CREATE VIEW IF NOT EXISTS traces AS SELECT tenant, trace_id, min(p.ts) AS ts, max(p.end_ts) AS end_ts,\n"
    "  sum(p.spans) AS spans, sum(p.errors) AS errors,\n"
    "  max(p.root_service) AS root_service, max(p.root_name) AS root_name,\n"
    "  arrayDistinct(arrayFlatten(groupArray(p.services))) AS services\n"
    "FROM trace_parts AS p GROUP BY tenant, trace_id";

// The body's index finds granules by token. Measured against a text index and against none, CPU-s per million lines of
// 180 bytes: insert 1.8 (2.9, 1.3), merge 1.8 (3.8, 1.2); bytes a row 49 (78, 45); a needle in 500,000 lines 0.012
// CPU-s (0.006, 0.070). A text index can be added by a later migration where needles matter more than room.
constexpr std::string_view logs =
    "CREATE TABLE IF NOT EXISTS logs (\n"
    "  ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),\n"
    "  observed_ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),\n"
    "  service LowCardinality(String),\n"
    "  resource_id UInt64 CODEC(ZSTD(1)),\n"
    "  scope_id UInt64 CODEC(ZSTD(1)),\n"
    "  severity UInt8 CODEC(ZSTD(1)),\n"
    "  severity_text LowCardinality(String),\n"
    "  body String CODEC(ZSTD(1)),\n"
    "  body_type UInt8 CODEC(ZSTD(1)),\n"
    "  event_name LowCardinality(String),\n"
    "  trace_id FixedString(16) CODEC(ZSTD(1)),\n"
    "  span_id UInt64 CODEC(LZ4),\n"
    "  flags UInt32 CODEC(ZSTD(1)),\n" HS_ATTRIBUTES "  dropped_attributes UInt32,\n" HS_FACT
    ",\n"
    "  INDEX i_body body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 1,\n"
    "  INDEX i_trace trace_id TYPE bloom_filter(0.001) GRANULARITY 1,\n"
    "  INDEX i_attrs mapValues(attrs) TYPE bloom_filter(0.01) GRANULARITY 1\n"
    ") ENGINE = MergeTree PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY (service, resource_id, ts)" HS_KEEP;

// An integer's exact value is toInt64(value) + int_rest; int_rest is 0 below 2^53.
constexpr std::string_view samples =
    "CREATE TABLE IF NOT EXISTS samples (\n"
    "  series_id UInt64 CODEC(Delta, ZSTD(1)),\n"
    "  ts DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),\n"
    "  value Float64 CODEC(Delta, ZSTD(1)),\n"
    "  is_int UInt8 CODEC(ZSTD(1)),\n"
    "  int_rest Int64 CODEC(ZSTD(1)),\n"
    "  start_ts DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),\n"
    "  flags UInt32 CODEC(ZSTD(1)),\n" HS_FACT
    "\n) ENGINE = MergeTree PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY (toStartOfHour(ts), series_id, ts)" HS_KEEP;

// Histograms (3), exponential histograms (4) and summaries (5). `has`: bit 0 sum, bit 1 min, bit 2 max.
// `bounds` are a summary's quantiles.
constexpr std::string_view distributions =
    "CREATE TABLE IF NOT EXISTS distributions (\n"
    "  series_id UInt64 CODEC(Delta, ZSTD(1)),\n"
    "  ts DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),\n"
    "  start_ts DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)),\n"
    "  flags UInt32 CODEC(ZSTD(1)),\n"
    "  kind UInt8 CODEC(ZSTD(1)),\n"
    "  count UInt64 CODEC(Delta, ZSTD(1)),\n"
    "  sum Float64 CODEC(Gorilla, ZSTD(1)),\n"
    "  min Float64 CODEC(Gorilla, ZSTD(1)),\n"
    "  max Float64 CODEC(Gorilla, ZSTD(1)),\n"
    "  has UInt8 CODEC(ZSTD(1)),\n"
    "  bounds Array(Float64) CODEC(ZSTD(1)),\n"
    "  counts Array(UInt64) CODEC(ZSTD(1)),\n"
    "  quantile_values Array(Float64) CODEC(ZSTD(1)),\n"
    "  scale Int32 CODEC(ZSTD(1)),\n"
    "  zero_count UInt64 CODEC(ZSTD(1)),\n"
    "  zero_threshold Float64 CODEC(ZSTD(1)),\n"
    "  positive_offset Int32 CODEC(ZSTD(1)),\n"
    "  positive_counts Array(UInt64) CODEC(ZSTD(1)),\n"
    "  negative_offset Int32 CODEC(ZSTD(1)),\n"
    "  negative_counts Array(UInt64) CODEC(ZSTD(1)),\n" HS_FACT
    "\n) ENGINE = MergeTree PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY (toStartOfHour(ts), series_id, ts)" HS_KEEP;

constexpr std::string_view exemplars =
    "CREATE TABLE IF NOT EXISTS exemplars (\n"
    "  series_id UInt64 CODEC(Delta, ZSTD(1)),\n"
    "  ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),\n"
    "  point_ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),\n"
    "  value Float64 CODEC(ZSTD(1)),\n"
    "  is_int UInt8 CODEC(ZSTD(1)),\n"
    "  int_rest Int64 CODEC(ZSTD(1)),\n"
    "  trace_id FixedString(16) CODEC(ZSTD(1)),\n"
    "  span_id UInt64 CODEC(LZ4),\n" HS_ATTRIBUTES HS_FACT
    "\n) ENGINE = MergeTree PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY (toStartOfHour(ts), series_id, ts)" HS_KEEP;

// Dictionaries: told again in each partition of facts that refers to them, so that dropping partitions leaves what is
// kept explained. `ts` is the partition's first instant: one row an id and partition.
constexpr std::string_view series =
    "CREATE TABLE IF NOT EXISTS series (\n"
    "  series_id UInt64,\n"
    "  metric LowCardinality(String),\n"
    "  unit LowCardinality(String),\n"
    "  description LowCardinality(String),\n"
    "  kind UInt8,\n"
    "  temporality UInt8,\n"
    "  monotonic UInt8,\n"
    "  service LowCardinality(String),\n"
    "  resource_id UInt64 CODEC(ZSTD(1)),\n"
    "  scope_id UInt64 CODEC(ZSTD(1)),\n" HS_ATTRIBUTES
    "  metadata_attrs Map(LowCardinality(String), String) CODEC(ZSTD(1)),\n"
    "  metadata_attr_types LowCardinality(String),\n"
    "  ts DateTime64(9, 'UTC') CODEC(ZSTD(1)),\n" HS_FACT
    "\n) ENGINE = ReplacingMergeTree PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY (metric, series_id)" HS_KEEP;

constexpr std::string_view resources =
    "CREATE TABLE IF NOT EXISTS resources (\n"
    "  resource_id UInt64,\n"
    "  service LowCardinality(String),\n"
    "  instance String CODEC(ZSTD(1)),\n" HS_ATTRIBUTES
    "  schema_url LowCardinality(String),\n"
    "  dropped_attributes UInt32,\n"
    "  ts DateTime64(9, 'UTC') CODEC(ZSTD(1)),\n" HS_FACT
    "\n) ENGINE = ReplacingMergeTree PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY (tenant, resource_id)" HS_KEEP;

constexpr std::string_view scopes =
    "CREATE TABLE IF NOT EXISTS scopes (\n"
    "  scope_id UInt64,\n"
    "  name LowCardinality(String),\n"
    "  version LowCardinality(String),\n" HS_ATTRIBUTES
    "  schema_url LowCardinality(String),\n"
    "  dropped_attributes UInt32,\n"
    "  ts DateTime64(9, 'UTC') CODEC(ZSTD(1)),\n" HS_FACT
    "\n) ENGINE = ReplacingMergeTree PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY (tenant, scope_id)" HS_KEEP;

// Which keys and values occur; counts are estimates from a part of the rows. signal: 1 traces, 2 metrics, 3 logs;
// level: 1 resource, 2 span, record or point. The value '' also stands for those that are not listed.
constexpr std::string_view facets =
    "CREATE TABLE IF NOT EXISTS facets (\n"
    "  tenant LowCardinality(String),\n"
    "  signal UInt8,\n"
    "  level UInt8,\n"
    "  key LowCardinality(String),\n"
    "  value String CODEC(ZSTD(1)),\n"
    "  ts DateTime64(9, 'UTC') CODEC(ZSTD(1)),\n"
    "  count SimpleAggregateFunction(sum, UInt64),\n"
    "  cut SimpleAggregateFunction(max, UInt64),\n"
    "  inserted_at SimpleAggregateFunction(max, DateTime('UTC')) DEFAULT now()\n"
    ") ENGINE = AggregatingMergeTree PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY (tenant, signal, level, key, value)" HS_KEEP;

}  // namespace

std::span<const std::string_view> first_tables() {
  static constexpr std::array<std::string_view, 11> all = {
      spans, trace_parts, traces, logs, samples, distributions, exemplars, series, resources, scopes, facets};
  return all;
}

}  // namespace hs::store
