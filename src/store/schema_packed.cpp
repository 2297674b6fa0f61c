// Migration 4. Released: do not edit.
//
// Samples once more, by series: two hours of one lie in few rows, as promql/store/packed.h packs them (its bytes are in
// docs/formats/store.md). Derived from `samples` and `distributions`, by slots of two hours; a row of `packed_slots`
// makes the rows of its generation count, and says how many rows the slot had then. Granules are small, because a
// question takes few rows of many bytes each.

#include <array>

#include "store/schema_tables.h"

#define HS_KEEP " SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_level_for_wide_part = 1"

namespace hs::store {
namespace {

constexpr std::string_view samples =
    "CREATE TABLE IF NOT EXISTS packed_samples (\n"
    "  series_id UInt64 CODEC(Delta, ZSTD(1)),\n"
    "  slot DateTime('UTC') CODEC(Delta, ZSTD(1)),\n"
    "  ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),\n"
    "  end_ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),\n"
    "  samples UInt32 CODEC(ZSTD(1)),\n"
    "  histograms UInt8 CODEC(ZSTD(1)),\n"
    "  packed String CODEC(ZSTD(1)),\n"
    "  generation UInt64 CODEC(Delta, ZSTD(1)),\n"
    "  tenant LowCardinality(String)\n"
    ") ENGINE = MergeTree PARTITION BY toStartOfInterval(slot, INTERVAL 6 HOUR)\n"
    "ORDER BY (series_id, slot, ts)" HS_KEEP ", index_granularity = 64";

constexpr std::string_view slots =
    "CREATE TABLE IF NOT EXISTS packed_slots (\n"
    "  slot DateTime('UTC'),\n"
    "  generation UInt64,\n"
    "  samples UInt64,\n"
    "  distributions UInt64,\n"
    "  packings UInt64,\n"
    "  packed_at DateTime('UTC') DEFAULT now()\n"
    ") ENGINE = ReplacingMergeTree(generation) PARTITION BY toStartOfInterval(slot, INTERVAL 6 HOUR)\n"
    "ORDER BY slot" HS_KEEP;

}  // namespace

std::span<const std::string_view> packed_tables() {
  static constexpr std::array<std::string_view, 2> all = {samples, slots};
  return all;
}

}  // namespace hs::store
