#include "api/prometheus/write.h"

#include <algorithm>
#include <cctype>
#include <memory>

#include <fmt/format.h>

#include "base/compress.h"
#include "base/metrics.h"
#include "store/block.h"
#include "wire/prometheus/remote_write.h"
#include "wire/prometheus/snappy.h"

namespace hs::api::prometheus {
namespace {

using ingest::Incoming;

struct Counters {
  metrics::Counter requests{"homeostat_remote_write_requests_total", "Remote write requests that were acknowledged."};
  metrics::Counter refused{"homeostat_remote_write_refused_requests_total", "Remote write requests that got an error."};
  metrics::Counter items{"homeostat_remote_write_items_total", "Samples, histograms and metadata acknowledged."};
  metrics::Counter rejected{"homeostat_remote_write_rejected_samples_total", "Samples that could not be taken."};
};
Counters& counters() {
  static Counters instance;
  return instance;
}

http::Response refusal(const Error& error) {
  counters().refused.add();
  http::Response response = http::Response::text(http_status(error.code), error.message + "\n");
  if (error.retry_after_ms > 0)
    response.headers.set("Retry-After", std::to_string((error.retry_after_ms + 999) / 1000));
  return response;
}

std::string without_blanks(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '\t') out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return out;
}

// What the Content-Type asks for; an error when it, or the encoding, is not ours.
Result<ingest::WireFormat> format_of(const http::Request& request) {
  using enum ingest::WireFormat;
  std::string type = without_blanks(request.headers.get("Content-Type"));
  std::erase(type, '"');
  const std::string media = type.substr(0, type.find(';'));
  if (media != "application/x-protobuf" && !media.empty())
    return fail(Code::unsupported_media, "Content-Type must be application/x-protobuf (remote write)");
  const std::string coding = without_blanks(request.headers.get("Content-Encoding"));
  if (coding != "snappy" && !coding.empty())
    return fail(Code::unsupported_media, "Content-Encoding must be snappy (its block format)");
  constexpr std::string_view parameter = ";proto=";
  const size_t at = type.find(parameter);
  if (at == type.npos) return prometheus_write;
  const std::string_view rest = std::string_view(type).substr(at + parameter.size());
  const std::string_view proto = rest.substr(0, rest.find(';'));
  if (proto == "prometheus.writerequest") return prometheus_write;
  if (proto == "io.prometheus.write.v2.request") return prometheus_write_v2;
  return fail(Code::unsupported_media,
              "proto must be prometheus.WriteRequest (remote write 1.0) or io.prometheus.write.v2.Request (2.0)");
}

struct Written {
  uint64_t samples = 0, histograms = 0, exemplars = 0;
};

Written written_of(const model::Points& points) {
  Written out;
  for (size_t i = 0; i < points.size(); ++i) {
    if ((points.flags[i] & model::Points::carrier) != 0) continue;
    ++(points.distribution[i] == model::Points::no_distribution ? out.samples : out.histograms);
  }
  out.exemplars = points.exemplars.point.size();
  return out;
}

http::Response with_counts(http::Response response, const Written& written) {
  const auto set = [&](std::string_view what, uint64_t n) {
    response.headers.set(fmt::format("X-Prometheus-Remote-Write-{}-Written", what), std::to_string(n));
  };
  set("Samples", written.samples);
  set("Histograms", written.histograms);
  set("Exemplars", written.exemplars);
  return response;
}

struct Receiver {
  WriteOptions options;
  io::Clock& clock;
  Sink sink;

