#pragma once
// gRPC listeners over TLS whose certificates may change while they listen.

#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "net/tls_server.h"

namespace hs::net {

// What gRPC asks at each connection; outlives the server.
struct GrpcCertificates {
  std::shared_ptr<TlsServer> tls;
  uint64_t given = 0;  // the generation that gRPC has; it asks under a lock of its own
};

std::shared_ptr<grpc::ServerCredentials> tls_credentials(GrpcCertificates& certificates);

}  // namespace hs::net
