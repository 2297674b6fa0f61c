#pragma once
// The receiver of Prometheus remote write 1.0 and 2.0: what a sender posts becomes a batch and goes the way of OTLP
// (journal, fsync, answer). https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/

#include <functional>

#include "base/http_message.h"
#include "ingest/incoming.h"
#include "io/clock.h"

namespace hs::api::prometheus {

struct WriteOptions {
  size_t body_bytes_max = 64 << 20;  // as received, and again when decompressed
  // Are samples of any age taken? Asked at each request: true while retention keeps metrics for ever.
  std::function<bool()> any_time;
  ingest::Gate gate = {};
};

// Takes one decoded request and answers once, from any thread: ok means durable (ingest::Ingest::append).
using Sink = std::function<void(ingest::Incoming, model::Batch, std::function<void(Status)>)>;

// The parameter `proto` of the Content-Type chooses the version; 1.0 without it. Answers 204 when what was sent is
// durable. 400: no such message, or some samples could not be taken (the text says how many and why; all others are
// stored, and none of it is worth a retry). 2.0 is told what was written: X-Prometheus-Remote-Write-Samples-Written,
// -Histograms-Written, -Exemplars-Written. 413, 415: size, content type or
// encoding. 429 and 503 with Retry-After: send it again.
http::Handler write_receiver(WriteOptions options, io::Clock& clock, Sink sink);

// Decompresses and decodes a request: what the receiver does, and what the journal's replay does again. Pure.
Result<model::Batch> decode_write(const ingest::Incoming& incoming, size_t body_bytes_max);

}  // namespace hs::api::prometheus
