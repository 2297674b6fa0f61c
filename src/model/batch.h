#pragma once
// A batch: the decoded content of one request of one signal, in columns. The waist of the house: wire/ makes it,
// ingest/ admits it, store/ writes it, stream/ reads it. Text is viewed, not copied: views point into `arena`.
// Field meanings are OpenTelemetry's (opentelemetry-proto 1.x); a column has one entry a row unless it says otherwise.

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/attributes.h"

namespace hs::model {

enum class Signal : uint8_t { traces = 1, metrics = 2, logs = 3 };  // persistent: do not change
std::string_view name_of(Signal signal);                            // "traces", "metrics", "logs"

struct Resource {
  uint64_t id = 0;  // hash64 of the canonical content (attributes sorted by key, schema URL); equal content, equal id
  std::string_view service;   // service.name, "unknown_service" when absent or empty
  std::string_view instance;  // service.instance.id, else host.name/k8s.pod.name, else ""
  std::vector<Attribute> attributes;
  std::string_view schema_url;
  uint32_t dropped_attributes = 0;
};

struct Scope {
  uint64_t id = 0;  // as Resource::id, over name, version, attributes, schema URL
  std::string_view name, version, schema_url;
  std::vector<Attribute> attributes;
  uint32_t dropped_attributes = 0;
};

struct Events {  // of spans: row r of Spans owns [ends[r-1], ends[r])
  std::vector<uint32_t> ends;
  std::vector<UnixNanos> time;
  std::vector<std::string_view> name;
  AttributeColumn attributes;
  std::vector<uint32_t> dropped_attributes;
};

struct Links {
  std::vector<uint32_t> ends;
  std::vector<TraceId> trace_id;
  std::vector<SpanId> span_id;
  std::vector<std::string_view> trace_state;
  std::vector<uint32_t> flags;
  AttributeColumn attributes;
  std::vector<uint32_t> dropped_attributes;
};

struct Spans {
  std::vector<uint32_t> resource, scope;  // indices into Batch::resources, Batch::scopes
  std::vector<TraceId> trace_id;
  std::vector<SpanId> span_id, parent_id;
  std::vector<UnixNanos> start;
  std::vector<uint64_t> duration_ns;  // end - start, 0 when end < start
  std::vector<std::string_view> name, status_message, trace_state;
  std::vector<uint8_t> kind;    // OTLP: 1 internal 2 server 3 client 4 producer 5 consumer
  std::vector<uint8_t> status;  // OTLP: 0 unset 1 ok 2 error
  std::vector<uint32_t> flags;
  AttributeColumn attributes;
  std::vector<uint32_t> dropped_attributes, dropped_events, dropped_links;
  Events events;
  Links links;
  size_t size() const { return start.size(); }
};

struct Logs {
  std::vector<uint32_t> resource, scope;
  std::vector<UnixNanos> time, observed_time;  // time 0: unknown, observed_time stands in
  std::vector<uint8_t> severity;               // OTLP SeverityNumber 0-24
  std::vector<std::string_view> severity_text, body, event_name;
  std::vector<ValueType> body_type;  // body holds the canonical text of that type
  std::vector<TraceId> trace_id;
  std::vector<SpanId> span_id;
  std::vector<uint32_t> flags;
  AttributeColumn attributes;
  std::vector<uint32_t> dropped_attributes;
  size_t size() const { return time.size(); }
};

// untyped: a Prometheus series. Its name and attributes are final (nothing of the resource is added to them), its type
// is not told with its points, and they may be numbers and native histograms by turns.
enum class MetricKind : uint8_t {
  gauge = 1,
  sum = 2,
  histogram = 3,
  exponential_histogram = 4,
  summary = 5,
  untyped = 6
};
enum class Temporality : uint8_t { unspecified = 0, delta = 1, cumulative = 2 };

struct Metric {  // a descriptor; points refer to it
  std::string_view name, unit, description;
  MetricKind kind = MetricKind::gauge;
  Temporality temporality = Temporality::unspecified;
  bool monotonic = false;
  uint32_t resource = 0, scope = 0;
  std::vector<Attribute> metadata;
};

struct Buckets {  // of one exponential histogram's half
  int32_t offset = 0;
  std::vector<uint64_t> counts;
  std::vector<double> float_counts;  // instead of `counts` when Distribution::is_float
};

// Of Prometheus' native histograms with custom buckets: such a Distribution has this scale, its upper bounds in
// `bounds` (+Inf left out), and positive.offset is the index of the first bucket.
inline constexpr int32_t custom_buckets_scale = -53;

// What a histogram, exponential histogram or summary point has beyond a number point.
struct Distribution {
  uint64_t count = 0;
  double sum = 0, min = 0, max = 0;
  bool has_sum = false, has_min = false, has_max = false;
  std::vector<double> bounds;           // histogram: explicit bounds; summary: quantiles
  std::vector<uint64_t> counts;         // histogram: bucket counts (bounds + 1, or empty)
  std::vector<double> quantile_values;  // summary
  int32_t scale = 0;                    // exponential
  uint64_t zero_count = 0;
  double zero_threshold = 0;
  Buckets positive, negative;
  bool is_float = false;  // counts are float_count, float_zero_count, Buckets::float_counts; the integers are 0
  double float_count = 0, float_zero_count = 0;
  uint8_t reset_hint = 0;  // Prometheus' Histogram.ResetHint: 0 unknown 1 yes 2 no 3 gauge
};

struct Exemplars {  // not per row: point[i] says which row
  std::vector<uint32_t> point;
  std::vector<UnixNanos> time;
  std::vector<double> value;
  std::vector<int64_t> int_value;
  std::vector<uint8_t> is_int;
  std::vector<TraceId> trace_id;
  std::vector<SpanId> span_id;
  AttributeColumn attributes;  // filtered attributes
};

struct Family {                             // what Prometheus' metadata say of all series of a name
  std::string_view name, type, help, unit;  // type: "counter", "gauge", "histogram" ...
};

struct Points {
  std::vector<Metric> metrics;
  std::vector<uint32_t> metric;  // index into metrics
  std::vector<UnixNanos> time, start_time;
  std::vector<uint32_t> flags;     // bit 0: no recorded value
  std::vector<double> value;       // number points; an int's value too, rounded to a double
  std::vector<int64_t> int_value;  // exact, when is_int
  std::vector<uint8_t> is_int;
  std::vector<uint32_t> distribution;  // index into distributions, or no_distribution
  std::vector<Distribution> distributions;
  AttributeColumn attributes;
  Exemplars exemplars;
  std::vector<Family> families;
  std::vector<uint64_t> series_id;  // store::series_ids(), when somebody needed them before the store; else empty
  static constexpr uint32_t no_distribution = UINT32_MAX;
  // Bits of `flags`. OTLP's:
  static constexpr uint32_t no_recorded_value = 1;
  // Ours, together with the above: no point at all, only the series that exemplars without a point belong to.
  static constexpr uint32_t carrier = 1U << 31;
  size_t size() const { return time.size(); }
};

// Movable, not copyable. Exactly one of spans, logs, points has rows: the one of `signal`. size() also counts families.
struct Batch {
  Signal signal = Signal::traces;
  Arena arena;
  std::vector<Resource> resources;
  std::vector<Scope> scopes;
  Spans spans;
  Logs logs;
  Points points;
  uint64_t body_bytes = 0;   // of the request, after decompression; 0: unknown
  uint64_t rejected = 0;     // items of the request that could not be taken (partial success)
  std::string rejected_why;  // which and why, for the sender
  bool any_time = false;     // points may lie anywhere since 1970: the store does not clamp their past
  size_t size() const;
};

}  // namespace hs::model
