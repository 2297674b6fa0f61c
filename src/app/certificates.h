#pragma once
// The certificates that listeners show, and whose files SIGHUP reads again.

#include <memory>
#include <vector>

#include "base/error.h"
#include "net/tls_server.h"

namespace hs::app {

// Not thread-safe: used by the thread that starts and reloads.
class Certificates {
 public:
  // Errors name the setting.
  Result<std::shared_ptr<net::TlsServer>> open(net::TlsServerOptions options);

  // Reading is apart from applying, so that a reload applies whole or not at all.
  using Read = std::vector<net::TlsServer::Material>;
  Result<Read> read() const;
  void apply(Read read);

 private:
  std::vector<std::shared_ptr<net::TlsServer>> servers_;
};

}  // namespace hs::app
