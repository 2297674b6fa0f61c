// Metric points: numbers into `samples`, histograms and summaries into `distributions`, exemplars, and the series that
// they belong to.

#include <bit>
#include <utility>

#include "base/flat_table.h"
#include "base/hash.h"
#include "store/rows.h"

namespace hs::store {
namespace {

using model::Distribution;
using model::Metric;
using model::Points;

constexpr int series_bits = 48;
constexpr uint64_t series_mask = (1ULL << series_bits) - 1;
constexpr uint8_t has_sum = 1, has_min = 2, has_max = 4;

uint64_t mix(uint64_t a, uint64_t b) {
  const uint64_t x = (a ^ std::rotl(b, 29)) * 0x9E3779B97F4A7C15ULL;
  return x ^ (x >> 32);
}

uint64_t metric_prefix(std::string_view name) { return hash64(name) >> series_bits; }

// What all points of a metric of one batch share.
uint64_t identity_of(std::string_view tenant, const model::Batch& batch, const Metric& metric) {
  uint64_t h = mix(hash64(tenant), hash64(metric.name));
  h = mix(h, hash64(metric.unit));
  h = mix(h, static_cast<uint64_t>(metric.kind) << 16 | static_cast<uint64_t>(metric.temporality) << 8 |
                 static_cast<uint64_t>(metric.monotonic));
  h = mix(h, batch.resources[metric.resource].id);
  return mix(h, batch.scopes[metric.scope].id);
}

// The order of attributes does not matter, so their hashes are added.
uint64_t id_of(uint64_t metric_identity, uint64_t prefix, AttributeRange attributes) {
  uint64_t sum = 0;
  for (const model::Attribute* a = attributes.first; a != attributes.second; ++a) {
    sum += mix(hash64(a->key), hash64(a->value, static_cast<uint64_t>(a->type)));
  }
  return prefix << series_bits | (mix(metric_identity, sum) & series_mask);
}

// Series ids of every point of every batch.
using Ids = std::vector<std::vector<uint64_t>>;

// What of an int its double does not hold: 0 below 2^53.
int64_t rest_of(double rounded, int64_t exact) {
  return static_cast<int64_t>(static_cast<__int128>(exact) - static_cast<__int128>(rounded));
}

constexpr size_t headers_bytes = 2048;  // names and types of a block's columns, and a tenant

struct Writer {
  const Cut& cut;
  const Ids& ids;
  const Rows& rows;
  NativeBlock native;
  Writer(const Cut& c, const Ids& s, const Rows& r, size_t bytes) : cut(c), ids(s), rows(r), native(r.size(), bytes) {}

  const Points& points(size_t i) const { return cut.batch(rows[i]).points; }
  void identity() {
    native.fixed<uint64_t>("series_id", "UInt64", [&](size_t i) { return ids[rows[i].batch][rows[i].row]; });
    fixed_unless_zero<int64_t>(native, "start_ts", "DateTime64(9, 'UTC')",
                               [&](size_t i) { return points(i).start_time[rows[i].row]; });
    fixed_unless_zero<uint32_t>(native, "flags", "UInt32", [&](size_t i) { return points(i).flags[rows[i].row]; });
  }
};

Block write_samples(const Cut& cut, const Ids& ids, const Partition& partition) {
  constexpr size_t row_bytes = 72;  // with every column
  Writer w(cut, ids, partition.rows, partition.rows.size() * row_bytes + headers_bytes);
  w.identity();
  w.native.fixed<double>("value", "Float64", [&](size_t i) { return w.points(i).value[w.rows[i].row]; });
  fixed_unless_zero<uint8_t>(w.native, "is_int", "UInt8", [&](size_t i) { return w.points(i).is_int[w.rows[i].row]; });
  fixed_unless_zero<int64_t>(w.native, "int_rest", "Int64", [&](size_t i) -> int64_t {
    const Points& p = w.points(i);
    const uint32_t r = w.rows[i].row;
    return p.is_int[r] != 0 ? rest_of(p.value[r], p.int_value[r]) : 0;
  });
  return finish_block(cut, w.native, "samples", partition.start, partition.rows, true);
}

struct DistributionWriter : Writer {
  using Writer::Writer;
  const Distribution& of(size_t i) const { return points(i).distributions[points(i).distribution[rows[i].row]]; }
  uint8_t kind(size_t i) const {
    const model::MetricKind kind = points(i).metrics[points(i).metric[rows[i].row]].kind;
    return static_cast<uint8_t>(kind == model::MetricKind::untyped ? model::MetricKind::exponential_histogram : kind);
  }