  void take(http::Request request, const http::Done& answer) const {
    const auto format = format_of(request);
    if (!format) return answer(refusal(format.error()));
    const bool second = *format == ingest::WireFormat::prometheus_write_v2;
    // A sender of 2.0 takes an answer without counts for one of a receiver that knows 1.0 alone.
    const http::Done done = !second ? answer : [answer](http::Response r) {
      answer(r.headers.get("X-Prometheus-Remote-Write-Samples-Written").empty() ? with_counts(std::move(r), {})
                                                                                : std::move(r));
    };
    auto tenant = ingest::tenant_of(request.headers);
    if (!tenant) return done(refusal(tenant.error()));
    Incoming incoming;
    incoming.signal = model::Signal::metrics;
    incoming.format = *format;
    incoming.encoding = ingest::Encoding::snappy;
    incoming.tenant = std::move(*tenant);
    incoming.credential = std::move(request.credential);
    incoming.received_at = clock.wall();
    incoming.any_time = options.any_time && options.any_time();
    incoming.body = std::move(request.body);
    if (options.gate.enter)
      if (const Status entered = options.gate.enter(incoming); !entered) return done(refusal(entered.error()));
    auto batch = decode_write(incoming, options.body_bytes_max);
    if (!batch) return done(refusal(batch.error()));
    if (options.gate.settle) options.gate.settle(incoming, *batch);
    append(std::move(incoming), std::move(*batch), done);
  }

  void append(Incoming incoming, model::Batch batch, const http::Done& done) const {
    const uint64_t items = batch.size(), rejected = batch.rejected;
    const bool second = incoming.format == ingest::WireFormat::prometheus_write_v2;
    const Written written = written_of(batch.points);
    auto answer = [=, why = batch.rejected_why](const Status& status) {
      if (!status) return done(refusal(status.error()));
      counters().items.add(items);
      counters().rejected.add(rejected);
      http::Response response;
      response.status = 204;
      if (rejected > 0)
        response = refusal({Code::invalid_argument, fmt::format("{}; all others are stored", why)});
      else
        counters().requests.add();
      done(second ? with_counts(std::move(response), written) : std::move(response));
    };
    if (items == 0) return answer({});
    sink(std::move(incoming), std::move(batch), std::move(answer));
  }
};

// Senders use snappy, as the protocol says; what this process makes itself (OwnSamples) is zstd or plain.
Result<std::string> plain_body(const Incoming& incoming, size_t body_bytes_max) {
  switch (incoming.encoding) {
    case ingest::Encoding::snappy:
      return wire::prometheus::snappy_decompress(incoming.body, body_bytes_max);
    case ingest::Encoding::zstd:
      return decompress(Coding::zstd, incoming.body, body_bytes_max);
    default:
      return incoming.body;
  }
}

}  // namespace

http::Handler write_receiver(WriteOptions options, io::Clock& clock, Sink sink) {
  const auto receiver = std::make_shared<const Receiver>(Receiver{std::move(options), clock, std::move(sink)});
  return [receiver](http::Request request, const http::Done& done) { receiver->take(std::move(request), done); };
}

Result<model::Batch> decode_write(const Incoming& incoming, size_t body_bytes_max) {
  HS_ASSIGN(std::string body, plain_body(incoming, body_bytes_max));
  wire::prometheus::WriteLimits limits;
  limits.oldest = incoming.any_time ? 0 : incoming.received_at - store::time_past_max_ns;
  ingest::choose(limits.labels_per_series_max, incoming.item_limits.attributes);
  ingest::choose(limits.name_bytes_max, incoming.item_limits.key_bytes);
  ingest::choose(limits.value_bytes_max, incoming.item_limits.value_bytes);
  limits.newest = incoming.received_at + store::time_future_max_ns;
  limits.window_s = store::partition_s;
  const bool second = incoming.format == ingest::WireFormat::prometheus_write_v2;
  const uint64_t body_bytes = body.size();
  HS_ASSIGN(model::Batch batch, wire::prometheus::decode_write(std::move(body), limits,
                                                               second ? wire::prometheus::WriteVersion::two
                                                                      : wire::prometheus::WriteVersion::one));
  batch.body_bytes = body_bytes;
  return batch;
}

}  // namespace hs::api::prometheus
