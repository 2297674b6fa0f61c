#include "net/http_session.h"

#include <sys/socket.h>

#include <algorithm>

#include <fmt/format.h>
#include <boost/asio/dispatch.hpp>

#include "base/assert.h"
#include "base/log.h"
#include "io/clock.h"
#include "net/http_wire.h"

namespace hs::net {
namespace {

// What is read at once. Larger than a header may be, so that a whole one always fits.
constexpr size_t buffer_bytes = 32 * 1024;
static_assert(buffer_bytes > header_bytes_max);
// After a refusal the rest of the request is read and dropped for so long: a client that is still sending would see a
// reset instead of the answer that tells it why.
constexpr int64_t linger_ms = 2'000;
constexpr size_t record_bytes_max = 16 * 1024;  // of TLS
constexpr int64_t crowded_idle_share = 10;
// What a client of HTTP/2 says first (RFC 9113 3.4): chosen such that no request of HTTP/1.1 begins like it.
constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

MonoNanos mono() { return io::system_clock().mono(); }

Error dropped() { return {Code::internal, "the handler gave no answer", 0}; }

}  // namespace

template <class T>
void Reply<T>::deliver(T value) {
  HS_ASSERT(!answered_.exchange(true), "a handler answers exactly once");
  const std::lock_guard lock(link_->mutex);
  if (link_->session == nullptr) return;
  auto session = link_->session->shared_from_this();
  const auto executor = session->socket_.get_executor();
  asio::dispatch(executor, [session = std::move(session), slot = slot_, value = std::move(value)]() mutable {
    (*session).*slot = std::move(value);
    session->wake_.cancel();
  });
}

HttpSession::HttpSession(Socket socket, ServerShared& shared, std::string peer)
    : socket_(std::move(socket)),
      shared_(shared),
      peer_(std::move(peer)),
      buffer_(std::make_unique_for_overwrite<char[]>(buffer_bytes)),
      wake_(socket_.get_executor()),
      link_(std::make_shared<SessionLink>()),
      gone_(std::nostopstate) {
  link_->session = this;
}

HttpSession::~HttpSession() {
  {
    const std::lock_guard lock(link_->mutex);
    link_->session = nullptr;
  }
  shared_.body_bytes -= charged_;
}

asio::awaitable<void> HttpSession::run() {
  if (shared_.options.tls && !co_await shake_hands()) co_return close();
  if (shared_.options.http2 && !tls_ && co_await speaks_http2()) co_return hand_over();
  while (co_await serve_one()) {
  }
  close();
}

// Reads as much of the connection's beginning as tells. False also when it ends before.
asio::awaitable<bool> HttpSession::speaks_http2() {
  enter(Phase::idle, shared_.options.idle_timeout_ms);
  while (true) {
    const std::string_view got(buffer_.get(), std::min(end_, http2_preface.size()));
    if (!http2_preface.starts_with(got)) co_return false;
    if (got.size() == http2_preface.size()) co_return true;
    if (idle() && !got.empty()) enter(Phase::receiving, shared_.options.header_timeout_ms);
    if ((idle() && shared_.stopping) || !co_await fill()) co_return false;
  }
}

void HttpSession::hand_over() {
  error_code error;
  Fd connection(socket_.release(error));
  if (error) return close();
  closed_ = true;
  shared_.metrics->http2_connections.add();
  shared_.options.http2(std::move(connection), {buffer_.get(), end_});
}

void HttpSession::enter(Phase phase, int64_t timeout_ms) {
  phase_ = phase;
  phase_began_ = mono();
  deadline_ = timeout_ms > 0 ? phase_began_ + timeout_ms * nanos_per_ms : 0;
}

void HttpSession::check_deadline(MonoNanos now, bool crowded) {
  MonoNanos deadline = deadline_;
  if (crowded && idle()) deadline = phase_began_ + (deadline - phase_began_) / crowded_idle_share;
  if (closed_ || deadline == 0 || now < deadline) return;
  if (!idle()) shared_.metrics->timeouts.add();
  close();
}

void HttpSession::close() {
  if (tls_ && !closed_) tls_->shut();  // what was sent is whole
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
  wake_.cancel();
  gone_.request_stop();
}

void HttpSession::tear() {
  if (closed_) return;
  tls_.reset();  // it does not say that this is the end
  const struct linger reset{1, 0};
  ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close();
}

// One request and its answer. False: the connection is at its end.
asio::awaitable<bool> HttpSession::serve_one() {
  RequestParser parser(shared_.options.body_bytes_max, shared_.options.body_reserve_bytes_max);
  if (!co_await read_header(parser)) co_return false;
  if (!co_await read_body(parser)) co_return false;
  const bool go_on = co_await answer(parser);
  shared_.body_bytes -= std::exchange(charged_, 0);
  co_return go_on;
}

Status HttpSession::feed(RequestParser& parser) {
  const size_t before = parser.body_bytes();
  const auto used = parser.feed({buffer_.get() + begin_, end_ - begin_});
  if (!used) return tl::unexpected(used.error());
  begin_ += *used;
  return charge_body(parser.body_bytes() - before);
}

Status HttpSession::charge_body(size_t bytes) {
  charged_ += bytes;
  if (bytes == 0 || shared_.body_bytes.fetch_add(bytes) + bytes <= shared_.options.all_bodies_bytes_max) return {};
  return fail(Code::unavailable, "too many large requests at once; try again", 1000);
}

asio::awaitable<bool> HttpSession::read_header(RequestParser& parser) {
  enter(Phase::idle, shared_.options.idle_timeout_ms);
  while (!parser.header_done()) {
    if (begin_ < end_) {
      if (idle()) enter(Phase::receiving, shared_.options.header_timeout_ms);
      const Status fed = feed(parser);
      if (!fed) {
        co_await refuse(fed.error());
        co_return false;
      }
      if (parser.header_done()) break;
    }
    if (idle() && shared_.stopping) co_return false;
    if (!co_await fill()) co_return false;
  }
  co_return true;
}

asio::awaitable<bool> HttpSession::read_body(RequestParser& parser) {
  if (parser.expects_continue() && !parser.done() && begin_ == end_) {
    Buffers go_on{asio::buffer("HTTP/1.1 100 Continue\r\n\r\n", 25)};
    if (!co_await send(go_on)) co_return false;
  }
  const MonoNanos whole = mono() + shared_.options.body_timeout_ms * nanos_per_ms;
  while (!parser.done()) {
    Status fed = begin_ < end_ ? feed(parser) : Status();
    if (fed && end_ - begin_ == buffer_bytes) fed = fail(Code::too_large, "a chunk header or trailer is too large");
    if (!fed) {
      co_await refuse(fed.error());
      co_return false;
    }
    if (parser.done()) break;
    enter(Phase::receiving, shared_.options.body_progress_timeout_ms);
    deadline_ = std::min(deadline_, whole);
    if (!co_await fill()) co_return false;
  }
  co_return true;
}

// Reads more into the buffer. False: the client has closed, or its time was up.
asio::awaitable<bool> HttpSession::fill() {
  if (begin_ > 0) {
    std::copy(buffer_.get() + begin_, buffer_.get() + end_, buffer_.get());
    end_ -= std::exchange(begin_, 0);
  }
  const asio::mutable_buffer room(buffer_.get() + end_, buffer_bytes - end_);
  const auto [error, bytes] = tls_ ? co_await read_tls(room) : co_await socket_.async_read_some(room, no_throw);
  if (error) co_return false;
  end_ += bytes;
  shared_.metrics->received_bytes.add(bytes);
  co_return true;
}

// The answer to something that is not a request that we can take; the connection ends with it.
asio::awaitable<void> HttpSession::refuse(const Error& error) {
  http::Response response = http::Response::error(error);
  const std::string head = answer_head(response, Framing::length, false, io::system_clock().wall());
  shared_.metrics->count_answer(response.status);
  Buffers buffers{asio::buffer(head), asio::buffer(response.body)};
  if (co_await send(buffers)) co_await linger();
}

asio::awaitable<void> HttpSession::linger() {
  error_code ignored;
  if (tls_) tls_->shut();
  socket_.shutdown(Socket::shutdown_send, ignored);
  enter(Phase::answering, linger_ms);
  while (true) {
    begin_ = end_ = 0;
    const MonoNanos until = deadline_;
    if (!co_await fill() || mono() >= until) co_return;
  }
}

void HttpSession::call_handler(http::Request request) {
  const auto reply =
      std::make_shared<Reply<http::Response>>(link_, &HttpSession::response_, http::Response::error(dropped()));
  try {
    shared_.handler(std::move(request), [reply](http::Response response) { reply->deliver(std::move(response)); });
  } catch (const std::exception& e) {  // a third party's, through a handler; the Reply answers 500
    log::error("a handler threw", {{"listener", shared_.options.name}, {"what", e.what()}});
  }
}

asio::awaitable<bool> HttpSession::answer(RequestParser& parser) {
  enter(Phase::answering, 0);  // how long an answer may take is the handler's business
  http::Request request = parser.take();
  request.peer = peer_;
  gone_ = std::stop_source();
  request.gone = gone_.get_token();
  response_.reset();
  call_handler(std::move(request));
  if (!response_) watch_client();
  while (!response_ && !closed_) co_await sleep_until_woken();
  if (closed_ || !response_) co_return false;
  http::Response response = std::move(*response_);
  if (parser.is_head()) response.stream.reset();
  const bool keep_alive = parser.keep_alive() && !shared_.stopping;
  shared_.metrics->count_answer(response.status);
  const bool sent = co_await send_answer(response, parser, keep_alive);
  gone_ = std::stop_source(std::nostopstate);
  co_return sent&& keep_alive;
}

// While a handler works, nothing is read; but the end of the client's stream is noticed (unless the client pipelines:
// what it sent ahead stands before the end). The wait outlives the request; it ends with the next thing that arrives.
void HttpSession::watch_client() {
  if (std::exchange(watching_, true)) return;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](error_code error) {
    self->watching_ = false;
    if (error || self->closed_) return;
    char byte = 0;
    const auto got = ::recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got > 0 && self->client_ended())) self->gone_.request_stop();  // else the next request, already
    if (got < 0 && errno != EAGAIN && errno != EINTR) self->close();
  });
}

