#pragma once
// io::Http over real sockets: blocking calls, everything under the caller's deadline.

#include <cstddef>
#include <memory>

#include "io/http.h"

namespace hs::net {

struct HttpClientOptions {
  // Idle connections that are kept for later: one address is asked by few threads at once, and an engine, some probes
  // and some webhooks are few addresses.
  size_t idle_per_endpoint_max = 8;
  size_t idle_max = 64;
  // Shorter than any server's keep-alive in common use (Node: 5 s), so that we rarely write into a closing connection.
  int64_t idle_max_ms = 4'000;
};

// Thread-safe; each call uses the caller's thread and a connection of its own.
// A connection from the pool that turns out to be closed before a byte of the answer came is replaced once, for methods
// that may be repeated (GET, HEAD, PUT, DELETE, OPTIONS); a POST fails with unavailable.
class HttpClient final : public io::Http {
 public:
  explicit HttpClient(HttpClientOptions options = {});
  ~HttpClient() override;
  Result<http::Response> request(const io::Endpoint& to, const io::HttpRequest& request,
                                 const io::HttpLimits& limits) override;
  size_t idle_connections() const;

 private:
  class Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace hs::net
