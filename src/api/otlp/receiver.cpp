#include "api/otlp/receiver.h"

#include <algorithm>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/compress.h"
#include "base/json.h"
#include "base/metrics.h"
#include "ingest/coding.h"
#include "wire/logtext/parse.h"
#include "wire/otlp/otlp.h"

namespace hs::api::otlp {
namespace {

using ingest::Incoming;
using ingest::WireFormat;
using model::Signal;
using wire::otlp::Format;

// Who takes small bodies has little memory: what two bytes of them can ask for is bounded with them. The proportion is
// that of the decoder's own limit to the body that OTLP recommends.
constexpr size_t decoded_bytes_per_byte = 4, decoded_bytes_least = 16 << 20;

struct Counters {
  explicit Counters(std::string_view signal)
      : labels(fmt::format("signal=\"{}\"", signal)),
        requests("homeostat_otlp_requests_total", "OTLP export requests that were acknowledged.", labels),
        refused("homeostat_otlp_refused_requests_total", "OTLP export requests that got an error.", labels),
        items("homeostat_otlp_items_total", "Spans, log records and data points acknowledged.", labels),
        rejected("homeostat_otlp_rejected_items_total", "Items of acknowledged requests that were rejected.", labels) {}
  std::string labels;
  metrics::Counter requests, refused, items, rejected;
};

Counters& counters_of(Signal signal) {
  static Counters traces("traces"), metrics("metrics"), logs("logs");
  return signal == Signal::traces ? traces : signal == Signal::metrics ? metrics : logs;
}

Format format_of(WireFormat format) { return format == WireFormat::otlp_json ? Format::json : Format::protobuf; }

// What an acknowledgement says besides "ok".
struct Accepted {
  uint64_t rejected = 0;
  std::string why;
};

// What both transports share. Lives as long as a handler that holds it.
struct Receiver {
  ReceiverOptions options;
  io::Clock& clock;
  Sink sink;

