// Spans, and one summary row for each trace that the cut has spans of.

#include <algorithm>
#include <deque>
#include <string>
#include <unordered_map>

#include "base/hash.h"
#include "store/rows.h"

namespace hs::store {
namespace {

using model::Events;
using model::Links;
using model::Spans;
using model::TraceId;

constexpr uint8_t status_error = 2;

uint32_t begin_of(const std::vector<uint32_t>& ends, size_t row) { return row == 0 ? 0 : ends[row - 1]; }

struct Writer {
  const Cut& cut;
  const Rows& rows;
  NativeBlock native;
  Writer(const Cut& c, const Rows& r) : cut(c), rows(r), native(r.size(), bytes_expected(c, r)) {}

  const Spans& spans(size_t i) const { return cut.batch(rows[i]).spans; }
  template <class T, class Column>
  void number(std::string_view name, std::string_view type, Column column) {
    native.fixed<T>(name, type, [&](size_t i) { return static_cast<T>((spans(i).*column)[rows[i].row]); });
  }
  template <class T, class Column>
  void rare_number(std::string_view name, std::string_view type, Column column) {
    fixed_unless_zero<T>(native, name, type, [&](size_t i) { return (spans(i).*column)[rows[i].row]; });
  }
};

void write_identity(Writer& w) {
  w.number<TraceId>("trace_id", "FixedString(16)", &Spans::trace_id);
  w.number<uint64_t>("span_id", "UInt64", &Spans::span_id);
  w.number<uint64_t>("parent_id", "UInt64", &Spans::parent_id);
  const auto resource = [&](size_t i) -> const model::Resource& {
    return w.cut.batch(w.rows[i]).resources[w.spans(i).resource[w.rows[i].row]];
  };
  w.native.low_cardinality("service", [&](size_t i) { return resource(i).service; });
  w.native.fixed<uint64_t>("resource_id", "UInt64", [&](size_t i) { return resource(i).id; });
  w.native.fixed<uint64_t>("scope_id", "UInt64",
                           [&](size_t i) { return w.cut.batch(w.rows[i]).scopes[w.spans(i).scope[w.rows[i].row]].id; });
}

// A span of a share says for how many it stands.
void write_trace_state(Writer& w) {
  std::deque<std::string> changed;
  std::vector<std::string_view> states;
  states.reserve(w.rows.size());
  for (size_t i = 0; i < w.rows.size(); ++i) {
    const uint32_t row = w.rows[i].row;
    const uint64_t threshold = w.cut.batches[w.rows[i].batch].kept.threshold(row);
    std::string_view state = w.spans(i).trace_state[row];
    if (threshold != 0) state = changed.emplace_back(model::with_threshold(state, threshold));
    states.push_back(state);
  }
  text_unless_empty(w.native, "trace_state", [&](size_t i) { return states[i]; });
}

void write_content(Writer& w) {
  w.native.low_cardinality("name", [&](size_t i) { return w.spans(i).name[w.rows[i].row]; });
  w.number<uint8_t>("kind", "UInt8", &Spans::kind);
  w.number<uint8_t>("status", "UInt8", &Spans::status);
  text_unless_empty(w.native, "status_message", [&](size_t i) { return w.spans(i).status_message[w.rows[i].row]; });
  write_trace_state(w);
  w.rare_number<uint32_t>("flags", "UInt32", &Spans::flags);
  w.number<uint64_t>("duration", "UInt64", &Spans::duration_ns);
  std::vector<AttributeRange> attributes;
  attributes.reserve(w.rows.size());
  for (size_t i = 0; i < w.rows.size(); ++i) {
    attributes.push_back(attributes_of(w.spans(i).attributes, w.rows[i].row));
  }
  write_attributes(w.native, "", attributes);
  w.rare_number<uint32_t>("dropped_attributes", "UInt32", &Spans::dropped_attributes);
  w.rare_number<uint32_t>("dropped_events", "UInt32", &Spans::dropped_events);
  w.rare_number<uint32_t>("dropped_links", "UInt32", &Spans::dropped_links);
}

// The events or links of the block's spans, flat: where each is, and the ends of the rows.
struct Nested {
  struct Element {
    uint32_t row = 0;    // of the block
    uint32_t index = 0;  // in the batch's column
  };
  std::vector<Element> elements;
  std::vector<uint64_t> ends;
};

template <class Column>
Nested flatten(const Writer& w, Column column) {
  Nested nested;
  nested.ends.reserve(w.rows.size());
  for (uint32_t i = 0; i < w.rows.size(); ++i) {
    const std::vector<uint32_t>& ends = (w.spans(i).*column).ends;
    const uint32_t row = w.rows[i].row;
    for (uint32_t e = begin_of(ends, row); e < ends[row]; ++e) nested.elements.push_back({i, e});
    nested.ends.push_back(nested.elements.size());
  }
  return nested;
}

template <class T, class F>
void array_of(Writer& w, const Nested& nested, std::string_view name, std::string_view type, F value) {
  w.native.column(name, type);
  w.native.values<uint64_t>(nested.ends.size(), [&](size_t i) { return nested.ends[i]; });
  w.native.values<T>(nested.elements.size(), [&](size_t e) { return static_cast<T>(value(nested.elements[e])); });
}

template <class Column>
void nested_attributes(Writer& w, const Nested& nested, std::string_view prefix, Column column) {
  std::vector<AttributeRange> ranges;
  ranges.reserve(nested.elements.size());
  for (const Nested::Element& e : nested.elements) {
    ranges.push_back(attributes_of((w.spans(e.row).*column).attributes, e.index));
  }
  write_attribute_arrays(w.native, prefix, nested.ends, ranges);
}

void write_events(Writer& w) {
  const Nested nested = flatten(w, &Spans::events);
  if (nested.elements.empty()) return;
  const auto events = [&](const Nested::Element& e) -> const Events& { return w.spans(e.row).events; };
  array_of<int64_t>(w, nested, "events.ts", "Array(DateTime64(9, 'UTC'))",
                    [&](const Nested::Element& e) { return events(e).time[e.index]; });
  w.native.column("events.name", "Array(LowCardinality(String))");
  w.native.words_prefix();
  w.native.values<uint64_t>(nested.ends.size(), [&](size_t i) { return nested.ends[i]; });
  Words names;
  std::vector<uint32_t> indices;
  for (const Nested::Element& e : nested.elements) indices.push_back(names.index(events(e).name[e.index]));
  w.native.words_and_indices(names, indices);
  nested_attributes(w, nested, "events.", &Spans::events);
  array_of<uint32_t>(w, nested, "events.dropped", "Array(UInt32)",
                     [&](const Nested::Element& e) { return events(e).dropped_attributes[e.index]; });
}

void write_links(Writer& w) {
  const Nested nested = flatten(w, &Spans::links);
  if (nested.elements.empty()) return;
  const auto links = [&](const Nested::Element& e) -> const Links& { return w.spans(e.row).links; };
  array_of<TraceId>(w, nested, "links.trace_id", "Array(FixedString(16))",
                    [&](const Nested::Element& e) { return links(e).trace_id[e.index]; });
  array_of<uint64_t>(w, nested, "links.span_id", "Array(UInt64)",
                     [&](const Nested::Element& e) { return links(e).span_id[e.index]; });
  w.native.column("links.trace_state", "Array(String)");
  w.native.values<uint64_t>(nested.ends.size(), [&](size_t i) { return nested.ends[i]; });
  for (const Nested::Element& e : nested.elements) w.native.out().text(links(e).trace_state[e.index]);
  array_of<uint32_t>(w, nested, "links.flags", "Array(UInt32)",
                     [&](const Nested::Element& e) { return links(e).flags[e.index]; });
  nested_attributes(w, nested, "links.", &Spans::links);
  array_of<uint32_t>(w, nested, "links.dropped", "Array(UInt32)",
                     [&](const Nested::Element& e) { return links(e).dropped_attributes[e.index]; });
}

// What the cut knows of one trace.
struct Trace {
  Row first;  // where its tenant is; its time is the earliest start
  int64_t end = 0;
  uint64_t spans = 0, errors = 0;
  std::string_view root_service, root_name;
  std::vector<std::string_view> services;  // few: one of a trace's services has most of its spans in a row
};

struct TraceKey {
  TraceId id{};
  uint64_t tenant = 0;  // hash: a tenant cannot touch the summary of another one's trace
  bool operator==(const TraceKey&) const = default;
};
struct HashOfTrace {
  size_t operator()(const TraceKey& key) const noexcept {
    uint64_t low = 0;
    std::memcpy(&low, key.id.data() + 8, sizeof low);  // random in W3C and OpenTelemetry ids
    return (low ^ key.tenant) * 0x9E3779B97F4A7C15ULL;
  }
};

// Durations are whatever a sender says: they may not wrap the clock.
int64_t end_of(int64_t start, uint64_t duration) {
  const auto room = static_cast<uint64_t>(INT64_MAX - std::max<int64_t>(start, 0));
  return start + static_cast<int64_t>(std::min(duration, room));
}

void add_span(Trace& trace, const Spans& spans, const Row& row, std::string_view service) {
  const uint32_t r = row.row;
  if (trace.spans == 0 || row.time.ts < trace.first.time.ts) trace.first = {row.batch, r, {row.time.ts, 0}};
  trace.end = std::max(trace.end, end_of(row.time.ts, spans.duration_ns[r]));
  ++trace.spans;
  if (spans.status[r] == status_error) ++trace.errors;
  if (spans.parent_id[r] == 0 && trace.root_name.empty()) {
    trace.root_service = service;
    trace.root_name = spans.name[r];
  }
  for (const std::string_view known : trace.services) {
    if (known == service) return;
  }
  trace.services.push_back(service);
}

void write_services(NativeBlock& native, const std::vector<Trace>& traces) {
  native.column("services", "Array(LowCardinality(String))");
  native.words_prefix();
  uint64_t end = 0;
  native.values<uint64_t>(traces.size(), [&](size_t i) { return end += traces[i].services.size(); });
  Words words;
  std::vector<uint32_t> indices;
  for (const Trace& trace : traces) {
    for (const std::string_view service : trace.services) indices.push_back(words.index(service));
  }
  native.words_and_indices(words, indices);
}

Block summarise(const Cut& cut, const Partition& partition) {
  std::vector<TraceId> ids;
  std::vector<Trace> traces;
  std::unordered_map<TraceKey, uint32_t, HashOfTrace> known;
  std::vector<uint64_t> tenants;
  for (const StoredBatch& stored : cut.batches) tenants.push_back(hash64(stored.tenant));
  TraceKey last;
  uint32_t place = 0;
  for (const Row& row : partition.rows) {
    const model::Batch& batch = cut.batch(row);
    const TraceKey key{batch.spans.trace_id[row.row], tenants[row.batch]};
    if (traces.empty() || !(key == last)) {  // spans of a trace often come in a row
      const auto [at, fresh] = known.try_emplace(key, static_cast<uint32_t>(traces.size()));
      if (fresh) {
        traces.emplace_back();
        ids.push_back(key.id);
      }
      place = at->second;
      last = key;
    }
    add_span(traces[place], batch.spans, row, batch.resources[batch.spans.resource[row.row]].service);
  }
  NativeBlock native(traces.size());
  Rows rows;
  for (const Trace& trace : traces) rows.push_back(trace.first);
  native.fixed<TraceId>("trace_id", "FixedString(16)", [&](size_t i) { return ids[i]; });
  native.fixed<int64_t>("end_ts", "DateTime64(9, 'UTC')", [&](size_t i) { return traces[i].end; });
  native.fixed<uint64_t>("spans", "UInt64", [&](size_t i) { return traces[i].spans; });
  native.fixed<uint64_t>("errors", "UInt64", [&](size_t i) { return traces[i].errors; });
  native.low_cardinality("root_service", [&](size_t i) { return traces[i].root_service; });
  native.low_cardinality("root_name", [&](size_t i) { return traces[i].root_name; });
  write_services(native, traces);
  return finish_block(cut, native, "trace_parts", partition.start, rows, true);
}

}  // namespace

void encode_spans(Cut& cut) {
  Rows rows;
  for (uint32_t b = 0; b < cut.batches.size(); ++b) {
    const StoredBatch& stored = cut.batches[b];
    if (stored.batch->signal != model::Signal::traces) continue;
    const Spans& spans = stored.batch->spans;
    for (uint32_t r = 0; r < spans.size(); ++r) {
      if (!stored.kept.has(r)) continue;
      rows.push_back({b, r, clamp_time(spans.start[r], stored.received_at)});
    }
  }
  for (Partition& partition : by_partition(std::move(rows))) {
    Writer w(cut, partition.rows);
    write_identity(w);
    write_content(w);
    write_events(w);
    write_links(w);
    cut.facts->push_back(finish_block(cut, w.native, "spans", partition.start, partition.rows, true));
    cut.facts->push_back(summarise(cut, partition));
    cut.stored[partition.start].emplace_back(model::Signal::traces, std::move(partition.rows));
  }
}

}  // namespace hs::store
