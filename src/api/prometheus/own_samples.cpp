#include "api/prometheus/own_samples.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include "base/compress.h"

namespace hs::api::prometheus {
namespace {

// Labels repeat from sample to sample; below this a request is smaller than the frame is worth.
constexpr size_t compress_from_bytes = 512;

// Shared with the callback, which may come after the waiting has ended.
struct Outcome {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Status> status;
};

}  // namespace

std::string_view credential_of(Origin origin) {
  switch (origin) {
    case Origin::scrape:
      return "homeostat/scrape";
    case Origin::rules:
      return "homeostat/rules";
    case Origin::span_metrics:
      return "homeostat/span_metrics";
    case Origin::own_metrics:
      return "homeostat/own_metrics";
  }
  return "";
}

bool is_derived(std::string_view credential) {
  return credential == credential_of(Origin::rules) || credential == credential_of(Origin::span_metrics) ||
         credential == credential_of(Origin::own_metrics);
}

wire::prometheus::WriteEncoder::Histogram encoded(const promql::Histogram& h, int64_t t_ms) {
  wire::prometheus::WriteEncoder::Histogram out;
  out.time_ms = t_ms;
  out.count = h.count;
  out.sum = h.sum;
  out.zero_count = h.zero_count;
  out.zero_threshold = h.zero_threshold;
  out.schema = h.schema;
  out.reset_hint = static_cast<uint8_t>(h.hint);
  for (const promql::BucketSpan& span : h.positive_spans) out.positive_spans.push_back({span.offset, span.length});
  for (const promql::BucketSpan& span : h.negative_spans) out.negative_spans.push_back({span.offset, span.length});
  out.positive = h.positive;
  out.negative = h.negative;
  out.custom_values = h.custom_values;
  return out;
}

OwnSamples::OwnSamples(WriteOptions options, io::Clock& clock, Sink sink)
    : options_(std::move(options)), clock_(clock), sink_(std::move(sink)) {}

void OwnSamples::append(Origin origin, std::string tenant, wire::prometheus::WriteEncoder samples,
                        std::function<void(Status)> done) const {
  ingest::Incoming incoming;
  incoming.signal = model::Signal::metrics;
  incoming.format = ingest::WireFormat::prometheus_write;
  incoming.tenant = std::move(tenant);
  incoming.credential = credential_of(origin);
  incoming.received_at = clock_.wall();
  incoming.any_time = options_.any_time && options_.any_time();
  incoming.body = samples.take();
  if (incoming.body.size() >= compress_from_bytes) {
    if (auto packed = compress(Coding::zstd, incoming.body)) {
      incoming.body = std::move(*packed);
      incoming.encoding = ingest::Encoding::zstd;
    }
  }
  auto batch = decode_write(incoming, options_.body_bytes_max);
  if (!batch) return done(tl::unexpected(batch.error()));
  // This process sets its own pace: no rate refuses it.
  if (options_.gate.settle) options_.gate.settle(incoming, *batch);
  if (batch->size() == 0) return done({});
  auto answer = [rejected = batch->rejected, why = batch->rejected_why, done = std::move(done)](const Status& status) {
    if (!status || rejected == 0) return done(status);
    done(fail(Code::invalid_argument, fmt::format("{}; all others are stored", why)));
  };
  sink_(std::move(incoming), std::move(*batch), std::move(answer));
}

Status OwnSamples::append_and_wait(Origin origin, std::string tenant, wire::prometheus::WriteEncoder samples,
                                   int64_t timeout_ms) const {
  const auto outcome = std::make_shared<Outcome>();
  append(origin, std::move(tenant), std::move(samples), [outcome](const Status& status) {
    const std::lock_guard lock(outcome->mutex);
    outcome->status = status;
    outcome->changed.notify_all();
  });
  std::unique_lock lock(outcome->mutex);
  outcome->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return outcome->status.has_value(); });
  if (outcome->status) return *outcome->status;
  return fail(Code::deadline_exceeded, "the journal took longer than the caller could wait");
}

}  // namespace hs::api::prometheus