// Over TLS the end is said before it comes.
bool HttpSession::client_ended() { return tls_ && tls_->probe() != TlsConnection::State::done; }

asio::awaitable<bool> HttpSession::send_answer(http::Response& response, const RequestParser& parser, bool keep_alive) {
  const bool streamed = response.stream != nullptr && may_have_body(response.status);
  const bool chunked = streamed && parser.is_http11();
  const bool until_close = streamed && !chunked;
  Framing framing = Framing::length;
  if (chunked) framing = Framing::chunked;
  if (until_close) framing = Framing::until_close;
  const std::string head = answer_head(response, framing, keep_alive && !until_close, io::system_clock().wall());
  Buffers buffers{asio::buffer(head)};
  const bool whole = !streamed && !parser.is_head() && may_have_body(response.status);
  if (whole) buffers[1] = asio::buffer(response.body);
  if (!co_await send(buffers)) co_return false;
  if (!streamed) co_return true;
  const bool sent = co_await send_stream(response, chunked);
  co_return sent&& chunked;
}

asio::awaitable<bool> HttpSession::send_stream(http::Response& response, bool chunked) {
  std::string piece = std::move(response.body);
  while (true) {
    if (!piece.empty()) {
      const std::string size = chunked ? fmt::format("{:x}\r\n", piece.size()) : "";
      Buffers buffers{asio::buffer(size), asio::buffer(piece), asio::buffer("\r\n", chunked ? 2 : 0)};
      if (!co_await send(buffers)) co_return false;
    }
    piece_.reset();
    ask_next_piece(*response.stream);
    if (!piece_) watch_client();
    while (!piece_ && !closed_) co_await sleep_until_woken();
    if (closed_) co_return false;
    if (!*piece_) {
      log::warn("a streamed answer broke off", {{"listener", shared_.options.name}, {"why", piece_->error().message}});
      tear();
      co_return false;
    }
    if ((*piece_)->empty()) break;
    piece = std::move(**piece_);
  }
  Buffers last{asio::buffer("0\r\n\r\n", chunked ? 5 : 0)};
  co_return co_await send(last);
}

