// Log records.

#include "store/rows.h"

namespace hs::store {
namespace {

using model::Logs;

// A record without a time has the time it was seen at; without that, the time it was received at.
Time time_of(const Logs& logs, uint32_t row, UnixNanos received) {
  if (logs.time[row] != 0) return clamp_time(logs.time[row], received);
  const UnixNanos seen = logs.observed_time[row] != 0 ? logs.observed_time[row] : received;
  return {clamp_time(seen, received).ts, time_unknown};
}

struct Writer {
  const Cut& cut;
  const Rows& rows;
  NativeBlock native;
  Writer(const Cut& c, const Rows& r) : cut(c), rows(r), native(r.size(), bytes_expected(c, r)) {}

  const Logs& logs(size_t i) const { return cut.batch(rows[i]).logs; }
  template <class T, class Column>
  void number(std::string_view name, std::string_view type, Column column) {
    fixed_unless_zero<T>(native, name, type, [&](size_t i) { return (logs(i).*column)[rows[i].row]; });
  }
  template <class Column>
  void words(std::string_view name, Column column) {
    words_unless_empty(native, name, [&](size_t i) { return (logs(i).*column)[rows[i].row]; });
  }
};

void write_origin(Writer& w) {
  const auto resource = [&](size_t i) -> const model::Resource& {
    return w.cut.batch(w.rows[i]).resources[w.logs(i).resource[w.rows[i].row]];
  };
  w.native.low_cardinality("service", [&](size_t i) { return resource(i).service; });
  w.native.fixed<uint64_t>("resource_id", "UInt64", [&](size_t i) { return resource(i).id; });
  w.native.fixed<uint64_t>("scope_id", "UInt64",
                           [&](size_t i) { return w.cut.batch(w.rows[i]).scopes[w.logs(i).scope[w.rows[i].row]].id; });
}

Block write_block(const Cut& cut, const Partition& partition) {
  Writer w(cut, partition.rows);
  write_origin(w);
  w.number<int64_t>("observed_ts", "DateTime64(9, 'UTC')", &Logs::observed_time);
  w.number<uint8_t>("severity", "UInt8", &Logs::severity);
  w.words("severity_text", &Logs::severity_text);
  w.native.text("body", [&](size_t i) { return w.logs(i).body[w.rows[i].row]; });
  w.native.fixed<uint8_t>("body_type", "UInt8",
                          [&](size_t i) { return static_cast<uint8_t>(w.logs(i).body_type[w.rows[i].row]); });
  w.words("event_name", &Logs::event_name);
  w.number<model::TraceId>("trace_id", "FixedString(16)", &Logs::trace_id);
  w.number<uint64_t>("span_id", "UInt64", &Logs::span_id);
  w.number<uint32_t>("flags", "UInt32", &Logs::flags);
  std::vector<AttributeRange> attributes;
  attributes.reserve(w.rows.size());
  for (size_t i = 0; i < w.rows.size(); ++i) {
    attributes.push_back(attributes_of(w.logs(i).attributes, w.rows[i].row));
  }
  write_attributes(w.native, "", attributes);
  w.number<uint32_t>("dropped_attributes", "UInt32", &Logs::dropped_attributes);
  return finish_block(cut, w.native, "logs", partition.start, partition.rows, true);
}

}  // namespace

void encode_logs(Cut& cut) {
  Rows rows;
  for (uint32_t b = 0; b < cut.batches.size(); ++b) {
    const StoredBatch& stored = cut.batches[b];
    if (stored.batch->signal != model::Signal::logs) continue;
    const Logs& logs = stored.batch->logs;
    for (uint32_t r = 0; r < logs.size(); ++r) rows.push_back({b, r, time_of(logs, r, stored.received_at)});
  }
  for (Partition& partition : by_partition(std::move(rows))) {
    cut.facts->push_back(write_block(cut, partition));
    cut.stored[partition.start].emplace_back(model::Signal::logs, std::move(partition.rows));
  }
}

}  // namespace hs::store
