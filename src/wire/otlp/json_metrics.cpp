// Field names: opentelemetry-proto, metrics/v1/metrics.proto, in lowerCamelCase.

#include "wire/otlp/json.h"

namespace hs::wire::otlp {
namespace {

using model::Distribution;
using model::MetricKind;
using Key = std::string_view;

// The points of one metric, one after the other.
class PointReader {
 public:
  PointReader(JsonReader& reader, uint32_t metric, MetricKind kind) : r_(reader), metric_(metric), kind_(kind) {}

  void read(Element e) {
    row_ = {};
    row_.metric = metric_;
    distribution_ = {};
    distribution_.has_sum = kind_ == MetricKind::summary;
    over_ = false;
    AttributeList list{r_.b.batch.points.attributes.items};
    r_.fields(e, "dataPoints", [&](Key key, Element value) {
      if (key == "attributes")
        r_.attributes(value, key, list);
      else if (key == "timeUnixNano")
        row_.time = r_.u64(value, key);
      else if (key == "startTimeUnixNano")
        row_.start_time = r_.u64(value, key);
      else if (key == "flags")
        row_.flags = r_.u32(value, key);
      else if (key == "exemplars" && kind_ != MetricKind::summary)
        exemplars(value);
      else if (is_number())
        number(row_.value, key, value);
      else
        distribution(key, value);
    });
    if (is_number())
      r_.b.push(row_);
    else
      r_.b.push(row_, std::move(distribution_), over_);
  }

 private:
  bool is_number() const { return kind_ == MetricKind::gauge || kind_ == MetricKind::sum; }

  void number(Number& out, Key key, Element value) {
    if (key == "asDouble")
      out = {true, false, r_.real(value, key), 0};
    else if (key == "asInt")
      out = {true, true, 0, r_.i64(value, key)};
  }

  // What histograms, exponential histograms and summaries share, then what each has alone.
  void distribution(Key key, Element value) {
    Distribution& d = distribution_;
    if (key == "count")
      d.count = r_.u64(value, key);
    else if (key == "sum")
      set(d.sum, d.has_sum, r_.real(value, key));
    else if (kind_ == MetricKind::summary)
      summary(key, value);
    else if (key == "min")
      set(d.min, d.has_min, r_.real(value, key));
    else if (key == "max")
      set(d.max, d.has_max, r_.real(value, key));
    else if (kind_ == MetricKind::histogram)
      histogram(key, value);
    else
      exponential(key, value);
  }

  void histogram(Key key, Element value) {
    if (key == "bucketCounts") counts(distribution_.counts, value);
    if (key == "explicitBounds") r_.each(value, key, [&](Element e) { append(distribution_.bounds, r_.real(e, key)); });
  }

  void exponential(Key key, Element value) {
    Distribution& d = distribution_;
    if (key == "scale")
      d.scale = r_.i32(value, key);
    else if (key == "zeroCount")
      d.zero_count = r_.u64(value, key);
    else if (key == "zeroThreshold")
      d.zero_threshold = r_.real(value, key);
    else if (key == "positive")
      buckets(d.positive, value);
    else if (key == "negative")
      buckets(d.negative, value);
  }

  void summary(Key key, Element value) {
    if (key != "quantileValues") return;
    r_.each(value, key, [&](Element e) {
      double at = 0, quantile = 0;
      r_.fields(e, key, [&](Key name, Element field) {
        if (name == "quantile") at = r_.real(field, name);
        if (name == "value") quantile = r_.real(field, name);
      });
      append(distribution_.bounds, at);
      append(distribution_.quantile_values, quantile);
    });
  }

  void buckets(model::Buckets& out, Element e) {
    r_.fields(e, "buckets", [&](Key key, Element value) {
      if (key == "offset") out.offset = r_.i32(value, key);
      if (key == "bucketCounts") counts(out.counts, value);
    });
  }

  void counts(std::vector<uint64_t>& out, Element e) {
    r_.each(e, "bucketCounts", [&](Element count) { append(out, r_.u64(count, "bucketCounts")); });
  }

