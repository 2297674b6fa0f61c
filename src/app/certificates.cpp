#include "app/certificates.h"

#include <utility>

namespace hs::app {

Result<std::shared_ptr<net::TlsServer>> Certificates::open(net::TlsServerOptions options) {
  HS_ASSIGN(auto server, net::TlsServer::make(std::move(options)));
  servers_.push_back(server);
  return server;
}

Result<Certificates::Read> Certificates::read() const {
  Read all;
  for (const auto& server : servers_) {
    HS_ASSIGN(auto material, server->read());
    all.push_back(std::move(material));
  }
  return all;
}

void Certificates::apply(Read read) {
  for (size_t i = 0; i < servers_.size(); ++i) servers_.at(i)->apply(std::move(read.at(i)));
}

}  // namespace hs::app
