#include "stream/span_metrics.h"

#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "stream/facts.h"

namespace hs::stream {
namespace {

// 2 ms, doubled 13 times: what Tempo's generator has by default.
constexpr std::array<double, 14> limits = {0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128,
                                           0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384};
constexpr std::array<std::string_view, 14> limit_texts = {"0.002", "0.004", "0.008", "0.016", "0.032",
                                                          "0.064", "0.128", "0.256", "0.512", "1.024",
                                                          "2.048", "4.096", "8.192", "16.384"};
constexpr std::array<std::string_view, 3> latency_names = {
    "traces_spanmetrics_latency_bucket", "traces_spanmetrics_latency_sum", "traces_spanmetrics_latency_count"};

constexpr std::array<std::string_view, 6> kinds = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
                                                   "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
constexpr std::array<std::string_view, 3> statuses = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};

uint64_t key_of(std::string_view service, std::string_view name, uint8_t kind, uint8_t status) {
  return hash64(name, hash64(service, kind * 4U + status));
}
constexpr uint8_t overflow_kind = 63;  // no kind of OTLP: overflow has a key of its own

}  // namespace

void SpanMetrics::add(const model::Batch& batch, UnixNanos now) {
  const model::Spans& spans = batch.spans;
  for (size_t row = 0; row < spans.size(); ++row) {
    const uint8_t kind = spans.kind[row] < kinds.size() ? spans.kind[row] : 0;
    const uint8_t status = spans.status[row] < statuses.size() ? spans.status[row] : 0;
    const std::string_view name = utf8_prefix(spans.name[row], name_bytes_max);
    const std::string_view service = utf8_prefix(batch.resources[spans.resource[row]].service, name_bytes_max);
    Combination& one = combination(service, name, kind, status);
    const double weight = weight_of(spans, row);
    one.calls += weight;
    one.latency.add(limits, static_cast<double>(spans.duration_ns[row]) / 1e9, weight);
    one.seen = now;
  }
}

SpanMetrics::Combination& SpanMetrics::combination(std::string_view service, std::string_view name, uint8_t kind,
                                                   uint8_t status) {
  const uint64_t key = key_of(service, name, kind, status);
  if (const auto known = combinations_.find(key); known != combinations_.end()) return known->second;
  const auto of_service = of_service_.find(hash64(service));
  const bool service_full = of_service != of_service_.end() && of_service->second >= per_service_max;
  if (service_full || combinations_.size() >= combinations_max) return overflow(service);
  ++of_service_[hash64(service)];
  Combination& made = combinations_[key];
  made.service = service;
  made.name = name;
  made.kind = kind;
  made.status = status;
  return made;
}

// The few combinations of overflow may exceed the bound by one for each service that is within it, and one for all.
SpanMetrics::Combination& SpanMetrics::overflow(std::string_view service) {
  ++overflowed_;
  if (!of_service_.contains(hash64(service))) service = {};
  Combination& one = combinations_[key_of(service, "", overflow_kind, 0)];
  one.service = service;
  one.overflow = true;
  return one;
}

void SpanMetrics::collect(UnixNanos now, const EachSeries& each) {
  for (auto at = combinations_.begin(); at != combinations_.end();) {
    Combination& one = at->second;
    if (now - one.seen < idle_series_s * nanos_per_s) {
      tell(one, each);
      ++at;
      continue;
    }
    const auto share = of_service_.find(hash64(one.service));
    if (!one.overflow && share != of_service_.end() && --share->second == 0) of_service_.erase(share);
    at = combinations_.erase(at);
  }
}

void SpanMetrics::tell(Combination& one, const EachSeries& each) const {
  Teller teller(each, !std::exchange(one.told, true));
  teller.label("service", one.service);
  if (one.overflow) {
    teller.label("metric_overflow", "true");
  } else {
    teller.label("span_name", one.name);
    teller.label("span_kind", kinds[one.kind]);
    teller.label("status_code", statuses[one.status]);
  }
  teller.number("traces_spanmetrics_calls_total", one.calls);
  teller.histogram(latency_names, limit_texts, one.latency);
}

}  // namespace hs::stream
