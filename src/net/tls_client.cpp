#include "net/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <array>

#include <fmt/format.h>

#include "net/http_wire.h"
#include "net/response_parser.h"
#include "net/socket.h"

namespace hs::net {
namespace {

constexpr size_t buffer_bytes = 64 * 1024;
constexpr int interim_max = 16;  // as the plain client

using Ssl = std::unique_ptr<SSL, decltype(&SSL_free)>;

std::string reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the connection was closed";
  const char* text = ERR_reason_error_string(code);
  return text != nullptr ? text : fmt::format("error {:x}", code);
}

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> raw{};
  return ::inet_pton(AF_INET, host.c_str(), raw.data()) == 1 || ::inet_pton(AF_INET6, host.c_str(), raw.data()) == 1;
}

// One connection; every wait is under the deadline.
class Session {
 public:
  Session(SSL* ssl, int fd, Waiter& waiter) : ssl_(ssl), fd_(fd), waiter_(waiter) {}

  Status handshake() {
    return until([&] { return SSL_connect(ssl_); },
                 [&] {
                   const long verdict = SSL_get_verify_result(ssl_);
                   return verdict == X509_V_OK
                              ? reason()
                              : fmt::format("the certificate: {}", X509_verify_cert_error_string(verdict));
                 });
  }

  Status write(std::string_view bytes) {
    while (!bytes.empty()) {
      size_t written = 0;
      HS_TRY(until([&] { return SSL_write_ex(ssl_, bytes.data(), bytes.size(), &written); }, reason));
      bytes.remove_prefix(written);
    }
    return {};
  }

  // 0: the other side has said that it ends.
  Result<size_t> read(char* into, size_t size) {
    size_t got = 0;
    HS_TRY(until([&] { return SSL_read_ex(ssl_, into, size, &got); }, reason, true));
    return got;
  }

 private:
  template <class F, class Why>
  Status until(F f, Why why, bool may_end = false) {
    while (true) {
      ERR_clear_error();  // of whoever used this thread before
      const int done = f();
      if (done == 1) return {};
      const int error = SSL_get_error(ssl_, done);
      if (error == SSL_ERROR_ZERO_RETURN && may_end) return {};
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return fail(Code::unavailable, fmt::format("TLS: {}", why()));
      short ready = 0;
      HS_TRY(waiter_.wait(fd_, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, ready));
    }
  }

  SSL* ssl_;
  int fd_;
  Waiter& waiter_;
};

Result<http::Response> exchange(Session& session, const std::string& head, const io::HttpRequest& request,
                                const io::HttpLimits& limits, const Waiter& waiter) {
  HS_TRY(session.write(head));
  HS_TRY(session.write(request.body));
  std::optional<ResponseParser> parser;
  parser.emplace(limits, request.method == "HEAD");
  const auto buffer = std::make_unique_for_overwrite<char[]>(buffer_bytes);
  size_t begin = 0, end = 0;
  int interims = 0;
  while (true) {
    while (begin < end) {
      HS_ASSIGN(const size_t used, parser->feed({buffer.get() + begin, end - begin}));
      begin += used;
      if (parser->done()) {
        if (!parser->interim()) return parser->take();
        if (++interims > interim_max) return fail(Code::internal, "the answer is not valid HTTP: only interim answers");
        parser.emplace(limits, request.method == "HEAD");
      } else if (used == 0) {
        break;
      }
    }
    std::copy(buffer.get() + begin, buffer.get() + end, buffer.get());
    end -= std::exchange(begin, 0);
    if (end == buffer_bytes) return fail(Code::internal, "the answer is not valid HTTP: a line without end");
    HS_ASSIGN(const size_t got, session.read(buffer.get() + end, buffer_bytes - end));
    HS_TRY(waiter.check());
    if (got == 0) {
      HS_TRY(parser->feed_end());
      return parser->take();
    }
    end += got;
  }
}

}  // namespace

struct TlsClient::Context {
  std::array<io::FileStamp, 3> stamps;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> ctx{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};

  Status read(const TlsOptions& o) {
    const auto bad = [](std::string_view key, const std::string& file) {
      return fail(Code::invalid_argument, fmt::format("tls_config: {} {}: {}", key, file, reason()));
    };
    if (!ctx) return fail(Code::internal, "TLS cannot be set up");
    SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx.get(), o.insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
    if (o.ca_file.empty())
      SSL_CTX_set_default_verify_paths(ctx.get());
    else if (SSL_CTX_load_verify_locations(ctx.get(), o.ca_file.c_str(), nullptr) != 1)
      return bad("ca_file", o.ca_file);
    if (o.cert_file.empty()) return {};
    if (SSL_CTX_use_certificate_chain_file(ctx.get(), o.cert_file.c_str()) != 1) return bad("cert_file", o.cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx.get(), o.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
      return bad("key_file", o.key_file);
    return {};
  }
};

TlsClient::TlsClient(TlsOptions options) : options_(std::move(options)) {}
TlsClient::~TlsClient() = default;

Result<std::shared_ptr<TlsClient::Context>> TlsClient::context() {
  const std::array<io::FileStamp, 3> stamps = {io::stamp_of(options_.ca_file), io::stamp_of(options_.cert_file),
                                               io::stamp_of(options_.key_file)};
  const std::lock_guard lock(mutex_);
  if (context_ && context_->stamps == stamps) return context_;
  auto next = std::make_shared<Context>();
  next->stamps = stamps;
  HS_TRY(next->read(options_));
  context_ = std::move(next);
  return context_;
}

Result<http::Response> TlsClient::request(const io::Endpoint& to, const io::HttpRequest& request,
                                          const io::HttpLimits& limits) {
  HS_ASSIGN(const std::shared_ptr<Context> context, context());
  Waiter waiter(limits.timeout_ms, limits.cancel);
  HS_ASSIGN(const Fd fd, dial(to, waiter, limits.may_dial));
  const Ssl ssl(SSL_new(context->ctx.get()), &SSL_free);
  if (!ssl || SSL_set_fd(ssl.get(), fd.get()) != 1) return fail(Code::internal, "TLS cannot be set up");
  const std::string& name = options_.server_name.empty() ? to.host : options_.server_name;
  if (is_address(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl.get(), name.c_str());
    SSL_set1_host(ssl.get(), name.c_str());
  }
  Session session(ssl.get(), fd.get(), waiter);
  const std::string head =
      request_head(request.method, request.target, to.text(), request.headers, request.body.size());
  auto response = [&]() -> Result<http::Response> {
    HS_TRY(session.handshake());
    return exchange(session, head, request, limits, waiter);
  }();
  if (!response) response.error().message = fmt::format("{}: {}", to.text(), response.error().message);
  return response;
}

}  // namespace hs::net
