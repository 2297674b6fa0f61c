#pragma once
// An HTTP/1.1 server: hands http::Requests to a handler and sends what it answers. Keep-alive, pipelining (answered in
// order, one at a time), chunked bodies, streamed answers; over TLS when it is given a certificate. Access rules are
// wrappers of the handler.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/http_message.h"
#include "io/http.h"
#include "net/socket.h"

namespace hs::net {

class TlsServer;

struct HttpServerOptions {
  io::Endpoint listen = {};                  // port 0 picks one; a UNIX socket gets mode 0600
  std::string name = "http";                 // in logs and in the label `listener` of metrics
  std::shared_ptr<TlsServer> tls = nullptr;  // none: plain HTTP
  int threads = 2;                           // each with an event loop of its own; a connection never migrates
  // Takes over a plain connection whose client begins to speak HTTP/2 (RFC 9113 3.4), with what was read of it; called
  // on our threads, must not block. It counts no longer as ours. None: such a client gets 400, as HTTP/1.1 asks for.
  std::function<void(Fd connection, std::string_view received)> http2 = nullptr;

  // Of one request's body as received. 64 MiB is what OTLP clients (and the OpAMP specification) count on.
  size_t body_bytes_max = 64 * 1024 * 1024;
  // A body is given its memory in advance up to here, if its Content-Length says so; beyond, it grows as bytes really
  // come, and is copied each time. Low where strangers send.
  size_t body_reserve_bytes_max = 1024 * 1024;
  // Of all bodies that are being received or answered, on all connections: the bound of this server's memory. Beyond
  // it a request gets 503 and Retry-After.
  size_t all_bodies_bytes_max = 256 * 1024 * 1024;
  // Each costs some 70 KiB at most while idle in the middle of a header. Further ones get 503 and are closed.
  size_t connections_max = 1024;

  // Slow-loris: nobody needs longer than this for 16 KiB of header; a body must move at least this often, and be whole
  // in this long altogether.
  int64_t handshake_timeout_ms = 10'000;  // of TLS
  int64_t header_timeout_ms = 10'000;
  int64_t body_progress_timeout_ms = 20'000;
  int64_t body_timeout_ms = 120'000;
  // Between requests. Longer than common clients keep a connection (Go: 90 s, but it retries), so that we rarely close
  // one under a request on its way. Only a tenth of it when three quarters of the connections are taken.
  int64_t idle_timeout_ms = 75'000;
  // An answer must move at least this often while it is being sent.
  int64_t write_progress_timeout_ms = 30'000;
};

class HttpServer {
 public:
  // Listens and starts its threads. The handler runs on them, must not block them, and must stay valid until stop().
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, http::Handler handler);
  ~HttpServer();  // stop(0)

  // What it listens on, with the port that was picked; text() is "127.0.0.1:4318" or "unix:/path".
  const io::Endpoint& address() const;
  size_t connections() const;

  // Accepts no more, lets requests in flight finish for at most `deadline_ms`, then closes what is left (their `gone`
  // is asked to stop; answers that still come are dropped). Returns when all threads have ended. Idempotent.
  void stop(int64_t deadline_ms);

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hs::net
