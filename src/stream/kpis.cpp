#include "stream/kpis.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"

namespace hs::stream {
namespace {

bool holds(const model::AttributeColumn& rows, size_t row, const std::string& key, const std::string& value) {
  const model::Attribute* found = rows.find(row, key);
  return found != nullptr && (value.empty() || found->value == value);
}

bool passes(const config::Kpi& kpi, const model::AttributeColumn& rows, size_t row) {
  return kpi.attribute.empty() || holds(rows, row, kpi.attribute, kpi.value);
}

bool is_good(const config::Kpi& kpi, const model::AttributeColumn& rows, size_t row, bool otherwise) {
  return kpi.good_attribute.empty() ? otherwise : holds(rows, row, kpi.good_attribute, kpi.good_value);
}

bool is_service(const config::Kpi& kpi, std::string_view service) {
  return kpi.service.empty() || kpi.service == service;
}

// The value that stands for a bucket with these bounds: the geometric middle when both are positive.
double middle(double low, double high) {
  if (std::isinf(high)) return low;
  return low > 0 ? std::sqrt(low * high) : high / 2;
}

double value_in_bucket(const model::Distribution& d, size_t bucket) {
  const double low = bucket == 0 ? 0 : d.bounds[bucket - 1];
  const double high = bucket < d.bounds.size() ? d.bounds[bucket] : INFINITY;
  return middle(low, high);
}

bool is_cumulative(const model::Metric& metric) { return metric.temporality == model::Temporality::cumulative; }

}  // namespace

void Kpis::declare(std::vector<config::Kpi> kpis) {
  kpis_ = std::move(kpis);
  const auto reads = [&](std::string_view source) {
    return std::any_of(kpis_.begin(), kpis_.end(), [&](const config::Kpi& k) { return k.source == source; });
  };
  spans_ = reads("spans");
  logs_ = reads("logs");
  metrics_ = reads("metric");
  points_.clear();
}

KpiPoint* Kpis::point(size_t kpi, int64_t second) {
  const auto key = std::make_pair(kpi, second);
  const auto found = points_.find(key);
  if (found != points_.end()) return &found->second;
  if (points_.size() >= points_max) {
    ++refused_;
    return nullptr;
  }
  KpiPoint& made = points_[key];
  made.second = second;
  made.name = kpis_[kpi].name;
  return &made;
}

void Kpis::count(size_t kpi, int64_t second, bool good, double value, double weight) {
  KpiPoint* at = point(kpi, second);
  if (at == nullptr) return;
  at->denominator += weight;
  if (good) at->numerator += weight;
  if (kpis_[kpi].kind == config::KpiKind::quantile) at->values.add(value, weight);
}

void Kpis::count_since(size_t kpi, int64_t since, int64_t second, bool good, double weight) {
  const int64_t seconds = std::clamp<int64_t>(second - since, 1, spread_s_max);
  for (int64_t s = second - seconds + 1; s <= second; ++s)
    count(kpi, s, good, 0, weight / static_cast<double>(seconds));
}

void Kpis::add_span(const model::Batch& batch, size_t row, std::string_view service, const Ending& ending,
                    double weight) {
  if (!spans_) return;
  const model::Spans& spans = batch.spans;
  for (size_t i = 0; i < kpis_.size(); ++i) {
    const config::Kpi& kpi = kpis_[i];
    if (kpi.source != "spans" || !is_service(kpi, service)) continue;
    if (!kpi.operation.empty() && kpi.operation != spans.name[row]) continue;
    if (kpi.operation.empty() && spans.kind[row] != 2 && spans.kind[row] != 5) continue;  // a service's own answers
    if (!passes(kpi, spans.attributes, row)) continue;
    const bool counter = kpi.kind == config::KpiKind::counter;
    const bool good = is_good(kpi, spans.attributes, row, !ending.error);
    if (counter && !good) continue;
    const auto end = spans.start[row] + static_cast<int64_t>(spans.duration_ns[row]);
    count(i, end / nanos_per_s, good, static_cast<double>(spans.duration_ns[row]) / 1e6, weight);
  }
}

void Kpis::add_log(const model::Batch& batch, size_t row, int64_t second) {
  if (!logs_) return;
  const model::Logs& logs = batch.logs;
  const std::string_view service = batch.resources[logs.resource[row]].service;
  for (size_t i = 0; i < kpis_.size(); ++i) {
    const config::Kpi& kpi = kpis_[i];
    if (kpi.source != "logs" || !is_service(kpi, service) || !passes(kpi, logs.attributes, row)) continue;
    count(i, second, is_good(kpi, logs.attributes, row, logs.severity[row] < 17), 0, 1);
  }
}

void Kpis::add_points(const model::Batch& batch, int64_t oldest_second, int64_t newest_second) {
  if (!metrics_) return;
  const model::Points& points = batch.points;
  for (size_t row = 0; row < points.size(); ++row) {
    const model::Metric& metric = points.metrics[points.metric[row]];
    const int64_t second = points.time[row] / nanos_per_s;
    if (second < oldest_second || second > newest_second || (points.flags[row] & 1) != 0) continue;
    for (size_t i = 0; i < kpis_.size(); ++i) {
      const config::Kpi& kpi = kpis_[i];
      if (kpi.source != "metric" || kpi.metric != metric.name) continue;
      if (!is_service(kpi, batch.resources[metric.resource].service)) continue;
      if (passes(kpi, points.attributes, row)) add_point(i, batch, row, second);
    }
  }
}

void Kpis::add_point(size_t kpi, const model::Batch& batch, size_t row, int64_t second) {
  const bool good = is_good(kpis_[kpi], batch.points.attributes, row, true);
  if (batch.points.distribution[row] == model::Points::no_distribution)
    add_number(kpi, batch, row, second, good);
  else
    add_distribution(kpi, batch, row, second, good);
}

// What is remembered of the series of a point: its metric, resource and attributes.
Kpis::Last* Kpis::last_of(const model::Batch& batch, size_t row) {
  const model::Points& points = batch.points;
  const model::Metric& metric = points.metrics[points.metric[row]];
  uint64_t key = mix(hash64(metric.name), batch.resources[metric.resource].id);
  key = mix(key, static_cast<uint64_t>(points.start_time[row]));  // a restart begins a new series
  for (const auto* a = points.attributes.begin(row); a != points.attributes.end(row); ++a)
    key = mix(key, hash64(a->value, hash64(a->key)));
  if (Last* known = last_.find(key)) return known;
  if (last_.size() >= series_max) {
    refused_ += last_.size();
    last_.clear();  // churn: start again, at the price of one interval
  }
  return &last_.at(key);
}

void Kpis::add_number(size_t kpi, const model::Batch& batch, size_t row, int64_t second, bool good) {
  const model::Points& points = batch.points;
  const model::Metric& metric = points.metrics[points.metric[row]];
  double value = points.value[row];
  int64_t since = metric.temporality == model::Temporality::delta && points.start_time[row] > 0
                      ? points.start_time[row] / nanos_per_s
                      : second - 1;
  if (metric.kind == model::MetricKind::sum && is_cumulative(metric)) {
    Last& last = *last_of(batch, row);
    const double before = last.value;
    const bool first = !last.known;
    last.value = value;
    last.known = true;
    value = first ? 0 : std::max(0.0, value - before);
    since = first ? second - 1 : last.second;
    last.second = second;
  }
  if (kpis_[kpi].kind == config::KpiKind::quantile)
    count(kpi, second, good, value, 1);
  else if (value > 0)
    count_since(kpi, since, second, good, value);
}

void Kpis::add_distribution(size_t kpi, const model::Batch& batch, size_t row, int64_t second, bool good) {
  const model::Points& points = batch.points;
  const model::Metric& metric = points.metrics[points.metric[row]];
  const model::Distribution& d = points.distributions[points.distribution[row]];
  const bool bucketed = d.counts.size() == d.bounds.size() + 1;
  std::vector<uint64_t> counts = d.counts;
  double total = static_cast<double>(d.count);
  int64_t since =
      !is_cumulative(metric) && points.start_time[row] > 0 ? points.start_time[row] / nanos_per_s : second - 1;
  if (is_cumulative(metric)) {
    Last& last = *last_of(batch, row);
    if (!last.known) counts.assign(counts.size(), 0), total = 0;
    if (last.known && last.buckets.size() == counts.size())
      for (size_t i = 0; i < counts.size(); ++i) counts[i] -= std::min(counts[i], last.buckets[i]);
    total = last.known ? std::max(0.0, total - last.count) : 0;
    if (last.known) since = last.second;
    last = {.value = 0, .count = static_cast<double>(d.count), .buckets = d.counts, .known = true, .second = second};
  }
  if (kpis_[kpi].kind != config::KpiKind::quantile)
    return total > 0 ? count_since(kpi, since, second, good, total) : void();
  for (size_t i = 0; bucketed && i < counts.size(); ++i)
    if (counts[i] > 0) count(kpi, second, good, value_in_bucket(d, i), static_cast<double>(counts[i]));
}

std::vector<KpiPoint> Kpis::take() {
  std::vector<KpiPoint> out;
  for (auto& [key, point] : points_) out.push_back(std::move(point));
  points_.clear();
  return out;
}

}  // namespace hs::stream
