#pragma once
// A gRPC server without generated code: unary methods by name, bytes in, bytes out.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/rpc_message.h"
#include "io/http.h"
#include "net/socket.h"

namespace hs::net {

class TlsServer;

struct GrpcServerOptions {
  io::Endpoint listen = {};                  // port 0 picks one
  std::string name = "grpc";                 // in logs and in the label `listener` of metrics
  std::shared_ptr<TlsServer> tls = nullptr;  // none: plain HTTP/2

  // Of one message as received, as for OTLP/HTTP. gRPC's own decompression has no limit on its output, so it is
  // switched off: handlers decompress, with base/compress.h.
  size_t message_bytes_max = 64 * 1024 * 1024;
  // Of all messages that are being answered, as received; beyond it a call gets RESOURCE_EXHAUSTED with RetryInfo.
  size_t all_messages_bytes_max = 256 * 1024 * 1024;
  // What gRPC itself may allocate for connections and for messages on their way in.
  size_t transport_bytes_max = 256 * 1024 * 1024;
  // Calls at once on one connection; exporters use a handful.
  int streams_max = 128;
  // A connection without a call is closed after so long, and a peer that does not answer pings is noticed.
  int64_t idle_timeout_ms = 600'000;
  int64_t keepalive_ms = 60'000;
};

class GrpcServer {
 public:
  // Listens and serves; handlers run on gRPC's threads and must not block them. What is not in `methods` is
  // UNIMPLEMENTED.
  static Result<std::unique_ptr<GrpcServer>> start(GrpcServerOptions options, rpc::Methods methods);
  ~GrpcServer();  // stop(0)

  const io::Endpoint& address() const;
  // Serves a connection that another listener has accepted, as if it had come here, but without TLS. `received`: what
  // was read of it, HTTP/2 from the first byte. From any thread, does not block; after stop() it closes the connection.
  void adopt(Fd connection, std::string_view received);
  // Accepts no more, lets calls in flight finish for at most `deadline_ms`, cancels the rest. Idempotent.
  void stop(int64_t deadline_ms);

 private:
  struct Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hs::net