  template <class T, class F>
  void number(std::string_view name, std::string_view type, F value) {
    fixed_unless_zero<T>(native, name, type, [&](size_t i) { return static_cast<T>(value(of(i))); });
  }
  template <class T, class F>
  void array(std::string_view name, std::string_view type, F values_of) {
    uint64_t total = 0;
    for (size_t i = 0; i < rows.size(); ++i) total += values_of(of(i)).size();
    if (total == 0) return;
    native.column(name, type);
    uint64_t end = 0;
    native.values<uint64_t>(rows.size(), [&](size_t i) { return end += values_of(of(i)).size(); });
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& values = values_of(of(i));
      if (!values.empty()) native.out().put(values.data(), values.size() * sizeof(T));
    }
  }
};

void write_exponential(DistributionWriter& w) {
  w.number<int32_t>("scale", "Int32", [](const Distribution& d) { return d.scale; });
  w.number<uint64_t>("zero_count", "UInt64", [](const Distribution& d) { return d.zero_count; });
  w.number<double>("zero_threshold", "Float64", [](const Distribution& d) { return d.zero_threshold; });
  w.number<int32_t>("positive_offset", "Int32", [](const Distribution& d) { return d.positive.offset; });
  w.number<int32_t>("negative_offset", "Int32", [](const Distribution& d) { return d.negative.offset; });
  w.array<uint64_t>("positive_counts", "Array(UInt64)",
                    [](const Distribution& d) -> auto& { return d.positive.counts; });
  w.array<uint64_t>("negative_counts", "Array(UInt64)",
                    [](const Distribution& d) -> auto& { return d.negative.counts; });
}

void write_float_counts(DistributionWriter& w) {
  w.number<uint8_t>("is_float", "UInt8", [](const Distribution& d) { return d.is_float ? 1 : 0; });
  w.number<double>("float_count", "Float64", [](const Distribution& d) { return d.float_count; });
  w.number<double>("float_zero_count", "Float64", [](const Distribution& d) { return d.float_zero_count; });
  w.number<uint8_t>("reset_hint", "UInt8", [](const Distribution& d) { return d.reset_hint; });
  w.array<double>("positive_float_counts", "Array(Float64)",
                  [](const Distribution& d) -> auto& { return d.positive.float_counts; });
  w.array<double>("negative_float_counts", "Array(Float64)",
                  [](const Distribution& d) -> auto& { return d.negative.float_counts; });
}

// Room for their block.
size_t bytes_of_distributions(const Cut& cut, const Rows& rows) {
  constexpr size_t row_bytes = 192;  // numbers, and where each array ends
  size_t values = 0;
  for (const Row& row : rows) {
    const Points& points = cut.batch(row).points;
    const Distribution& d = points.distributions[points.distribution[row.row]];
    values += d.bounds.size() + d.counts.size() + d.quantile_values.size() + d.positive.counts.size() +
              d.positive.float_counts.size() + d.negative.counts.size() + d.negative.float_counts.size();
  }
  return values * sizeof(uint64_t) + rows.size() * row_bytes + headers_bytes;
}

Block write_distributions(const Cut& cut, const Ids& ids, const Partition& partition) {
  DistributionWriter w(cut, ids, partition.rows, bytes_of_distributions(cut, partition.rows));
  w.identity();
  w.native.fixed<uint8_t>("kind", "UInt8", [&](size_t i) { return w.kind(i); });
  w.number<uint64_t>("count", "UInt64", [](const Distribution& d) { return d.count; });
  w.number<double>("sum", "Float64", [](const Distribution& d) { return d.sum; });
  w.number<double>("min", "Float64", [](const Distribution& d) { return d.min; });
  w.number<double>("max", "Float64", [](const Distribution& d) { return d.max; });
  w.number<uint8_t>("has", "UInt8", [](const Distribution& d) {
    return (d.has_sum ? has_sum : 0) | (d.has_min ? has_min : 0) | (d.has_max ? has_max : 0);
  });
  w.array<double>("bounds", "Array(Float64)", [](const Distribution& d) -> auto& { return d.bounds; });
  w.array<uint64_t>("counts", "Array(UInt64)", [](const Distribution& d) -> auto& { return d.counts; });
  w.array<double>("quantile_values", "Array(Float64)",
                  [](const Distribution& d) -> auto& { return d.quantile_values; });
  write_exponential(w);
  write_float_counts(w);
  return finish_block(cut, w.native, "distributions", partition.start, partition.rows, true);
}

// Here a row's `row` is the exemplar's, in Points::exemplars.
Block write_exemplars(const Cut& cut, const Ids& ids, const Partition& partition) {
  const Rows& rows = partition.rows;
  NativeBlock native(rows.size());
  const auto of = [&](size_t i) -> const model::Exemplars& { return cut.batch(rows[i]).points.exemplars; };
  native.fixed<uint64_t>("series_id", "UInt64", [&](size_t i) { return ids[rows[i].batch][of(i).point[rows[i].row]]; });
  native.fixed<int64_t>("point_ts", "DateTime64(9, 'UTC')", [&](size_t i) {
    const UnixNanos sent = cut.batch(rows[i]).points.time[of(i).point[rows[i].row]];
    return clamp_time(sent, cut.batches[rows[i].batch].received_at, cut.batch(rows[i]).any_time).ts;
  });
  native.fixed<double>("value", "Float64", [&](size_t i) { return of(i).value[rows[i].row]; });
  fixed_unless_zero<uint8_t>(native, "is_int", "UInt8", [&](size_t i) { return of(i).is_int[rows[i].row]; });
  fixed_unless_zero<int64_t>(native, "int_rest", "Int64", [&](size_t i) -> int64_t {
    const uint32_t r = rows[i].row;
    return of(i).is_int[r] != 0 ? rest_of(of(i).value[r], of(i).int_value[r]) : 0;
  });
  native.fixed<model::TraceId>("trace_id", "FixedString(16)", [&](size_t i) { return of(i).trace_id[rows[i].row]; });
  native.fixed<uint64_t>("span_id", "UInt64", [&](size_t i) { return of(i).span_id[rows[i].row]; });
  std::vector<AttributeRange> attributes;
  for (size_t i = 0; i < rows.size(); ++i) attributes.push_back(attributes_of(of(i).attributes, rows[i].row));
  write_attributes(native, "", attributes);
  return finish_block(cut, native, "exemplars", partition.start, rows, true);
}

struct SeriesWriter {
  const Cut& cut;
  const Rows& rows;
  NativeBlock native;
  const Points& points(size_t i) const { return cut.batch(rows[i]).points; }
  const Metric& metric(size_t i) const { return points(i).metrics[points(i).metric[rows[i].row]]; }
  const model::Resource& resource(size_t i) const { return cut.batch(rows[i]).resources[metric(i).resource]; }
};

Block write_series(const Cut& cut, const Ids& ids, int64_t partition, const Rows& rows) {
  SeriesWriter w{cut, rows, NativeBlock(rows.size())};
  w.native.fixed<uint64_t>("series_id", "UInt64", [&](size_t i) { return ids[rows[i].batch][rows[i].row]; });
  w.native.low_cardinality("metric", [&](size_t i) { return w.metric(i).name; });
  w.native.low_cardinality("unit", [&](size_t i) { return w.metric(i).unit; });
  w.native.low_cardinality("description", [&](size_t i) { return w.metric(i).description; });
  w.native.fixed<uint8_t>("kind", "UInt8", [&](size_t i) { return static_cast<uint8_t>(w.metric(i).kind); });
  w.native.fixed<uint8_t>("temporality", "UInt8",
                          [&](size_t i) { return static_cast<uint8_t>(w.metric(i).temporality); });
  w.native.fixed<uint8_t>("monotonic", "UInt8", [&](size_t i) { return static_cast<uint8_t>(w.metric(i).monotonic); });
  w.native.low_cardinality("service", [&](size_t i) { return w.resource(i).service; });
  w.native.fixed<uint64_t>("resource_id", "UInt64", [&](size_t i) { return w.resource(i).id; });
  w.native.fixed<uint64_t>("scope_id", "UInt64",
                           [&](size_t i) { return cut.batch(rows[i]).scopes[w.metric(i).scope].id; });
  std::vector<AttributeRange> attributes, metadata;
  for (size_t i = 0; i < rows.size(); ++i) {
    attributes.push_back(attributes_of(w.points(i).attributes, rows[i].row));
    metadata.push_back(attributes_of(w.metric(i).metadata));
  }
  write_attributes(w.native, "", attributes);
  write_attributes(w.native, "metadata_", metadata);
  return finish_block(cut, w.native, "series", partition, rows, false);
}

// Series that were not described in this partition lately. Their rows carry the partition's first instant, so that a
// series has one row there however often it is told.
void describe_series(Cut& cut, const Ids& ids, const Partition& partition) {
  Rows fresh;
  FlatTable<Nothing> seen;
  for (const Row& row : partition.rows) {
    const uint64_t id = ids[row.batch][row.row];
    if (!seen.insert(id)) continue;
    if (!cut.described->first(static_cast<uint8_t>(Dictionary::series), partition.start, id)) continue;
    fresh.push_back({row.batch, row.row, {partition.start * nanos_per_s, 0}});
  }
  if (!fresh.empty()) cut.dictionaries->push_back(write_series(cut, ids, partition.start, fresh));
}

// Here a row's `row` is the family's. They have no time of their own: the request's stands in, by partition.
Block write_families(const Cut& cut, const Partition& partition) {
  const Rows& rows = partition.rows;
  NativeBlock native(rows.size());
  const auto of = [&](size_t i) -> const model::Family& { return cut.batch(rows[i]).points.families[rows[i].row]; };
  native.low_cardinality("name", [&](size_t i) { return of(i).name; });
  native.low_cardinality("type", [&](size_t i) { return of(i).type; });
  native.low_cardinality("help", [&](size_t i) { return of(i).help; });
  native.low_cardinality("unit", [&](size_t i) { return of(i).unit; });
  return finish_block(cut, native, "metric_families", partition.start, rows, false);
}

Rows rows_of_families(const Cut& cut) {
  Rows rows;
  for (uint32_t b = 0; b < cut.batches.size(); ++b) {
    const int64_t first = partition_of(cut.batches[b].received_at) * nanos_per_s;
    const size_t count = cut.batches[b].batch->points.families.size();
    for (uint32_t f = 0; f < count; ++f) rows.push_back({b, f, {first, 0}});
  }
  return rows;
}

Rows rows_of_exemplars(const Cut& cut) {
  Rows rows;
  for (uint32_t b = 0; b < cut.batches.size(); ++b) {
    const StoredBatch& stored = cut.batches[b];
    const model::Exemplars& exemplars = stored.batch->points.exemplars;
    for (uint32_t e = 0; e < exemplars.point.size(); ++e) {
      rows.push_back({b, e, clamp_time(exemplars.time[e], stored.received_at, stored.batch->any_time)});
    }
  }
  return rows;
}

}  // namespace

