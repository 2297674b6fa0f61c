#pragma once
// io::Http over TLS: who asks targets by https. OpenSSL; TLS 1.2 and 1.3.

#include <memory>
#include <mutex>
#include <string>

#include "io/files.h"
#include "io/http.h"

namespace hs::net {

struct TlsOptions {
  std::string ca_file;              // PEM; "": the system's authorities
  std::string cert_file, key_file;  // PEM; "": we show no certificate
  std::string server_name;          // to ask for and to verify; "": the endpoint's host
  bool insecure_skip_verify = false;
};

// Thread-safe. Each request has a connection of its own. Files are read again when they have changed.
class TlsClient final : public io::Http {
 public:
  explicit TlsClient(TlsOptions options);
  ~TlsClient() override;
  // As io::Http; also unavailable when the other side's certificate is not good (the text says why), and
  // invalid_argument when a file of ours is not.
  Result<http::Response> request(const io::Endpoint& to, const io::HttpRequest& request,
                                 const io::HttpLimits& limits) override;

 private:
  struct Context;
  Result<std::shared_ptr<Context>> context();

  const TlsOptions options_;
  std::mutex mutex_;
  std::shared_ptr<Context> context_;  // by the stamps of the files that it was made of
};

}  // namespace hs::net