  void take(Incoming incoming, std::function<void(Result<Accepted>)> done) const {
    Counters& counters = counters_of(incoming.signal);
    incoming.parse_text = incoming.signal == Signal::logs && options.parse_text && options.parse_text();
    const auto refuse = [&](Error error) {
      counters.refused.add();
      done(tl::unexpected(std::move(error)));
    };
    if (options.gate.enter)
      if (Status entered = options.gate.enter(incoming); !entered) return refuse(std::move(entered).error());
    auto batch = decode(incoming, options.body_bytes_max);
    if (!batch) return refuse(std::move(batch).error());
    if (options.gate.settle) options.gate.settle(incoming, *batch);
    const size_t items = batch->size();
    Accepted accepted{batch->rejected, batch->rejected_why};
    if (items == 0) {
      counters.rejected.add(accepted.rejected);
      return done(std::move(accepted));
    }
    incoming.received_at = clock.wall();
    auto answer = [&counters, items, accepted = std::move(accepted), done = std::move(done)](Status status) {
      if (!status) {
        counters.refused.add();
        return done(tl::unexpected(std::move(status).error()));
      }
      counters.requests.add();
      counters.items.add(items);
      counters.rejected.add(accepted.rejected);
      done(accepted);
    };
    sink(std::move(incoming), std::move(*batch), std::move(answer));
  }
};

// The media type of a Content-Type, without parameters, in lower case.
std::string media_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
  return type;
}

std::optional<Format> requested_format(const http::Headers& headers) {
  const std::string type = media_type(headers.get("Content-Type"));
  if (type == wire::otlp::content_type(Format::protobuf)) return Format::protobuf;
  if (type == wire::otlp::content_type(Format::json)) return Format::json;
  return std::nullopt;
}

std::optional<Signal> signal_of(std::string_view path) {
  if (path.starts_with("/otlp/")) path.remove_prefix(5);
  for (const Signal signal : {Signal::traces, Signal::metrics, Signal::logs})
    if (path == fmt::format("/v1/{}", model::name_of(signal))) return signal;
  return std::nullopt;
}

http::Response status_response(Format format, const Error& error) {
  http::Response response;
  response.status = http_status(error.code);
  response.headers.set("Content-Type", wire::otlp::content_type(format));
  if (error.retry_after_ms > 0)
    response.headers.set("Retry-After", std::to_string((error.retry_after_ms + 999) / 1000));
  response.body = wire::otlp::encode_status(format, error);
  return response;
}

http::Response success(Signal signal, Format format, const Accepted& accepted) {
  http::Response response;
  response.headers.set("Content-Type", wire::otlp::content_type(format));
  response.body = wire::otlp::encode_response(signal, format, accepted.rejected, accepted.why);
  return response;
}

// What is wrong before the body is looked at, with the header that says what would be right.
std::optional<http::Response> refusal(const http::Request& request, std::optional<Signal> signal,
                                      std::optional<Format> format) {
  const auto refuse = [&](Code code, std::string message) {
    return status_response(format.value_or(Format::json), {code, std::move(message)});
  };
  if (!signal) return refuse(Code::not_found, "no such path; OTLP is at /v1/traces, /v1/metrics and /v1/logs");
  if (request.method != "POST") {
    auto response = refuse(Code::method_not_allowed, "OTLP requests are sent by POST");
    response.headers.set("Allow", "POST");
    return response;
  }
  if (!format) {
    auto response = refuse(Code::unsupported_media, "Content-Type must be application/x-protobuf or application/json");
    response.headers.set("Accept-Post", "application/x-protobuf, application/json");
    return response;
  }
  return std::nullopt;
}

void handle(const Receiver& receiver, http::Request request, const http::Done& done) {
  const auto signal = signal_of(request.path);
  const auto requested = requested_format(request.headers);
  if (auto refused = refusal(request, signal, requested)) return done(std::move(*refused));
  const Format format = *requested;
  const auto coding = parse_coding(request.headers.get("Content-Encoding"));
  if (!coding) {
    auto response = status_response(format, coding.error());
    response.headers.set("Accept-Encoding", "gzip, zstd, deflate");
    return done(std::move(response));
  }
  auto tenant = ingest::tenant_of(request.headers);
  if (!tenant) return done(status_response(format, tenant.error()));
  const auto shipment = ingest::parse_shipment(request.headers.get(ingest::shipment_header));
  if (!shipment) return done(status_response(format, shipment.error()));
  Incoming incoming;
  incoming.signal = *signal;
  incoming.tenant = std::move(*tenant);
  incoming.shipment = *shipment;
  incoming.format = format == Format::json ? WireFormat::otlp_json : WireFormat::otlp_protobuf;
  incoming.encoding = ingest::encoding_of(*coding);
  incoming.credential = std::move(request.credential);
  incoming.body = std::move(request.body);
  receiver.take(std::move(incoming), [signal = *signal, format, done](const Result<Accepted>& result) {
    done(result ? success(signal, format, *result) : status_response(format, result.error()));
  });
}

void handle_call(const Receiver& receiver, Signal signal, rpc::Request request, const rpc::Done& done) {
  const auto coding = parse_coding(request.encoding);
  if (!coding) return done(tl::unexpected(coding.error()));
  auto tenant = ingest::tenant_of(request.metadata);
  if (!tenant) return done(tl::unexpected(std::move(tenant).error()));
  const auto shipment = ingest::parse_shipment(request.metadata.get(ingest::shipment_header));
  if (!shipment) return done(tl::unexpected(shipment.error()));
  Incoming incoming;
  incoming.signal = signal;
  incoming.tenant = std::move(*tenant);
  incoming.shipment = *shipment;
  incoming.encoding = ingest::encoding_of(*coding);
  incoming.credential = std::move(request.credential);
  incoming.body = std::move(request.body);
  receiver.take(std::move(incoming), [signal, done](Result<Accepted> result) {
    if (result) return done(wire::otlp::encode_response(signal, Format::protobuf, result->rejected, result->why));
    Error error = std::move(result).error();
    if (error.code == Code::too_large) error.code = Code::resource_exhausted;
    done(tl::unexpected(std::move(error)));
  });
}

// The error of an answer in our own JSON form (http::Response::error), if it is one.
std::optional<std::string> message_of(const http::Response& response) {
  if (response.status < 400 || response.stream != nullptr) return std::nullopt;
  const auto document = json::parse(response.body, "answer");
  const json::Json* error = document ? json::find(*document, "error") : nullptr;
  if (error == nullptr) return std::nullopt;
  const auto message = json::text(*error, "message");
  return message ? std::optional<std::string>(*message) : std::nullopt;
}

Code code_of(int http) {
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i)
    if (http_status(static_cast<Code>(i)) == http) return static_cast<Code>(i);
  return http < 500 ? Code::invalid_argument : Code::internal;
}

}  // namespace

