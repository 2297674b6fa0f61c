#pragma once
// Which rows of which batches go into a block, and columns that every table has. Internal to the encoder.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/block.h"
#include "store/native_writer.h"

namespace hs::store {

// What was sent, and what it is stored under.
struct Time {
  int64_t ts = 0;
  int64_t sent = 0;  // 0: as it is; time_unknown: none was sent
};
inline constexpr int64_t time_unknown = -1;
Time clamp_time(UnixNanos sent, UnixNanos received, bool any_time = false);
int64_t partition_of(int64_t ts);  // its first Unix second

// A row of a block: a row of a batch, or what a signal makes of it.
struct Row {
  uint32_t batch = 0, row = 0;
  Time time;
};
using Rows = std::vector<Row>;

// The rows of one table by partition, in ascending order of partition; within one, in the order they were given.
struct Partition {
  int64_t start = 0;
  Rows rows;
};
std::vector<Partition> by_partition(Rows rows);

enum class Dictionary : uint8_t { series = 1, resources = 2, scopes = 3 };  // for Described::first

// What encoding of one cut shares.
struct Cut {
  std::span<const StoredBatch> batches;  // of all signals
  uint64_t number = 0;
  Described* described = nullptr;
  std::vector<Block>* facts = nullptr;
  std::vector<Block>* dictionaries = nullptr;
  std::map<int64_t, std::vector<std::pair<model::Signal, Rows>>> stored;  // by partition: whose origins to describe

  const model::Batch& batch(const Row& row) const { return *batches[row.batch].batch; }
};

// Room for a block of these rows: what their requests took, and a little for each row.
size_t bytes_expected(const Cut& cut, const Rows& rows);

// Names the block, adds the columns that every table has (ts, ts_sent, tenant, cut), and finishes it.
Block finish_block(const Cut& cut, NativeBlock& native, std::string_view table, int64_t partition, const Rows& rows,
                   bool fact);

// attrs and attr_types (with `prefix` before their names) of each row: `attributes(i)` gives begin and end.
using AttributeRange = std::pair<const model::Attribute*, const model::Attribute*>;
void write_attributes(NativeBlock& native, std::string_view prefix, const std::vector<AttributeRange>& rows);
// The same for arrays: element e of row i; `ends` are the ends of the rows in `elements`.
void write_attribute_arrays(NativeBlock& native, std::string_view prefix, const std::vector<uint64_t>& ends,
                            const std::vector<AttributeRange>& elements);
AttributeRange attributes_of(const std::vector<model::Attribute>& attributes);
AttributeRange attributes_of(const model::AttributeColumn& column, size_t row);

// Writes the column only when a value differs from the default: the engine fills in the rest, for less.
template <class T, class F>
void fixed_unless_zero(NativeBlock& native, std::string_view name, std::string_view type, F value) {
  for (size_t i = 0; i < native.rows(); ++i) {
    if (value(i) != T{}) return native.fixed<T>(name, type, value);
  }
}
template <class F>
void text_unless_empty(NativeBlock& native, std::string_view name, F value) {
  for (size_t i = 0; i < native.rows(); ++i) {
    if (!value(i).empty()) return native.text(name, value);
  }
}
template <class F>
void words_unless_empty(NativeBlock& native, std::string_view name, F value) {
  for (size_t i = 0; i < native.rows(); ++i) {
    if (!value(i).empty()) return native.low_cardinality(name, value);
  }
}

void encode_spans(Cut& cut);
void encode_logs(Cut& cut);
void encode_points(Cut& cut);
// Resources, scopes and facets of the rows in Cut::stored: one block a table and partition, whatever the signals.
void describe_origins(Cut& cut);
void encode_facets(Cut& cut);

}  // namespace hs::store
