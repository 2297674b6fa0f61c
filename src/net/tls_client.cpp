#include "net/tls_client.h"

#include <openssl/ssl.h>
#include <poll.h>

#include <array>

#include <fmt/format.h>

#include "net/http_wire.h"
#include "net/response_parser.h"
#include "net/socket.h"
#include "net/tls_connection.h"

namespace hs::net {
namespace {

constexpr size_t buffer_bytes = 64 * 1024;
constexpr int interim_max = 16;  // as the plain client

// One connection; every wait is under the deadline.
class Session {
 public:
  Session(TlsConnection& tls, int fd, Waiter& waiter) : tls_(tls), fd_(fd), waiter_(waiter) {}

  Status handshake() {
    return until([&] { return tls_.handshake(); });
  }

  Status write(std::string_view bytes) {
    while (!bytes.empty()) {
      size_t written = 0;
      HS_TRY(until([&] { return tls_.write(bytes, written); }));
      bytes.remove_prefix(written);
    }
    return {};
  }

  // 0: the other side has said that it ends.
  Result<size_t> read(char* into, size_t size) {
    size_t got = 0;
    HS_TRY(until([&] { return tls_.read(into, size, got); }, true));
    return got;
  }

 private:
  using State = TlsConnection::State;

  template <class F>
  Status until(F f, bool may_end = false) {
    while (true) {
      const State state = f();
      if (state == State::done || (state == State::ended && may_end)) return {};
      if (state == State::ended) return fail(Code::unavailable, "TLS: the connection was closed");
      if (state == State::failed) return fail(Code::unavailable, fmt::format("TLS: {}", tls_.problem()));
      short ready = 0;
      HS_TRY(waiter_.wait(fd_, state == State::wait_read ? POLLIN : POLLOUT, ready));
    }
  }

  TlsConnection& tls_;
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
  TlsContext ctx = make_tls_context(false);

  Status read(const TlsOptions& o) {
    if (!ctx) return fail(Code::internal, "TLS cannot be set up");
    SSL_CTX_set_verify(ctx.get(), o.insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
    if (o.ca_file.empty())
      SSL_CTX_set_default_verify_paths(ctx.get());
    else if (SSL_CTX_load_verify_locations(ctx.get(), o.ca_file.c_str(), nullptr) != 1)
      return fail(Code::invalid_argument, fmt::format("tls_config: ca_file {}: {}", o.ca_file, tls_reason()));
    if (o.cert_file.empty()) return {};
    return use_identity_files(ctx.get(), o.cert_file, o.key_file, {"tls_config: cert_file", "tls_config: key_file"});
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
  HS_ASSIGN(const auto tls, TlsConnection::make(context->ctx, fd.get(), false));
  tls->expect_name(options_.server_name.empty() ? to.host : options_.server_name);
  Session session(*tls, fd.get(), waiter);
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
