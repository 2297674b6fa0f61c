// Field numbers: opentelemetry-proto, metrics/v1/metrics.proto.

#include <algorithm>

#include "wire/otlp/protobuf.h"

namespace hs::wire::otlp {
namespace {

using model::Distribution;
using model::MetricKind;

// A repeated number, packed or not; at most `limit` are kept, `over` says whether there were more.
template <class T, class Range>
void append_packed(std::vector<T>& out, const Range& range, uint32_t limit, bool& over) {
  out.reserve(std::min<size_t>(out.size() + static_cast<size_t>(range.size()), limit));
  for (const auto value : range) {
    if (out.size() >= limit) {
      over = true;
      return;
    }
    out.push_back(value);
  }
}

template <class T>
void append_one(std::vector<T>& out, T value, uint32_t limit, bool& over) {
  if (out.size() < limit)
    out.push_back(value);
  else
    over = true;
}

// The points of one metric, one after the other.
class PointReader {
 public:
  PointReader(Builder& builder, uint32_t metric, MetricKind kind) : b_(builder), metric_(metric), kind_(kind) {}

  void read(pbf_reader r) {
    row_ = {};
    row_.metric = metric_;
    AttributeList list{b_.batch.points.attributes.items};
    switch (kind_) {
      case MetricKind::gauge:
      case MetricKind::sum:
        return number(r, list);
      case MetricKind::histogram:
        return histogram(r, list);
      case MetricKind::exponential_histogram:
        return exponential(r, list);
      case MetricKind::summary:
        return summary(r, list);
      case MetricKind::untyped:
        break;  // Prometheus': OTLP has no such metrics
    }
  }

 private:
  void number(pbf_reader r, AttributeList& list) {
    while (r.next()) {
      switch (r.tag_and_type()) {
        case fixed64(2):
          row_.start_time = r.get_fixed64();
          break;
        case fixed64(3):
          row_.time = r.get_fixed64();
          break;
        case fixed64(4):
          row_.value = {true, false, r.get_double(), 0};
          break;
        case bytes(5):
          exemplar(r.get_message());
          break;
        case fixed64(6):
          row_.value = {true, true, 0, r.get_sfixed64()};
          break;
        case bytes(7):
          read_attribute(b_, list, view_of(r));
          break;
        case varint(8):
          row_.flags = r.get_uint32();
          break;
        default:
          r.skip();
      }
    }
    b_.push(row_);
  }

  void histogram(pbf_reader r, AttributeList& list) {
    Distribution d;
    bool over = false;
    const uint32_t most = b_.limits.buckets_per_point_max;
    while (r.next()) {
      switch (r.tag_and_type()) {
        case fixed64(2):
          row_.start_time = r.get_fixed64();
          break;
        case fixed64(3):
          row_.time = r.get_fixed64();
          break;
        case fixed64(4):
          d.count = r.get_fixed64();
          break;
        case fixed64(5):
          set(d.sum, d.has_sum, r.get_double());
          break;
        case bytes(6):
          append_packed(d.counts, r.get_packed_fixed64(), most, over);
          break;
        case fixed64(6):
          append_one(d.counts, r.get_fixed64(), most, over);
          break;
        case bytes(7):
          append_packed(d.bounds, r.get_packed_double(), most, over);
          break;
        case fixed64(7):
          append_one(d.bounds, r.get_double(), most, over);
          break;
        case bytes(8):
          exemplar(r.get_message());
          break;
        case bytes(9):
          read_attribute(b_, list, view_of(r));
          break;
        case varint(10):
          row_.flags = r.get_uint32();
          break;
        case fixed64(11):
          set(d.min, d.has_min, r.get_double());
          break;
        case fixed64(12):
          set(d.max, d.has_max, r.get_double());
          break;
        default:
          r.skip();
      }
    }
    b_.push(row_, std::move(d), over);
  }

  void exponential(pbf_reader r, AttributeList& list) {
    Distribution d;
    bool over = false;
    while (r.next()) {
      switch (r.tag_and_type()) {
        case bytes(1):
          read_attribute(b_, list, view_of(r));
          break;
        case fixed64(2):
          row_.start_time = r.get_fixed64();
          break;
        case fixed64(3):
          row_.time = r.get_fixed64();
          break;
        case fixed64(4):
          d.count = r.get_fixed64();
          break;
        case fixed64(5):
          set(d.sum, d.has_sum, r.get_double());
          break;
        case varint(6):
          d.scale = r.get_sint32();
          break;
        case fixed64(7):
          d.zero_count = r.get_fixed64();
          break;
        case bytes(8):
          buckets(d.positive, r.get_message(), over);
          break;
        case bytes(9):
          buckets(d.negative, r.get_message(), over);
          break;
        case varint(10):
          row_.flags = r.get_uint32();
          break;
        case bytes(11):
          exemplar(r.get_message());
          break;
        case fixed64(12):
          set(d.min, d.has_min, r.get_double());
          break;
        case fixed64(13):
          set(d.max, d.has_max, r.get_double());
          break;
        case fixed64(14):
          d.zero_threshold = r.get_double();
          break;
        default:
          r.skip();
      }
    }
    b_.push(row_, std::move(d), over);
  }

