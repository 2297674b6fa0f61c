#include "net/tls_server.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <fmt/format.h>

#include "io/files.h"

namespace hs::net {
namespace {

constexpr size_t file_bytes_max = 1 << 20;  // a bundle of all public authorities has 220 KB

Result<std::string> read_pem(const std::string& setting, const std::string& file) {
  if (file.empty()) return fail(Code::invalid_argument, fmt::format("{} is not set", setting));
  auto text = io::read_file(file, file_bytes_max);
  if (text) return text;
  return fail(text.error().code, fmt::format("{} {}: {}", setting, file, text.error().message));
}

// A key with a passphrase would make OpenSSL ask on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

Status verify_clients(SSL_CTX* context, const TlsServerOptions& options) {
  ERR_clear_error();
  const char* file = options.client_ca_file.c_str();
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(file);  // told to clients, so that they know which to show
  if (names == nullptr || SSL_CTX_load_verify_locations(context, file, nullptr) != 1)
    return fail(Code::invalid_argument, fmt::format("{} {}: {}", options.client_ca_setting, file, tls_reason()));
  SSL_CTX_set_client_CA_list(context, names);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // A client's own certificate in the file is enough, whoever signed it (RFC 5425, 5.1: matching of fingerprints).
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

// HTTP/1.1 is what we speak, so that a client that offers HTTP/2, too, does not take it for agreed.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void*) {
  static constexpr unsigned char ours[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<TlsServer>> TlsServer::make(TlsServerOptions options) {
  std::shared_ptr<TlsServer> server(new TlsServer(std::move(options)));
  HS_ASSIGN(Material material, server->read());
  server->apply(std::move(material));
  return server;
}

Result<TlsServer::Material> TlsServer::read() const {
  Material out;
  HS_ASSIGN(out.cert, read_pem(options_.cert_setting, options_.cert_file));
  HS_ASSIGN(out.key, read_pem(options_.key_setting, options_.key_file));
  out.context = make_tls_context(true);
  SSL_CTX* context = out.context.get();
  if (context == nullptr) return fail(Code::internal, "TLS cannot be set up");
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (options_.legacy_cipher) SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:AES128-SHA");
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  HS_TRY(use_identity_files(context, options_.cert_file, options_.key_file,
                            {.cert = options_.cert_setting, .key = options_.key_setting}));
  if (!verifies_clients()) return out;
  HS_ASSIGN(out.client_ca, read_pem(options_.client_ca_setting, options_.client_ca_file));
  HS_TRY(verify_clients(context, options_));
  return out;
}

void TlsServer::apply(Material material) {
  const std::lock_guard lock(mutex_);
  material.generation = now_ ? now_->generation + 1 : 1;
  now_ = std::make_shared<const Material>(std::move(material));
}

std::shared_ptr<const TlsServer::Material> TlsServer::now() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

}  // namespace hs::net