Result<model::Batch> decode(const Incoming& incoming, size_t body_bytes_max) {
  if (incoming.body.size() > body_bytes_max)
    return fail(Code::too_large, fmt::format("the body has more than {} bytes (ingest.body_max)", body_bytes_max));
  HS_ASSIGN(std::string body, decompress(ingest::coding_of(incoming.encoding), incoming.body, body_bytes_max));
  const uint64_t body_bytes = body.size();
  wire::otlp::DecodeLimits limits;
  limits.decoded_bytes_max =
      std::clamp(decoded_bytes_per_byte * body_bytes_max, decoded_bytes_least, limits.decoded_bytes_max);
  ingest::choose(limits.attributes_per_item_max, incoming.item_limits.attributes);
  ingest::choose(limits.nesting_max, incoming.item_limits.nesting);
  ingest::choose(limits.key_bytes_max, incoming.item_limits.key_bytes);
  ingest::choose(limits.value_bytes_max, incoming.item_limits.value_bytes);
  ingest::choose(limits.name_bytes_max, incoming.item_limits.name_bytes);
  HS_ASSIGN(model::Batch batch,
            wire::otlp::decode(incoming.signal, format_of(incoming.format), std::move(body), limits));
  batch.body_bytes = body_bytes;
  if (incoming.parse_text) wire::logtext::parse(batch);
  return batch;
}

http::Handler http_receiver(ReceiverOptions options, io::Clock& clock, Sink sink) {
  const auto receiver = std::make_shared<const Receiver>(Receiver{options, clock, std::move(sink)});
  return [receiver](http::Request request, const http::Done& done) { handle(*receiver, std::move(request), done); };
}

rpc::Methods grpc_receiver(ReceiverOptions options, io::Clock& clock, Sink sink) {
  const auto receiver = std::make_shared<const Receiver>(Receiver{options, clock, std::move(sink)});
  const auto handler = [&](Signal signal) {
    return [receiver, signal](rpc::Request request, const rpc::Done& done) {
      handle_call(*receiver, signal, std::move(request), done);
    };
  };
  return {
      {"/opentelemetry.proto.collector.trace.v1.TraceService/Export", handler(Signal::traces)},
      {"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", handler(Signal::metrics)},
      {"/opentelemetry.proto.collector.logs.v1.LogsService/Export", handler(Signal::logs)},
  };
}

http::Handler with_status_errors(http::Handler inner) {
  return [inner = std::move(inner)](http::Request request, http::Done done) {
    const Format format = requested_format(request.headers).value_or(Format::json);
    inner(std::move(request), [format, done = std::move(done)](http::Response response) {
      if (const auto message = message_of(response)) {
        response.body = wire::otlp::encode_status(format, {code_of(response.status), *message});
        response.headers.set("Content-Type", wire::otlp::content_type(format));
      }
      done(std::move(response));
    });
  };
}

}  // namespace hs::api::otlp