  void summary(pbf_reader r, AttributeList& list) {
    Distribution d;
    d.has_sum = true;
    bool over = false;
    while (r.next()) {
      switch (r.tag_and_type()) {
        case fixed64(2):
          row_.start_time = r.get_fixed64();
          break;
        case fixed64(3):
          row_.time = r.get_fixed64();
          break;
        case fixed64(4):
          d.count = r.get_fixed64();
          break;
        case fixed64(5):
          d.sum = r.get_double();
          break;
        case bytes(6):
          quantile(d, r.get_message(), over);
          break;
        case bytes(7):
          read_attribute(b_, list, view_of(r));
          break;
        case varint(8):
          row_.flags = r.get_uint32();
          break;
        default:
          r.skip();
      }
    }
    b_.push(row_, std::move(d), over);
  }

  void buckets(model::Buckets& out, pbf_reader r, bool& over) {
    const uint32_t most = b_.limits.buckets_per_point_max;
    while (r.next()) {
      switch (r.tag_and_type()) {
        case varint(1):
          out.offset = r.get_sint32();
          break;
        case bytes(2):
          append_packed(out.counts, r.get_packed_uint64(), most, over);
          break;
        case varint(2):
          append_one(out.counts, r.get_uint64(), most, over);
          break;
        default:
          r.skip();
      }
    }
  }

  void quantile(Distribution& d, pbf_reader r, bool& over) {
    double at = 0, value = 0;
    while (r.next()) {
      switch (r.tag_and_type()) {
        case fixed64(1):
          at = r.get_double();
          break;
        case fixed64(2):
          value = r.get_double();
          break;
        default:
          r.skip();
      }
    }
    append_one(d.bounds, at, b_.limits.buckets_per_point_max, over);
    append_one(d.quantile_values, value, b_.limits.buckets_per_point_max, over);
  }

  void exemplar(pbf_reader r) {
    if (!b_.room_for_exemplar()) return;
    ExemplarRow row;
    AttributeList list{b_.batch.points.exemplars.attributes.items};
    while (r.next()) {
      switch (r.tag_and_type()) {
        case fixed64(2):
          row.time = r.get_fixed64();
          break;
        case fixed64(3):
          row.value = {true, false, r.get_double(), 0};
          break;
        case bytes(4):
          row.context.ok &= read_id(view_of(r), row.context.span_id);
          break;
        case bytes(5):
          row.context.ok &= read_id(view_of(r), row.context.trace_id);
          break;
        case fixed64(6):
          row.value = {true, true, 0, r.get_sfixed64()};
          break;
        case bytes(7):
          read_attribute(b_, list, view_of(r));
          break;
        default:
          r.skip();
      }
    }
    b_.push(row);
  }

  static void set(double& value, bool& has, double read) {
    value = read;
    has = true;
  }

  Builder& b_;
  uint32_t metric_;
  MetricKind kind_;
  PointRow row_;
};

// Gauge, Sum, ...: points with tag 1, temporality 2, monotonic 3.
void read_data(Builder& b, model::Metric metric, std::string_view data) {
  size_t points = 0;
  pbf_reader r(data.data(), data.size());
  while (r.next()) {
    switch (r.tag_and_type()) {
      case bytes(1):
        ++points;
        r.skip();
        break;
      case varint(2): {
        const uint64_t temporality = r.get_uint64();
        metric.temporality = static_cast<model::Temporality>(temporality <= 2 ? temporality : 0);
        break;
      }
      case varint(3):
        metric.monotonic = r.get_bool();
        break;
      default:
        r.skip();
    }
  }
  if (points == 0) return;
  if (!b.acceptable_name(metric.name)) return b.reject(Note::metric_name, points, metric.name);
  if (metric.kind == MetricKind::gauge || metric.kind == MetricKind::summary) metric.temporality = {};
  if (metric.kind != MetricKind::sum) metric.monotonic = false;
  const MetricKind kind = metric.kind;
  PointReader reader(b, b.add_metric(std::move(metric)), kind);
  for_each_message(data, 1, [&](std::string_view point) {
    if (b.within_budget()) reader.read(pbf_reader(point.data(), point.size()));
  });
}

void read_metric(Builder& b, pbf_reader r, uint32_t resource, uint32_t scope) {
  model::Metric metric;
  metric.resource = resource;
  metric.scope = scope;
  std::string_view data;
  AttributeList list{metric.metadata};
  const auto take = [&](MetricKind kind) {
    metric.kind = kind;
    data = view_of(r);
  };
  while (r.next()) {
    switch (r.tag_and_type()) {
      case bytes(1):
        metric.name = b.text(view_of(r));
        break;
      case bytes(2):
        metric.description = b.message(view_of(r));
        break;
      case bytes(3):
        metric.unit = b.name(view_of(r));
        break;
      case bytes(5):
        take(MetricKind::gauge);
        break;
      case bytes(7):
        take(MetricKind::sum);
        break;
      case bytes(9):
        take(MetricKind::histogram);
        break;
      case bytes(10):
        take(MetricKind::exponential_histogram);
        break;
      case bytes(11):
        take(MetricKind::summary);
        break;
      case bytes(12):
        read_attribute(b, list, view_of(r));
        break;
      default:
        r.skip();
    }
  }
  read_data(b, std::move(metric), data);
}

}  // namespace

void read_metrics(Builder& b, std::string_view request) {
  for_each_item(
      b, request, [&](size_t) { b.reserve_points(request.size()); },
      [&](pbf_reader r, uint32_t resource, uint32_t scope) { read_metric(b, r, resource, scope); });
}

}  // namespace hs::wire::otlp
