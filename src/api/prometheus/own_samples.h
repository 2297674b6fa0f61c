#pragma once
// Samples that this process makes itself go the way of remote write: encoded, into the journal, acknowledged when they
// are on disk, replayed after a crash, stored by the same code as what senders sent.

#include <functional>
#include <string>
#include <string_view>

#include "api/prometheus/write.h"
#include "promql/histogram.h"
#include "wire/prometheus/write_encoder.h"

namespace hs::api::prometheus {

// Who made them. Derived ones tell nothing of the application that was not told before: the loop does not see them.
enum class Origin : uint8_t {
  scrape,        // asked of the application
  rules,         // derived: results of rules
  span_metrics,  // derived from spans
  own_metrics,   // what this process says of itself: nothing of the application
};

// What the journal and the loop see as the credential: "homeostat/rules".
std::string_view credential_of(Origin origin);
bool is_derived(std::string_view credential);

// A histogram as the encoder takes it.
wire::prometheus::WriteEncoder::Histogram encoded(const promql::Histogram& h, int64_t t_ms);

// Thread-safe. Must not outlive what the sink refers to.
class OwnSamples {
 public:
  OwnSamples(WriteOptions options, io::Clock& clock, Sink sink);

  // Takes what was encoded (a request should stay below 4 MiB: several are as good as one). `done` is called once, on
  // this thread or the journal's, and must not block. ok: durable. resource_exhausted, unavailable: nothing was taken,
  // try again; the same bytes are recognised, so that nothing is stored twice. invalid_argument: some samples could not
  // be taken (the text says how many and why: time, names, sizes), all others are durable.
  void append(Origin origin, std::string tenant, wire::prometheus::WriteEncoder samples,
              std::function<void(Status)> done) const;
  // The same, waiting for the answer for at most `timeout_ms` (deadline_exceeded: it may still become durable).
  Status append_and_wait(Origin origin, std::string tenant, wire::prometheus::WriteEncoder samples,
                         int64_t timeout_ms) const;

 private:
  WriteOptions options_;
  io::Clock& clock_;
  Sink sink_;
};

}  // namespace hs::api::prometheus
