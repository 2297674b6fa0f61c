#include "net/tls_connection.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <climits>

#include <fmt/format.h>

namespace hs::net {
namespace {

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> raw{};
  return ::inet_pton(AF_INET, host.c_str(), raw.data()) == 1 || ::inet_pton(AF_INET6, host.c_str(), raw.data()) == 1;
}

// Forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
constexpr const char* ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

}  // namespace

void TlsFree::operator()(ssl_st* ssl) const { SSL_free(ssl); }
void TlsFree::operator()(ssl_ctx_st* ctx) const { SSL_CTX_free(ctx); }

TlsContext make_tls_context(bool server) {
  TlsContext context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()), TlsFree());
  if (!context) return context;
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);  // idle connections hold no buffers
  if (!server) return context;
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_cipher_list(context.get(), ciphers);
  // No resumption: a client that was taken once would go on when its authority is taken no more, and a ticket that a
  // sender never reads (syslog) makes its closing a reset, which throws away what it sent last.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  return context;
}

std::string tls_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the connection was closed";
  const char* text = ERR_reason_error_string(code);
  return text != nullptr ? text : fmt::format("error {:x}", code);
}

Status use_identity_files(ssl_ctx_st* ctx, const std::string& cert_file, const std::string& key_file,
                          const TlsNames& named) {
  ERR_clear_error();
  const auto bad = [](std::string_view key, const std::string& file) {
    return fail(Code::invalid_argument, fmt::format("{} {}: {}", key, file, tls_reason()));
  };
  if (SSL_CTX_use_certificate_chain_file(ctx, cert_file.c_str()) != 1) return bad(named.cert, cert_file);
  if (SSL_CTX_use_PrivateKey_file(ctx, key_file.c_str(), SSL_FILETYPE_PEM) != 1) return bad(named.key, key_file);
  return {};
}

Result<std::unique_ptr<TlsConnection>> TlsConnection::make(const TlsContext& context, int fd, bool server) {
  TlsHandle ssl(SSL_new(context.get()));
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1) return fail(Code::internal, "TLS cannot be set up");
  if (server)
    SSL_set_accept_state(ssl.get());
  else
    SSL_set_connect_state(ssl.get());
  return std::unique_ptr<TlsConnection>(new TlsConnection(context, std::move(ssl)));
}

void TlsConnection::expect_name(const std::string& name) {
  if (is_address(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), name.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_.get(), name.c_str());
    SSL_set1_host(ssl_.get(), name.c_str());
  }
}

TlsConnection::State TlsConnection::after(int result) {
  if (result == 1) return State::done;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return State::wait_read;
    case SSL_ERROR_WANT_WRITE:
      return State::wait_write;
    case SSL_ERROR_ZERO_RETURN:
      return State::ended;
    default:
      spoke_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
      problem_ = tls_reason();
      return State::failed;
  }
}

TlsConnection::State TlsConnection::handshake() {
  ERR_clear_error();  // of whoever used this thread before
  const State state = after(SSL_do_handshake(ssl_.get()));
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (state == State::failed && verdict != X509_V_OK)
    problem_ = fmt::format("the certificate: {}", X509_verify_cert_error_string(verdict));
  return state;
}

TlsConnection::State TlsConnection::read(char* into, size_t room, size_t& got) {
  ERR_clear_error();
  return after(SSL_read_ex(ssl_.get(), into, room, &got));
}

TlsConnection::State TlsConnection::write(std::string_view bytes, size_t& written) {
  ERR_clear_error();
  return after(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written));
}

TlsConnection::State TlsConnection::probe() {
  ERR_clear_error();
  char byte = 0;
  size_t got = 0;
  const State state = after(SSL_peek_ex(ssl_.get(), &byte, 1, &got));
  return state == State::wait_read ? State::done : state;
}

void TlsConnection::shut() {
  ERR_clear_error();
  if (problem_.empty() && SSL_is_init_finished(ssl_.get()) == 1) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::string TlsConnection::version() const {
  const std::string_view name = SSL_get_version(ssl_.get());  // "TLSv1.3"
  return std::string(name.substr(std::min(name.size(), std::string_view("TLSv").size())));
}

std::string TlsConnection::peer_subject() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr) return "";
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), &BIO_free);
  if (!text) return "";
  X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(text.get(), &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : "";
}

}  // namespace hs::net
