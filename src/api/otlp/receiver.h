#pragma once
// The OTLP receivers: what an exporter sends becomes a batch and goes to a sink; what the sink says becomes the answer.
// Pure handlers: sockets are net's. OTLP specification 1.x, sections OTLP/HTTP and OTLP/gRPC.

#include <cstddef>
#include <functional>

#include "base/http_message.h"
#include "base/rpc_message.h"
#include "ingest/incoming.h"
#include "io/clock.h"

namespace hs::api::otlp {

struct ReceiverOptions {
  // As received, and again when decompressed; OTLP recommends 64 MiB.
  size_t body_bytes_max = 64 << 20;
  std::function<bool()> parse_text;  // of log records (wire/logtext); none: never
  ingest::Gate gate = {};
};

// Takes one decoded request and answers once, from any thread: ok means durable (ingest::Ingest::append).
using Sink = std::function<void(ingest::Incoming, model::Batch, std::function<void(Status)>)>;

// The whole of an OTLP/HTTP listener: POST /v1/traces, /v1/metrics, /v1/logs, also below /otlp; protobuf and JSON;
// identity, gzip, zstd and deflate. Every error is a google.rpc.Status in the request's own format (JSON when the
// Content-Type names neither), with Retry-After where a retry makes sense. Answers 400, 404, 405, 413, 415, and
// whatever the sink's error maps to. A request without any item is answered without the sink.
http::Handler http_receiver(ReceiverOptions options, io::Clock& clock, Sink sink);

// The three Export methods. A request beyond the size limit is RESOURCE_EXHAUSTED without RetryInfo, as gRPC itself
// says it: not to be retried.
rpc::Methods grpc_receiver(ReceiverOptions options, io::Clock& clock, Sink sink);

// Decompresses and decodes a request: what the receivers do, and what the journal's replay does again. Pure.
Result<model::Batch> decode(const ingest::Incoming& incoming, size_t body_bytes_max);

// Wraps a whole OTLP/HTTP listener (receiver and guard): errors that others answered in our own JSON, such as 401,
// become a google.rpc.Status in the request's format. Headers stay.
http::Handler with_status_errors(http::Handler inner);

}  // namespace hs::api::otlp