void HttpSession::ask_next_piece(http::BodySource& source) {
  const auto reply =
      std::make_shared<Reply<Result<std::string>>>(link_, &HttpSession::piece_, tl::unexpected(dropped()));
  try {
    source.next([reply](Result<std::string> piece) { reply->deliver(std::move(piece)); });
  } catch (const std::exception& e) {
    log::error("a body source threw", {{"listener", shared_.options.name}, {"what", e.what()}});
  }
}

// Sends all of it, waiting only when the socket is full: most answers leave in one system call, from here.
asio::awaitable<bool> HttpSession::send(Buffers buffers) {
  size_t next = 0;
  while (true) {
    while (next < buffers.size() && buffers.at(next).size() == 0) ++next;
    if (next == buffers.size()) break;
    error_code error;
    size_t sent = tls_ ? write_tls(buffers, error) : socket_.write_some(buffers, error);
    shared_.metrics->sent_bytes.add(sent);
    if (error == asio::error::would_block) {
      enter(Phase::answering, shared_.options.write_progress_timeout_ms);
      const auto [wait_error] = co_await socket_.async_wait(Socket::wait_write, no_throw);
      error = wait_error;
    }
    if (error) co_return false;
    for (auto& part : buffers) {
      const size_t step = std::min(sent, part.size());
      part += step;
      sent -= step;
    }
  }
  deadline_ = 0;
  co_return true;
}

