// Migration 3. Released: do not edit.
//
// What Prometheus sends beyond OpenTelemetry: native histograms with float counts, with custom buckets (scale -53, the
// upper bounds in `bounds`) and hints about resets; what its metadata say of a name. Series of kind 6 are Prometheus'.

#include <array>

#include "store/schema_tables.h"

namespace hs::store {
namespace {

constexpr std::string_view float_counts =
    "ALTER TABLE distributions\n"
    "  ADD COLUMN IF NOT EXISTS is_float UInt8 CODEC(ZSTD(1)),\n"
    "  ADD COLUMN IF NOT EXISTS float_count Float64 CODEC(Gorilla, ZSTD(1)),\n"
    "  ADD COLUMN IF NOT EXISTS float_zero_count Float64 CODEC(Gorilla, ZSTD(1)),\n"
    "  ADD COLUMN IF NOT EXISTS positive_float_counts Array(Float64) CODEC(ZSTD(1)),\n"
    "  ADD COLUMN IF NOT EXISTS negative_float_counts Array(Float64) CODEC(ZSTD(1)),\n"
    "  ADD COLUMN IF NOT EXISTS reset_hint UInt8 CODEC(ZSTD(1))";

constexpr std::string_view families =
    "CREATE TABLE IF NOT EXISTS metric_families (\n"
    "  name LowCardinality(String),\n"
    "  type LowCardinality(String),\n"
    "  help LowCardinality(String),\n"
    "  unit LowCardinality(String),\n"
    "  ts DateTime64(9, 'UTC') CODEC(ZSTD(1)),\n"
    "  tenant LowCardinality(String),\n"
    "  cut UInt64 CODEC(Delta, ZSTD(1)),\n"
    "  inserted_at DateTime('UTC') DEFAULT now() CODEC(Delta, ZSTD(1)),\n"
    "  ts_sent Int64 CODEC(ZSTD(1)),\n"
    "  INDEX i_cut cut TYPE minmax GRANULARITY 65536\n"
    ") ENGINE = ReplacingMergeTree(cut) PARTITION BY toStartOfInterval(ts, INTERVAL 6 HOUR)\n"
    "ORDER BY (tenant, name) SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1,\n"
    "  fsync_part_directory = 1, min_level_for_wide_part = 1";

}  // namespace

std::span<const std::string_view> prometheus_columns() {
  static constexpr std::array<std::string_view, 2> all = {float_counts, families};
  return all;
}

}  // namespace hs::store