uint64_t series_id(std::string_view tenant, const model::Batch& batch, size_t point) {
  const Metric& metric = batch.points.metrics[batch.points.metric[point]];
  return id_of(identity_of(tenant, batch, metric), metric_prefix(metric.name),
               attributes_of(batch.points.attributes, point));
}

std::vector<uint64_t> series_ids(std::string_view tenant, const model::Batch& batch) {
  const Points& points = batch.points;
  if (!points.series_id.empty()) return points.series_id;
  std::vector<uint64_t> identities, prefixes, ids;
  for (const Metric& metric : points.metrics) {
    identities.push_back(identity_of(tenant, batch, metric));
    prefixes.push_back(metric_prefix(metric.name));
  }
  ids.reserve(points.size());
  for (size_t p = 0; p < points.size(); ++p) {
    const uint32_t m = points.metric[p];
    ids.push_back(id_of(identities[m], prefixes[m], attributes_of(points.attributes, p)));
  }
  return ids;
}

SeriesRange series_range(std::string_view metric_name) {
  const uint64_t first = metric_prefix(metric_name) << series_bits;
  return {first, first | series_mask};
}

void encode_points(Cut& cut) {
  Ids ids;
  Rows numbers, distributions, all;
  size_t points_of_all = 0;
  for (const StoredBatch& stored : cut.batches) points_of_all += stored.batch->points.size();
  all.reserve(points_of_all);
  numbers.reserve(points_of_all);
  for (uint32_t b = 0; b < cut.batches.size(); ++b) {
    const StoredBatch& stored = cut.batches[b];
    const Points& points = stored.batch->points;
    ids.push_back(series_ids(stored.tenant, *stored.batch));  // of other signals: none
    for (uint32_t r = 0; r < points.size(); ++r) {
      const Row row{b, r, clamp_time(points.time[r], stored.received_at, stored.batch->any_time)};
      all.push_back(row);
      if ((points.flags[r] & Points::carrier) != 0) continue;
      (points.distribution[r] == Points::no_distribution ? numbers : distributions).push_back(row);
    }
  }
  for (const Partition& p : by_partition(std::move(numbers))) cut.facts->push_back(write_samples(cut, ids, p));
  for (const Partition& p : by_partition(std::move(distributions))) {
    cut.facts->push_back(write_distributions(cut, ids, p));
  }
  for (const Partition& p : by_partition(rows_of_exemplars(cut))) cut.facts->push_back(write_exemplars(cut, ids, p));
  for (const Partition& p : by_partition(rows_of_families(cut))) cut.dictionaries->push_back(write_families(cut, p));
  for (Partition& partition : by_partition(std::move(all))) {
    describe_series(cut, ids, partition);
    cut.stored[partition.start].emplace_back(model::Signal::metrics, std::move(partition.rows));
  }
}

}  // namespace hs::store
