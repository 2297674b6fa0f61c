#include "store/rows.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace hs::store {
namespace {

constexpr std::string_view map_type = "Map(LowCardinality(String), String)";
constexpr int64_t partition_ns = partition_s * nanos_per_s;

std::string prefixed(std::string_view prefix, std::string_view name) { return fmt::format("{}{}", prefix, name); }

// Keys as indices of words. Rows of one kind repeat each other's keys at the same places; kinds differ in the keys'
// lengths. So that is looked at first.
class Keys {
 public:
  uint32_t index(std::string_view key, size_t place) {
    uint32_t& last = last_[(place * 16 + key.size()) % last_.size()];
    if (last < words_.all().size() && equal_text(words_.all()[last], key)) return last;
    return last = words_.index(key);
  }
  const Words& words() const { return words_; }

 private:
  Words words_;
  std::array<uint32_t, 1024> last_{};
};

// The types of each row's attributes: one letter each, in the map's order.
struct Types {
  Words words;
  std::vector<uint32_t> indices;
  model::Arena kept;
};

// Offsets, keys, values; the types are gathered in the same pass, because attributes are far more than caches hold.
Types write_map_content(NativeBlock& native, const std::vector<AttributeRange>& rows, uint64_t total) {
  uint64_t end = 0;
  native.values<uint64_t>(rows.size(),
                          [&](size_t i) { return end += static_cast<uint64_t>(rows[i].second - rows[i].first); });
  Keys keys;
  Types types;
  std::vector<uint32_t> indices;
  indices.reserve(total);
  types.indices.reserve(rows.size());
  std::string letters;
  for (const auto& [begin, stop] : rows) {
    letters.clear();
    for (const model::Attribute* a = begin; a != stop; ++a) {
      indices.push_back(keys.index(a->key, static_cast<size_t>(a - begin)));
      letters.push_back(static_cast<char>(a->type));
    }
    const auto keep = [&](std::string_view w) { return types.kept.copy(w); };
    types.indices.push_back(types.words.index_of_passing(letters, keep));
  }
  native.words_and_indices(keys.words(), indices);
  Out& out = native.out();
  for (const auto& [begin, stop] : rows) {
    for (const model::Attribute* a = begin; a != stop; ++a) out.text(a->value);
  }
  return types;
}

uint64_t total_of(const std::vector<AttributeRange>& rows) {
  uint64_t total = 0;
  for (const auto& [begin, stop] : rows) total += static_cast<uint64_t>(stop - begin);
  return total;
}

}  // namespace

Time clamp_time(UnixNanos sent, UnixNanos received, bool any_time) {
  const int64_t oldest = any_time ? 0 : received - time_past_max_ns;
  const int64_t clamped = std::clamp(sent, oldest, received + time_future_max_ns);
  return {clamped, clamped == sent ? 0 : sent};
}

int64_t partition_of(int64_t ts) {
  const int64_t floor = ts >= 0 ? ts / partition_ns : -((partition_ns - 1 - ts) / partition_ns);
  return floor * partition_s;
}

std::vector<Partition> by_partition(Rows rows) {
  std::vector<Partition> partitions;
  if (rows.empty()) return partitions;
  const int64_t first = partition_of(rows.front().time.ts);
  const int64_t begin = first * nanos_per_s;
  const bool one = std::all_of(rows.begin(), rows.end(),
                               [&](const Row& r) { return r.time.ts >= begin && r.time.ts - begin < partition_ns; });
  if (one) {  // nearly always
    partitions.push_back({first, std::move(rows)});
    return partitions;
  }
  std::map<int64_t, Rows> sorted;
  for (const Row& row : rows) sorted[partition_of(row.time.ts)].push_back(row);
  for (auto& [start, of_partition] : sorted) partitions.push_back({start, std::move(of_partition)});
  return partitions;
}

size_t bytes_expected(const Cut& cut, const Rows& rows) {
  size_t bytes = 0;
  uint32_t last = UINT32_MAX;
  for (const Row& row : rows) {  // batches come in order: each is looked at once
    if (row.batch != last) bytes += cut.batch(row).arena.bytes();
    last = row.batch;
  }
  return bytes / 4 * 3 + rows.size() * 48;
}

Block finish_block(const Cut& cut, NativeBlock& native, std::string_view table, int64_t partition, const Rows& rows,
                   bool fact) {
  native.fixed<int64_t>("ts", "DateTime64(9, 'UTC')", [&](size_t i) { return rows[i].time.ts; });
  fixed_unless_zero<int64_t>(native, "ts_sent", "Int64", [&](size_t i) { return rows[i].time.sent; });
  words_unless_empty(native, "tenant", [&](size_t i) { return cut.batches[rows[i].batch].tenant; });
  native.fixed<uint64_t>("cut", "UInt64", [&](size_t) { return cut.number; });
  Block block;
  block.table = table;
  block.partition = std::to_string(partition);
  block.token = fmt::format("{}-{}-{}", cut.number, table, partition);
  block.cut = cut.number;
  block.rows = rows.size();
  block.fact = fact;
  block.native = native.finish();
  return block;
}

AttributeRange attributes_of(const std::vector<model::Attribute>& attributes) {
  return {attributes.data(), attributes.data() + attributes.size()};
}

AttributeRange attributes_of(const model::AttributeColumn& column, size_t row) {
  return {column.begin(row), column.end(row)};
}

void write_attributes(NativeBlock& native, std::string_view prefix, const std::vector<AttributeRange>& rows) {
  const uint64_t total = total_of(rows);
  if (total == 0) return;
  native.column(prefixed(prefix, "attrs"), map_type);
  native.words_prefix();
  const Types types = write_map_content(native, rows, total);
  native.column(prefixed(prefix, "attr_types"), "LowCardinality(String)");
  native.words_prefix();
  native.words_and_indices(types.words, types.indices);
}

void write_attribute_arrays(NativeBlock& native, std::string_view prefix, const std::vector<uint64_t>& ends,
                            const std::vector<AttributeRange>& elements) {
  const auto end_of = [&](size_t i) { return ends[i]; };
  native.column(prefixed(prefix, "attrs"), fmt::format("Array({})", map_type));
  native.words_prefix();
  native.values<uint64_t>(ends.size(), end_of);
  const Types types = write_map_content(native, elements, total_of(elements));
  native.column(prefixed(prefix, "attr_types"), "Array(LowCardinality(String))");
  native.words_prefix();
  native.values<uint64_t>(ends.size(), end_of);
  native.words_and_indices(types.words, types.indices);
}

}  // namespace hs::store