  void exemplars(Element list_of) {
    r_.each(list_of, "exemplars", [&](Element e) {
      if (!r_.b.room_for_exemplar()) return;
      ExemplarRow row;
      AttributeList list{r_.b.batch.points.exemplars.attributes.items};
      r_.fields(e, "exemplars", [&](Key key, Element value) {
        if (key == "timeUnixNano")
          row.time = r_.u64(value, key);
        else if (key == "traceId")
          row.context.ok &= r_.id(value, key, row.context.trace_id);
        else if (key == "spanId")
          row.context.ok &= r_.id(value, key, row.context.span_id);
        else if (key == "filteredAttributes")
          r_.attributes(value, key, list);
        else
          number(row.value, key, value);
      });
      r_.b.push(row);
    });
  }

  template <class T>
  void append(std::vector<T>& out, T value) {
    if (out.size() < r_.b.limits.buckets_per_point_max)
      out.push_back(value);
    else
      over_ = true;
  }

  static void set(double& value, bool& has, double read) {
    value = read;
    has = true;
  }

  JsonReader& r_;
  uint32_t metric_;
  MetricKind kind_;
  PointRow row_;
  Distribution distribution_;
  bool over_ = false;
};

struct Data {
  Element element;
  bool set = false;
};

void read_points(JsonReader& r, model::Metric metric, Element points) {
  simdjson::dom::array array;
  if (points.get(array) != simdjson::SUCCESS) return r.wrong("dataPoints", "an array");
  if (array.size() == 0) return;
  if (!r.b.acceptable_name(metric.name)) return r.b.reject(Note::metric_name, array.size(), metric.name);
  const MetricKind kind = metric.kind;
  PointReader reader(r, r.b.add_metric(std::move(metric)), kind);
  for (const Element point : array)
    if (!r.failed() && r.b.within_budget()) reader.read(point);
}

// Gauge, Sum, ...
void read_data(JsonReader& r, model::Metric metric, Element data) {
  const MetricKind kind = metric.kind;
  Data points;
  r.fields(data, "metric data", [&](Key key, Element value) {
    if (key == "dataPoints") points = {value, true};
    if (key == "aggregationTemporality" && kind != MetricKind::gauge && kind != MetricKind::summary) {
      const int64_t temporality = r.enumeration(value, key);
      metric.temporality = static_cast<model::Temporality>(temporality >= 0 && temporality <= 2 ? temporality : 0);
    }
    if (key == "isMonotonic" && kind == MetricKind::sum) metric.monotonic = r.boolean(value, key);
  });
  if (points.set) read_points(r, std::move(metric), points.element);
}

void read_metric(JsonReader& r, Element e, uint32_t resource, uint32_t scope) {
  model::Metric metric;
  metric.resource = resource;
  metric.scope = scope;
  Data data;
  AttributeList list{metric.metadata};
  const auto take = [&](MetricKind kind, Element value) {
    metric.kind = kind;
    data = {value, true};
  };
  r.fields(e, "metrics", [&](Key key, Element value) {
    if (key == "name")
      metric.name = r.kept(value, key);
    else if (key == "description")
      metric.description = r.b.message(r.kept(value, key));
    else if (key == "unit")
      metric.unit = r.b.name(r.kept(value, key));
    else if (key == "metadata")
      r.attributes(value, key, list);
    else if (key == "gauge")
      take(MetricKind::gauge, value);
    else if (key == "sum")
      take(MetricKind::sum, value);
    else if (key == "histogram")
      take(MetricKind::histogram, value);
    else if (key == "exponentialHistogram")
      take(MetricKind::exponential_histogram, value);
    else if (key == "summary")
      take(MetricKind::summary, value);
  });
  if (data.set) read_data(r, std::move(metric), data.element);
}

}  // namespace

void read_metrics(JsonReader& r, Element root) {
  r.for_each_item(root, {"resourceMetrics", "scopeMetrics", "metrics"},
                  [&](Element e, uint32_t resource, uint32_t scope) { read_metric(r, e, resource, scope); });
}

}  // namespace hs::wire::otlp