asio::awaitable<bool> HttpSession::shake_hands() {
  static constexpr std::string_view wrong_scheme =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 51\r\nConnection: close\r\n\r\n"
      "This listener speaks TLS: ask it with https, please";
  auto tls = shared_.options.tls->accept(socket_.native_handle());
  if (!tls) co_return false;
  tls_ = std::move(*tls);
  enter(Phase::receiving, shared_.options.handshake_timeout_ms);
  while (true) {
    const TlsConnection::State state = tls_->handshake();
    if (state == TlsConnection::State::done) co_return true;
    if (state == TlsConnection::State::ended || state == TlsConnection::State::failed) break;
    if (co_await wait(state)) co_return false;
  }
  shared_.metrics->failed_handshakes.add();
  log::debug("no TLS was agreed on", {{"listener", shared_.options.name}, {"peer", peer_}, {"why", tls_->problem()}});
  if (!tls_->spoke_http()) co_return false;
  tls_.reset();
  Buffers answer{asio::buffer(wrong_scheme)};
  if (co_await send(answer)) co_await linger();
  co_return false;
}

// Until the socket can do what TLS waits for; an error also when the connection has been closed meanwhile.
asio::awaitable<error_code> HttpSession::wait(TlsConnection::State state) {
  const auto what = state == TlsConnection::State::wait_write ? Socket::wait_write : Socket::wait_read;
  const auto [error] = co_await socket_.async_wait(what, no_throw);
  co_return closed_ ? error_code(asio::error::operation_aborted) : error;
}

asio::awaitable<std::tuple<error_code, size_t>> HttpSession::read_tls(asio::mutable_buffer room) {
  using State = TlsConnection::State;
  error_code error;
  while (!error && !closed_) {
    size_t got = 0;
    const State state = tls_->read(static_cast<char*>(room.data()), room.size(), got);
    if (state == State::done) co_return std::tuple(error, got);
    if (state == State::ended || state == State::failed) break;
    error = co_await wait(state);
  }
  co_return std::tuple(error ? error : error_code(asio::error::eof), size_t{0});
}

// As write_some: the parts go out together, as far as a record holds them.
size_t HttpSession::write_tls(const Buffers& buffers, error_code& error) {
  record_.clear();
  for (const auto& part : buffers)
    record_.append(static_cast<const char*>(part.data()), std::min(part.size(), record_bytes_max - record_.size()));
  size_t written = 0;
  switch (closed_ ? TlsConnection::State::failed : tls_->write(record_, written)) {
    case TlsConnection::State::done:
      return written;
    case TlsConnection::State::wait_read:
    case TlsConnection::State::wait_write:
      error = asio::error::would_block;
      return 0;
    default:
      error = asio::error::broken_pipe;
      return 0;
  }
}

asio::awaitable<void> HttpSession::sleep_until_woken() {
  wake_.expires_at(asio::steady_timer::time_point::max());
  co_await wake_.async_wait(no_throw);
}

}  // namespace hs::net
