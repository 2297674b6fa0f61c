#include "net/grpc_tls.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

namespace hs::net {
namespace {

grpc_ssl_certificate_config_reload_status give(void* to, grpc_ssl_server_certificate_config** config) {
  auto& certificates = *static_cast<GrpcCertificates*>(to);
  const auto now = certificates.tls->now();
  if (now->generation == certificates.given) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const grpc_ssl_pem_key_cert_pair pair{.private_key = now->key.c_str(), .cert_chain = now->cert.c_str()};
  // gRPC insists on authorities, also where no client is asked for a certificate: then they are not looked at.
  const std::string& authorities = now->client_ca.empty() ? now->cert : now->client_ca;
  *config = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);  // copies
  certificates.given = now->generation;
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

// gRPC's own C++ credentials take their certificates once, or watch files; these are asked for.
class Credentials final : public grpc::ServerCredentials {
 public:
  explicit Credentials(GrpcCertificates& certificates) : certificates_(certificates) {}
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    const auto clients = certificates_.tls->verifies_clients()
                             ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                             : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    grpc_server_credentials* credentials = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(clients, give, &certificates_));
    const int port = grpc_server_add_http2_port(server, address.c_str(), credentials);
    grpc_server_credentials_release(credentials);
    return port;
  }

  GrpcCertificates& certificates_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> tls_credentials(GrpcCertificates& certificates) {
  return std::make_shared<Credentials>(certificates);
}

}  // namespace hs::net
