#pragma once
// What listeners and files bring in: requests of log records that are kept until the journal has them.

#include <functional>
#include <stop_token>
#include <string>

#include "api/otlp/receiver.h"
#include "base/error.h"
#include "base/time.h"

namespace hs::sources {

// An error that passes: the sink is full, or stops.
bool is_temporary(const Error& error);

class LogDelivery {
 public:
  struct Options {
    std::string tenant;  // whose data
    size_t body_bytes_max = 64 << 20;
    std::function<bool()> parse_text;  // as of the receivers of OTLP
    ingest::Gate gate = {};
  };
  LogDelivery(Options options, api::otlp::Sink sink);

  // Waits until `request` (ExportLogsServiceRequest) is durable. While the journal refuses, it is offered again, at
  // most until `stop`. Errors: unavailable, resource_exhausted (stopped before it was taken), or what is wrong with
  // the request for good. Thread-safe.
  Status deliver(const std::string& request, UnixNanos received_at, const std::stop_token& stop) const;

 private:
  Status offer(const std::string& request, UnixNanos received_at) const;

  const Options options_;
  const api::otlp::Sink sink_;
};

}  // namespace hs::sources
