#pragma once
// OFREP 0.3.0 (OpenFeature remote evaluation protocol) as the intersection of what the official clients accept:
// answers always carry key, value, variant, a reason of the protocol's list and, in errors, errorDetails; real numbers
// carry a decimal point; the rest of the path is the key, slashes included; a context without targetingKey is fine.

#include <string>

#include "base/http_message.h"
#include "io/clock.h"
#include "values/reader.h"
#include "values/served.h"

namespace hs::values {

inline constexpr size_t ofrep_body_bytes_max = 1UL << 20;  // as flagd; a context is a few hundred bytes

//   POST /ofrep/v1/evaluate/flags/{key}   one flag
//   POST /ofrep/v1/evaluate/flags         all flags; ETag, If-None-Match
//   GET  /v1/served[?since=SECOND]        what was served (values/served.h)
//   GET  /healthz                         200 while a state is loaded; 503 before the first
//   GET  /metrics
// Pure but for the counts: answers on the calling thread, never blocks. Thread-safe.
class OfrepHandler {
 public:
  OfrepHandler(const Reader& reader, ServedCounts& served, io::Clock& clock, std::string boot_id);
  http::Response respond(const http::Request& request) const;

 private:
  http::Response single(const http::Request& request, std::string_view key) const;
  http::Response bulk(const http::Request& request) const;
  http::Response served(const http::Request& request) const;
  http::Response health() const;

  const Reader& reader_;
  ServedCounts& served_;
  io::Clock& clock_;
  const std::string boot_id_;
};

}  // namespace hs::values
