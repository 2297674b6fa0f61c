#pragma once
// From batches to what the engine takes: one block for each table and partition of a cut.
//
// Two kinds of tables. Facts (spans, logs, samples ...) are stored exactly once: a cut makes at most one block of a
// fact table and partition, always with the same rows. Dictionaries (series, resources, scopes, facets) describe facts
// and may be stored again without harm; what was described lately is left out, so their blocks may differ at a replay.
//
// Time that nobody can mean is clamped before partitioning, into [received - time_past_max, received + time_future_max]
// of the request, so that hostile timestamps cannot make more than partitions_per_cut_max blocks; the column `ts_sent`
// keeps what was sent (0: as it is). The bounds are constants, not settings: a replay must cut the same partitions.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/batch.h"
#include "model/sampling.h"

namespace hs::store {

inline constexpr int64_t partition_s = 6 * 3600;  // UTC; persistent: tables are partitioned by it
inline constexpr int64_t time_past_max_ns = 30LL * 86'400 * nanos_per_s;
inline constexpr int64_t time_future_max_ns = 3'600 * nanos_per_s;

struct StoredBatch {
  const model::Batch* batch = nullptr;
  UnixNanos received_at = 0;
  std::string_view tenant;
  model::Kept kept = {};  // which of its spans are stored
};

struct Block {
  std::string table;      // without the database
  std::string partition;  // the engine's partition id: the partition's first Unix second, in decimal
  std::string token;      // "<cut>-<table>-<partition>": the engine drops a second block of this token
  uint64_t cut = 0;
  uint64_t rows = 0;
  bool fact = true;    // false: a dictionary
  std::string native;  // ClickHouse's Native format, one block
};

// Remembers what dictionaries were told lately. Thread-safe. Bounded: beyond described_max it forgets everything, which
// costs repeated rows and nothing else.
class Described {
 public:
  static constexpr size_t described_max = 1'000'000;  // 16 bytes each: about 40 MB of hash set
  Described();
  ~Described();
  // True when (table, partition, id) was not told before, and notes it.
  bool first(uint8_t table, int64_t partition, uint64_t id);
  // After a dictionary's block was refused: tell everything again.
  void forget();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Facts first, then dictionaries, each by table and partition. Pure but for `described`; any thread.
std::vector<Block> encode_blocks(std::span<const StoredBatch> batches, uint64_t cut, Described& described);

// The id of a series: 16 bits of its metric name's hash, then 48 of everything else that makes it one (tenant, metric
// name, unit, kind, temporality, monotonic, resource, scope, point attributes). So the series of a metric lie together
// on disk, and the id needs no allocation: it is the same after a restart, on another machine, in a replay.
uint64_t series_id(std::string_view tenant, const model::Batch& batch, size_t point);
// Of every point of a batch.
std::vector<uint64_t> series_ids(std::string_view tenant, const model::Batch& batch);
// First and last possible series id of a metric, for range conditions on the primary key.
struct SeriesRange {
  uint64_t first, last;
};
SeriesRange series_range(std::string_view metric_name);

}  // namespace hs::store
