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

// What is wrong before the body is looked at.
Status check_headers(const http::Request& request) {
  const std::string type = without_blanks(request.headers.get("Content-Type"));
  const std::string media = type.substr(0, type.find(';'));
  if (media != "application/x-protobuf" && !media.empty())
    return fail(Code::unsupported_media, "Content-Type must be application/x-protobuf (remote write 1.0)");
  if (type.find("proto=") != type.npos && type.find("proto=prometheus.writerequest") == type.npos)
    return fail(Code::unsupported_media, "only remote write 1.0 is taken: proto=prometheus.WriteRequest");
  const std::string coding = without_blanks(request.headers.get("Content-Encoding"));
  if (coding != "snappy" && !coding.empty())
    return fail(Code::unsupported_media, "Content-Encoding must be snappy (its block format)");
  return {};
}

struct Receiver {
  WriteOptions options;
  io::Clock& clock;
  Sink sink;

  void take(http::Request request, const http::Done& done) const {
    if (auto good = check_headers(request); !good) return done(refusal(good.error()));
    auto tenant = tenant_of(request);
    if (!tenant) return done(refusal(tenant.error()));
    Incoming incoming;
    incoming.signal = model::Signal::metrics;
    incoming.format = ingest::WireFormat::prometheus_write;
    incoming.encoding = ingest::Encoding::snappy;
    incoming.tenant = std::move(*tenant);
    incoming.credential = std::move(request.credential);
    incoming.received_at = clock.wall();
    incoming.any_time = options.any_time && options.any_time();
    incoming.body = std::move(request.body);
    auto batch = decode_write(incoming, options.body_bytes_max);
    if (!batch) return done(refusal(batch.error()));
    append(std::move(incoming), std::move(*batch), done);
  }

  void append(Incoming incoming, model::Batch batch, const http::Done& done) const {
    const uint64_t items = batch.size(), rejected = batch.rejected;
    auto answer = [items, rejected, why = batch.rejected_why, done](const Status& status) {
      if (!status) return done(refusal(status.error()));
      counters().items.add(items);
      counters().rejected.add(rejected);
      if (rejected > 0) return done(refusal({Code::invalid_argument, fmt::format("{}; all others are stored", why)}));
      counters().requests.add();
      http::Response response;
      response.status = 204;
      done(std::move(response));
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
  limits.newest = incoming.received_at + store::time_future_max_ns;
  limits.window_s = store::partition_s;
  return wire::prometheus::decode_write(std::move(body), limits);
}

Result<std::string> tenant_of(const http::Request& request) {
  constexpr size_t bytes_max = 150;
  constexpr std::string_view others = "!-_.*'()";
  const std::string_view name = request.headers.get("X-Scope-OrgID");
  const bool good = name.size() <= bytes_max && std::all_of(name.begin(), name.end(), [&](char c) {
                      return std::isalnum(static_cast<unsigned char>(c)) != 0 || others.find(c) != others.npos;
                    });
  if (good) return std::string(name);
  return fail(Code::invalid_argument, "X-Scope-OrgID: a tenant's name is up to 150 letters, digits and !-_.*'()");
}

}  // namespace hs::api::prometheus
