// What is packed, after a start: `packed_slots` says what each packing had of `samples` and `distributions`, and the
// engine how many rows there are now. Rows are only ever added to a slot, or dropped by retention.

#include <cstdlib>
#include <map>

#include "promql/store/packer.h"
#include "store/block.h"

namespace hs::promql::store {
namespace {

struct Rows {
  uint64_t samples = 0, distributions = 0;
  bool operator==(const Rows&) const = default;
};

struct Told {  // by a row of `packed_slots`
  uint64_t generation = 0, packings = 0;
  Rows rows;
  bool whole = false;  // has what we would pack today
};

int64_t partition_of(int64_t slot) { return slot / db::partition_s * db::partition_s; }

}  // namespace

struct Packer::Loading {
  db::Client& client;
  const std::stop_token& stop;
  std::map<int64_t, Told> told;          // by slot
  std::map<int64_t, uint64_t> packings;  // rows of those in `packed_samples`
  std::vector<PackedIndex::Packing> garbage;
  uint64_t last_generation = 0;

  using Row = std::function<void(const db::ResultBlock&, size_t)>;
  Status each(std::string_view sql, const Row& row, std::string partition = "") const {
    db::Query query{
        .sql = sql, .timeout_ms = packer_timeout_ms, .memory_bytes_max = packer_engine_bytes_max, .cancel = stop};
    if (!partition.empty()) query.params.emplace_back("partition", std::move(partition));
    HS_TRY(client.query(query, [&](const db::ResultBlock& block) {
      for (size_t i = 0; i < block.rows; ++i) row(block, i);
      return true;
    }));
    return {};
  }
  Status read_told();
  Status read_packings();
  Result<std::map<int64_t, Rows>> partitions() const;
  Result<std::map<int64_t, Rows>> slots_of(int64_t partition, const Rows& rows) const;
};

Status Packer::Loading::read_told() {
  return each("SELECT slot, generation, samples, distributions, packings, revision FROM packed_slots",
              [&](const db::ResultBlock& block, size_t i) {
                const auto number = [&](std::string_view name) { return column(block, name).u64(i); };
                Told& slot = told[static_cast<int64_t>(number("slot"))];
                if (number("generation") < slot.generation) return;
                slot = {number("generation"), number("packings"), {number("samples"), number("distributions")}};
                slot.whole = slot.rows.distributions == 0 || number("revision") >= packed_revision;
                last_generation = std::max(last_generation, slot.generation);
              });
}

Status Packer::Loading::read_packings() {
  return each("SELECT slot, generation, count() AS n FROM packed_samples GROUP BY slot, generation",
              [&](const db::ResultBlock& block, size_t i) {
                const PackedIndex::Packing one{static_cast<int64_t>(column(block, "slot").u64(i)),
                                               column(block, "generation").u64(i)};
                last_generation = std::max(last_generation, one.generation);
                const auto at = told.find(one.slot);
                if (at != told.end() && at->second.generation == one.generation)
                  packings[one.slot] = column(block, "n").u64(i);
                else
                  garbage.push_back(one);
              });
}

// Their rows, which the engine knows without reading any.
Result<std::map<int64_t, Rows>> Packer::Loading::partitions() const {
  std::map<int64_t, Rows> out;
  HS_TRY(
      each("SELECT partition_id, sumIf(rows, table = 'samples') AS samples, sumIf(rows, table = 'distributions')"
           " AS distributions FROM system.parts WHERE database = currentDatabase() AND active"
           " AND table IN ('samples', 'distributions') GROUP BY partition_id",
           [&](const db::ResultBlock& block, size_t i) {
             const std::string id(column(block, "partition_id").text(i));
             out[std::strtoll(id.c_str(), nullptr, 10)] = {column(block, "samples").u64(i),
                                                           column(block, "distributions").u64(i)};
           }));
  return out;
}

// Counted only where the partition does not have exactly what was packed of it.
Result<std::map<int64_t, Rows>> Packer::Loading::slots_of(int64_t partition, const Rows& rows) const {
  std::map<int64_t, Rows> out;
  Rows sum;
  for (auto at = told.lower_bound(partition); at != told.end() && partition_of(at->first) == partition; ++at) {
    out[at->first] = at->second.rows;
    sum.samples += at->second.rows.samples;
    sum.distributions += at->second.rows.distributions;
  }
  if (sum == rows) return out;
  out.clear();
  const std::string id = std::to_string(partition);
  const auto slot = [](const db::ResultBlock& block, size_t i) { return column(block, "slot").i64(i); };
  HS_TRY(each(
      "SELECT intDiv(toUnixTimestamp(ts), 7200) * 7200 AS slot, count() AS n FROM samples"
      " WHERE _partition_id = {partition:String} GROUP BY slot",
      [&](const auto& block, size_t i) { out[slot(block, i)].samples = column(block, "n").u64(i); }, id));
  HS_TRY(each(
      "SELECT intDiv(toUnixTimestamp(ts), 7200) * 7200 AS slot, count() AS n FROM distributions"
      " WHERE _partition_id = {partition:String} GROUP BY slot",
      [&](const auto& block, size_t i) { out[slot(block, i)].distributions = column(block, "n").u64(i); }, id));
  return out;
}

Status Packer::load(const std::stop_token& stop) {
  Loading loading{.client = client_, .stop = stop, .told = {}, .packings = {}, .garbage = {}};
  HS_TRY(loading.read_told());
  HS_TRY(loading.read_packings());
  last_generation_ = std::max(last_generation_, loading.last_generation);
  HS_ASSIGN(const auto partitions, loading.partitions());
  for (const auto& [partition, rows] : partitions) {
    HS_ASSIGN(const auto slots, loading.slots_of(partition, rows));
    for (const auto& [slot, has] : slots) {
      const Told packed = loading.told[slot];
      const bool complete =
          packed.whole && packed.generation != 0 && packed.rows == has && packed.packings == loading.packings[slot];
      index_.loaded({slot, packed.generation}, complete);
    }
  }
  for (const PackedIndex::Packing& one : loading.garbage) HS_TRY(remove(one, stop));
  return {};
}

}  // namespace hs::promql::store
