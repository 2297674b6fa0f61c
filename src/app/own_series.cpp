#include "app/own_series.h"

#include <algorithm>
#include <condition_variable>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"

namespace hs::app {
namespace {

using api::prometheus::Origin;
using api::prometheus::OwnSamples;
using wire::prometheus::WriteEncoder;

constexpr size_t request_bytes = 2UL << 20;         // of one request; the rest goes into another
constexpr int64_t families_every_s = 600;           // types and help texts: for those who look at a part of the past
constexpr int64_t idle_wait_ms = 24LL * 3'600'000;  // both are switched off: nothing to wake up for

metrics::Counter left_out("homeostat_own_series_left_out_total",
                          "Requests with own metrics or span metrics that were not recorded");

WriteEncoder::FamilyType type_of(const std::string& type) {
  using enum WriteEncoder::FamilyType;
  return type == "counter" ? counter : type == "histogram" ? histogram : gauge;
}

}  // namespace

OwnSeries::OwnSeries(Options options, io::Clock& clock)
    : options_(std::move(options)), clock_(clock), spans_told_(clock.wall()) {
  metrics::add_collector([this](std::vector<metrics::Sample>& out) {
    const std::lock_guard lock(mutex_);
    const auto add = [&](const char* name, const char* help, uint64_t value) {
      out.push_back({name, help, "counter", "", static_cast<double>(value)});
    };
    add("homeostat_span_metrics_overflowed_total", "Spans counted under metric_overflow: too many names",
        span_metrics_.overflowed());
    add("homeostat_service_graph_overflowed_total", "Calls counted under metric_overflow: too many edges",
        graph_.overflowed());
    add("homeostat_service_graph_unpaired_total", "Spans whose other side did not come in time", graph_.unpaired());
    add("homeostat_service_graph_dropped_total", "Spans that found no room to wait for their other side",
        graph_.dropped());
  });
}

void OwnSeries::add(const model::Batch& batch, UnixNanos received_at) {
  if (batch.signal != model::Signal::traces || options_.spans_every_ms == 0) return;
  const std::lock_guard lock(mutex_);
  span_metrics_.add(batch, received_at);
  graph_.add(batch, received_at);
}

void OwnSeries::start(const OwnSamples& samples) {
  thread_ = std::jthread([this, &samples](const std::stop_token& stop) { run(stop, samples); });
}

void OwnSeries::run(const std::stop_token& stop, const OwnSamples& samples) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  const auto after = [this](int64_t every_ms) {
    return every_ms == 0 ? MonoNanos{INT64_MAX} : clock_.mono() + every_ms * nanos_per_ms;
  };
  MonoNanos own_due = after(options_.own_every_ms), spans_due = after(options_.spans_every_ms);
  while (!stop.stop_requested()) {
    const MonoNanos now = clock_.mono();
    if (own_due <= now) own_due = after(options_.own_every_ms), write_own(samples);
    if (spans_due <= now) spans_due = after(options_.spans_every_ms), write_spans(samples);
    const int64_t left_ms = (std::min(own_due, spans_due) - clock_.mono()) / nanos_per_ms + 1;
    wake.wait_for(lock, stop, std::chrono::milliseconds(std::clamp(left_ms, int64_t{0}, idle_wait_ms)),
                  [] { return false; });
  }
}

void OwnSeries::write_own(const OwnSamples& samples) {
  const UnixNanos now = clock_.wall();
  const bool tell_families = now - families_told_ >= families_every_s * nanos_per_s;
  if (tell_families) families_told_ = now;
  WriteEncoder encoder;
  std::string family;
  for (const metrics::Sample& s : metrics::collect()) {
    if (tell_families && s.family() != family) encoder.family(family = s.family(), type_of(s.type), s.help, "");
    const auto pairs = metrics::parse_labels(s.labels);
    std::vector<model::Attribute> labels = {
        {"__name__", s.name}, {"instance", options_.instance}, {"job", "homeostat"}};
    for (const auto& [key, value] : pairs)
      if (!value.empty()) labels.push_back({key, value});
    encoder.sample(labels, now / nanos_per_ms, s.value);
    if (encoder.size() >= request_bytes) append(samples, Origin::own_metrics, std::exchange(encoder, {}));
  }
  append(samples, Origin::own_metrics, std::move(encoder));
}

// A series that was not told before was 0 when the others were told: so the first spans count in a rate.
void OwnSeries::write_spans(const OwnSamples& samples) {
  const UnixNanos now = clock_.wall();
  WriteEncoder encoder;
  std::vector<WriteEncoder> full;
  {
    const std::lock_guard lock(mutex_);
    const stream::EachSeries each = [&](std::span<const model::Attribute> labels, double value, bool first) {
      const WriteEncoder::Sample points[] = {{spans_told_ / nanos_per_ms, 0}, {now / nanos_per_ms, value}};
      encoder.series(labels, std::span(points).subspan(first ? 0 : 1));
      if (encoder.size() >= request_bytes) full.push_back(std::exchange(encoder, {}));
    };
    span_metrics_.collect(now, each);
    graph_.collect(now, each);
    spans_told_ = now;
  }
  for (WriteEncoder& one : full) append(samples, Origin::span_metrics, std::move(one));
  append(samples, Origin::span_metrics, std::move(encoder));
}

void OwnSeries::append(const OwnSamples& samples, Origin origin, WriteEncoder encoder) {
  if (encoder.empty()) return;
  if (*pending_ >= pending_max) return left_out.add();
  ++*pending_;
  samples.append(origin, "", std::move(encoder), [pending = pending_](const Status& status) {
    --*pending;
    if (status) return;
    left_out.add();
    log::warn("own series were not recorded", {{"why", status.error().message}});
  });
}

}  // namespace hs::app
