#pragma once
// The listeners of a process, by their settings: `serve` and `agent` open theirs alike.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/certificates.h"
#include "base/http_message.h"
#include "base/rpc_message.h"
#include "config/settings.h"
#include "net/grpc_server.h"
#include "net/http_server.h"
#include "security/credentials.h"
#include "security/guard.h"

namespace hs::app {

// "https" or "http": what a listener (otlp_grpc, otlp_http, http) speaks.
std::string scheme_of(const config::Settings& settings, const std::string& name);

class Listeners {
 public:
  // All outlive it. `operators` and `senders`: whom the guard lets in.
  struct Outside {
    std::function<std::vector<std::string>()> hosts;  // security.hosts, at each request
    std::shared_ptr<security::Credentials> operators, senders;
    Certificates& certificates;
  };
  explicit Listeners(Outside outside) : outside_(std::move(outside)) {}

  // Which of the listeners speak TLS: tls.*. Errors name the setting.
  Status open_tls(const config::Settings& settings);

  // `setting` is listen.NAME; nothing is opened when it is empty. The options' address, name and certificates are set
  // here. Errors name the setting.
  // grpc() comes first: what it opened also takes the connections to a plain listen.otlp_http that speak HTTP/2.
  Status grpc(const config::Settings& settings, const std::string& setting, net::GrpcServerOptions options,
              rpc::Methods methods);
  Status http(const config::Settings& settings, const std::string& setting, net::HttpServerOptions options,
              http::Handler handler);
  // Whether what is open may stay so under these settings: a reload must not take the credentials from a listener that
  // other machines reach.
  Status check(const config::Settings& settings) const;
  // Stands before the handler of an http() of the same setting.
  http::Handler guarded(const config::Settings& settings, const std::string& setting, std::vector<security::Rule> rules,
                        http::Handler handler) const;

  // All at once: they share one deadline. A listener that waits takes no new requests meanwhile, nor do the others.
  void stop(int64_t deadline_ms);

 private:
  Result<io::Endpoint> endpoint(const config::Settings& settings, const std::string& setting) const;
  Status check_bind(const config::Settings& settings, const std::string& setting) const;
  std::shared_ptr<net::TlsServer> tls_of(const std::string& name) const;

  const Outside outside_;
  std::map<std::string, std::shared_ptr<net::TlsServer>, std::less<>> tls_;  // by listener's name
  std::unique_ptr<net::GrpcServer> grpc_;
  std::vector<std::unique_ptr<net::HttpServer>> http_;  // after grpc_, to which they hand connections over
};

}  // namespace hs::app
