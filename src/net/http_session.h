#pragma once
// One connection of an HttpServer. Lives on one io thread; only Reply crosses threads.

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/time.h"
#include "net/asio.h"
#include "net/http_metrics.h"
#include "net/http_server.h"
#include "net/request_parser.h"
#include "net/tls_server.h"

namespace hs::net {

// What all connections of one server share. Outlives them.
struct ServerShared {
  HttpServerOptions options;
  http::Handler handler;
  HttpMetrics* metrics = nullptr;
  std::atomic<size_t> connections{0};
  std::atomic<size_t> body_bytes{0};  // of all requests being received or answered
  std::atomic<bool> stopping{false};  // idle connections close; each answer is its connection's last
};

class HttpSession;

// How other threads reach a session that may be gone: the session clears the pointer when it dies.
struct SessionLink {
  std::mutex mutex;
  HttpSession* session = nullptr;
};

// The server's end of a callback that a handler answers once, from any thread. Dropped unanswered, it delivers the
// fallback; after the session is gone, nothing.
template <class T>
class Reply {
 public:
  using Slot = std::optional<T> HttpSession::*;
  Reply(std::shared_ptr<SessionLink> link, Slot slot, T fallback)
      : link_(std::move(link)), slot_(slot), fallback_(std::move(fallback)) {}
  ~Reply() {
    if (!answered_) deliver(std::move(fallback_));
  }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  void deliver(T value);

 private:
  std::shared_ptr<SessionLink> link_;  // with the session
  Slot slot_;
  T fallback_;
  std::atomic<bool> answered_{false};
};

// Shared by its coroutine and the operations that it has under way.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(Socket socket, ServerShared& shared, std::string peer);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  // The connection's life, until either side closes.
  asio::awaitable<void> run();
  // Called now and then on the io thread: closes the connection when its deadline has passed.
  void check_deadline(MonoNanos now, bool crowded);
  // Closes at once, also in the middle of a request.
  void close();
  bool idle() const { return phase_ == Phase::idle; }

 private:
  template <class T>
  friend class Reply;
  enum class Phase : uint8_t { idle, receiving, answering };
  using Buffers = std::array<asio::const_buffer, 3>;

  asio::awaitable<bool> shake_hands();
  asio::awaitable<bool> speaks_http2();
  void hand_over();
  asio::awaitable<bool> serve_one();
  asio::awaitable<bool> read_header(RequestParser& parser);
  asio::awaitable<bool> read_body(RequestParser& parser);
  asio::awaitable<bool> fill();
  asio::awaitable<void> refuse(const Error& error);
  asio::awaitable<void> linger();
  asio::awaitable<bool> answer(RequestParser& parser);
  asio::awaitable<bool> send_answer(http::Response& response, const RequestParser& parser, bool keep_alive);
  asio::awaitable<bool> send_stream(http::Response& response, bool chunked);
  asio::awaitable<bool> send(Buffers buffers);
  asio::awaitable<error_code> wait(TlsConnection::State state);
  asio::awaitable<std::tuple<error_code, size_t>> read_tls(asio::mutable_buffer room);
  size_t write_tls(const Buffers& buffers, error_code& error);
  asio::awaitable<void> sleep_until_woken();

  Status feed(RequestParser& parser);
  Status charge_body(size_t bytes);
  void call_handler(http::Request request);
  void ask_next_piece(http::BodySource& source);
  void watch_client();
  void enter(Phase phase, int64_t timeout_ms);
  bool client_ended();
  void tear();  // closes with a reset: the client must not take what it has for the whole

  Socket socket_;
  std::unique_ptr<TlsConnection> tls_;  // over socket_; none: plain
  std::string record_;                  // of write_tls: what is sent at once
  ServerShared& shared_;
  std::string peer_;
  std::unique_ptr<char[]> buffer_;  // received; [begin_, end_) is not yet parsed
  size_t begin_ = 0, end_ = 0;
  asio::steady_timer wake_;
  std::shared_ptr<SessionLink> link_;  // with the Replies
  std::optional<http::Response> response_;
  std::optional<Result<std::string>> piece_;
  std::stop_source gone_;
  size_t charged_ = 0;  // of shared_.body_bytes
  Phase phase_ = Phase::idle;
  MonoNanos phase_began_ = 0, deadline_ = 0;
  bool watching_ = false, closed_ = false;
};

}  // namespace hs::net
