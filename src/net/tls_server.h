#pragma once
// The server's side of TLS: which certificate is shown and whose clients are taken. OpenSSL; TLS 1.2 and 1.3.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "net/tls_connection.h"

namespace hs::net {

struct TlsServerOptions {
  std::string cert_file, key_file;  // PEM; the certificate first, then those between it and its authority
  // PEM: the authorities that may have signed a client's certificate, or such certificates themselves. "": clients
  // show none.
  std::string client_ca_file;
  // How the three are called in messages.
  std::string cert_setting = "tls.cert_file", key_setting = "tls.key_file", client_ca_setting = "tls.client_ca_file";
  // RFC 5425 asks syslog to know TLS_RSA_WITH_AES_128_CBC_SHA, RFC 9662 to prefer anything better.
  bool legacy_cipher = false;
};

// Thread-safe.
class TlsServer {
 public:
  // What was read from the files, at one time. Generations grow from 1.
  struct Material {
    TlsContext context;
    std::string cert, key, client_ca;  // as text, for libraries with a TLS of their own
    uint64_t generation = 0;
  };

  // Errors name the setting, the file and what is wrong with it.
  static Result<std::shared_ptr<TlsServer>> make(TlsServerOptions options);
  // Reads the files again; apply() makes that what new connections get. Those that are up go on.
  Result<Material> read() const;
  void apply(Material material);

  Result<std::unique_ptr<TlsConnection>> accept(int fd) const { return TlsConnection::make(now()->context, fd, true); }
  std::shared_ptr<const Material> now() const;
  bool verifies_clients() const { return !options_.client_ca_file.empty(); }

 private:
  explicit TlsServer(TlsServerOptions options) : options_(std::move(options)) {}

  const TlsServerOptions options_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Material> now_;
};

}  // namespace hs::net
