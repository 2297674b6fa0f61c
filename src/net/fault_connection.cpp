#include "net/fault_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "io/clock.h"
#include "net/http_wire.h"

namespace hs::net {
namespace {

constexpr size_t read_bytes = 64 * 1024;
// What may wait in one direction. Beyond it nothing is read, and the sender feels the slowness.
constexpr size_t line_bytes_max = 1024 * 1024;
// HTTP: what may wait for the rest of a header or of a chunk's header.
constexpr size_t unparsed_bytes_max = tracked_header_bytes_max + read_bytes;
// How soon a fault that is lifted is noticed by what it holds up.
constexpr int64_t look_again_ms = 20;
// How long a client may take to close after the last answer on its connection.
constexpr int64_t closing_ms = 2'000;
// Under a bandwidth fault bytes leave so many times a second.
constexpr int64_t slices_per_s = 20;

MonoNanos mono() { return io::system_clock().mono(); }

// Whether this may be the beginning of a request: a word in capitals, then a space. Beast looks only at whole headers,
// and the client of another protocol would wait for us for ever.
bool may_be_http(std::string_view bytes) {
  constexpr size_t method_bytes_max = 24;  // the longest registered one has 17
  const size_t word = std::min(bytes.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ-"), bytes.size());
  return word <= method_bytes_max && (word == bytes.size() || (word > 0 && bytes[word] == ' '));
}

asio::generic::stream_protocol::endpoint endpoint_of(const SocketAddress& address) {
  return {address.get(), address.size};
}

}  // namespace

FaultConnection::FaultConnection(Socket client, const FaultSite& site)
    : client_(std::move(client)),
      upstream_(client_.get_executor()),
      site_(site),
      draw_(site.random.uniform()),
      up_(client_.get_executor()),
      down_(client_.get_executor()) {}

asio::awaitable<void> FaultConnection::run() {
  if (!co_await connect()) {
    tear();  // the caller learns that nobody is there; a refusal it could be only before we accepted
    co_return;
  }
  if (site_.spec.protocol == "http")
    co_await run_http();
  else
    co_await run_tunnel({}, {});
}

asio::awaitable<bool> FaultConnection::connect() {
  give_up_ = mono() + site_.connect_timeout_ms * nanos_per_ms;
  const auto [error] = co_await upstream_.async_connect(endpoint_of(site_.upstream), no_throw);
  give_up_ = 0;
  if (error || closed_) co_return false;
  upstream_.non_blocking(true);
  if (site_.upstream.family() != AF_UNIX)
    upstream_.set_option(asio::generic::stream_protocol::socket::keep_alive(true));
  co_return true;
}

void FaultConnection::tick() {
  if (closed_) return;
  if (give_up_ != 0 && mono() > give_up_) return tear();
  const auto now = effect();
  if (now.down || now.reset) return tear();
  if (now.late || up_.pieces.empty()) return;
  for (DelayLine::Piece& piece : up_.pieces) piece.due = 0;  // the fault is over, and so is the waiting
  up_.last_due = 0;
  up_.news.cancel();
}

void FaultConnection::tear() { release(true); }
void FaultConnection::close() { release(false); }

void FaultConnection::release(bool reset) {
  if (std::exchange(closed_, true)) return;
  const struct linger at_once{1, 0};
  for (Socket* socket : {&client_, &upstream_}) {
    if (!socket->is_open()) continue;
    if (reset) ::setsockopt(socket->native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    error_code ignored;
    socket->close(ignored);
  }
  for (asio::steady_timer* timer : {&up_.news, &up_.room, &down_.news, &down_.room}) timer->cancel();
}

void FaultConnection::half_close(Socket& socket) {
  error_code ignored;
  if (socket.is_open()) socket.shutdown(Socket::shutdown_send, ignored);
}

asio::awaitable<void> FaultConnection::sleep_ms(int64_t ms) {
  asio::steady_timer timer(client_.get_executor());
  timer.expires_after(std::chrono::milliseconds(ms));
  co_await timer.async_wait(no_throw);
}

// In small steps: the fault may be lifted, and either side may go.
asio::awaitable<void> FaultConnection::sleep_while_faulty(int64_t ms) {
  const MonoNanos until = mono() + ms * nanos_per_ms;
  while (!closed_ && site_.faults.any(site_.spec.name)) {
    const int64_t left_ms = (until - mono() + nanos_per_ms - 1) / nanos_per_ms;
    if (left_ms <= 0) co_return;
    co_await sleep_ms(std::min(left_ms, look_again_ms));
  }
}

// ---- the tunnel: bytes, whatever they mean ----

void FaultConnection::spawn(asio::awaitable<void> work) {
  // The completion handler keeps this alive; whatever a coroutine lets out (memory) ends the connection.
  asio::co_spawn(client_.get_executor(), std::move(work),
                 [self = shared_from_this()](const std::exception_ptr& failure) {
                   if (failure) self->tear();
                 });
}

asio::awaitable<void> FaultConnection::run_tunnel(std::string from_client, std::string from_upstream) {
  if (!from_client.empty()) push(up_, std::move(from_client), true);
  if (!from_upstream.empty()) push(down_, std::move(from_upstream), false);
  streams_open_ = 2;
  spawn(read_into(client_, up_, true));
  spawn(read_into(upstream_, down_, false));
  spawn(write_from(up_, upstream_));
  co_await write_from(down_, client_);
  while (streams_open_ > 0 && !closed_) co_await sleep_ms(look_again_ms);
  close();
}

void FaultConnection::push(DelayLine& line, std::string bytes, bool delayed) {
  const int64_t wait_ms = delayed ? effect().latency_ms : 0;
  line.last_due = std::max(line.last_due, mono() + wait_ms * nanos_per_ms);
  line.bytes += bytes.size();
  line.pieces.push_back({line.last_due, std::move(bytes)});
  line.news.cancel();
}

asio::awaitable<void> FaultConnection::read_into(Socket& from, DelayLine& line, bool delayed) {
  const auto buffer = std::make_unique_for_overwrite<char[]>(read_bytes);
  while (!closed_) {
    while (line.bytes >= line_bytes_max && !closed_) {
      line.room.expires_at(asio::steady_timer::time_point::max());
      co_await line.room.async_wait(no_throw);
    }
    if (closed_) co_return;
    const auto [error, count] = co_await from.async_read_some(asio::buffer(buffer.get(), read_bytes), no_throw);
    if (error == asio::error::eof) {
      push(line, {}, delayed);
      co_return;
    }
    if (error) {
      tear();
      co_return;
    }
    push(line, std::string(buffer.get(), count), delayed);
  }
}

// True when the first piece may go; false when the connection is over.
asio::awaitable<bool> FaultConnection::wait_for_due(DelayLine& line) {
  while (!closed_) {
    const bool empty = line.pieces.empty();
    if (!empty && line.pieces.front().due <= mono()) co_return true;
    if (empty)
      line.news.expires_at(asio::steady_timer::time_point::max());
    else
      line.news.expires_after(std::chrono::nanoseconds(line.pieces.front().due - mono()));
    co_await line.news.async_wait(no_throw);
  }
  co_return false;
}

asio::awaitable<void> FaultConnection::write_from(DelayLine& line, Socket& to) {
  while (co_await wait_for_due(line)) {
    const std::string bytes = std::move(line.pieces.front().bytes);
    line.pieces.pop_front();
    if (!co_await write_slowly(to, bytes)) {
      tear();
      co_return;
    }
    line.bytes -= bytes.size();
    line.room.cancel();
    if (bytes.empty()) {
      half_close(to);
      --streams_open_;
      co_return;
    }
  }
}

// Writes all of it under the faults of this moment: held up while it hangs, in slices while bandwidth is short. An
// empty write waits for the end of a hang only.
asio::awaitable<bool> FaultConnection::write_slowly(Socket& to, std::string_view bytes) {
  do {
    auto now = effect();
    while (now.hang && !closed_) {
      co_await sleep_ms(look_again_ms);
      now = effect();
    }
    if (now.reset || now.down) tear();
    if (closed_) co_return false;
    const auto slice_max = static_cast<size_t>(std::max<int64_t>(1, now.bytes_per_s / slices_per_s));
    const size_t slice = now.bytes_per_s == 0 ? bytes.size() : std::min(bytes.size(), slice_max);
    size_t sent = 0;
    while (sent < slice) {
      const auto [error, count] =
          co_await to.async_write_some(asio::buffer(bytes.data() + sent, slice - sent), no_throw);
      if (error || closed_) co_return false;
      sent += count;
    }
    bytes.remove_prefix(slice);
    if (now.bytes_per_s > 0) co_await sleep_while_faulty(static_cast<int64_t>(slice) * 1000 / now.bytes_per_s);
  } while (!bytes.empty() && !closed_);
  co_return !closed_;
}

// ---- HTTP: one request after the other ----

asio::awaitable<void> FaultConnection::run_http() {
  Step step = Step::again;
  while (step == Step::again && !closed_) step = co_await relay_request();
  if (step == Step::tunnel) co_await run_tunnel(std::move(from_client_), std::move(from_upstream_));
  close();
}

asio::awaitable<bool> FaultConnection::fill(Socket& from, std::string& buffer) {
  const size_t had = buffer.size();
  if (had > unparsed_bytes_max) tear();
  if (closed_) co_return false;
  buffer.resize(had + read_bytes);
  const auto [error, count] = co_await from.async_read_some(asio::buffer(buffer.data() + had, read_bytes), no_throw);
  buffer.resize(had + count);
  if (error && error != asio::error::eof) tear();  // a reset on one side is a reset on the other
  co_return !error && !closed_;
}

// While the client is idle, the end of the upstream must reach it as it would without us.
void FaultConnection::watch_upstream() {
  if (std::exchange(watching_, true)) return;
  upstream_.async_wait(Socket::wait_read, [self = shared_from_this()](error_code error) {
    self->watching_ = false;
    if (error || self->closed_ || !self->idle_) return;
    char byte = 0;
    const auto got = ::recv(self->upstream_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0 || (got < 0 && errno == EAGAIN)) return;
    got == 0 ? self->close() : self->tear();
  });
}

asio::awaitable<FaultConnection::Step> FaultConnection::relay_request() {
  const auto request = std::make_shared<RequestTracker>();  // with the coroutine that sends a long body
  size_t ready = 0;                                         // of from_client_: understood, to be forwarded
  while (!request->header_done()) {
    const auto used = request->feed(std::string_view(from_client_).substr(ready));
    if (!used || !may_be_http(from_client_)) co_return Step::tunnel;  // not HTTP/1: none of our business
    ready += *used;
    if (request->header_done()) break;
    watch_upstream();
    idle_ = true;
    const bool more = co_await fill(client_, from_client_);
    idle_ = false;
    if (!more) co_return Step::end;
  }
  const auto wanted = site_.faults.request(site_.spec.name);
  if (wanted.abort) {
    tear();
    co_return Step::end;
  }
  const int64_t wait_ms = wanted.delay_ms + effect().latency_ms;
  if (wait_ms > 0) co_await sleep_while_faulty(wait_ms);
  if (closed_) co_return Step::end;
  if (wanted.status == 0) co_return co_await forward_request(request, ready);
  from_client_.erase(0, ready);
  co_return co_await answer_instead(*request, wanted.status);
}

asio::awaitable<FaultConnection::Step> FaultConnection::forward_request(std::shared_ptr<RequestTracker> request,
                                                                        size_t ready) {
  const std::string bytes = from_client_.substr(0, ready);
  from_client_.erase(0, ready);
  if (!co_await write_slowly(upstream_, bytes)) co_return Step::end;
  sending_body_ = !request->done();
  if (sending_body_) spawn(forward_body(request));
  const Step step = co_await relay_response(request->is_head());
  while (sending_body_ && request->done() && !closed_) co_await sleep_ms(look_again_ms);  // its last bytes, slowly
  // An answer before the end of the request: what is left of the body has no meaning for what would come next.
  co_return sending_body_ ? Step::end : step;
}

asio::awaitable<void> FaultConnection::forward_body(std::shared_ptr<RequestTracker> request) {
  while (!request->done() && !closed_) {
    const auto used = request->feed(from_client_);
    if (!used) co_return tear();
    const std::string bytes = from_client_.substr(0, *used);
    from_client_.erase(0, *used);
    if (!bytes.empty() && !co_await write_slowly(upstream_, bytes)) break;
    if (!request->done() && !co_await fill(client_, from_client_)) co_return tear();
  }
  sending_body_ = !request->done();
  // The upstream may have closed for reading and still answer; the client hears that only when it may go on sending.
  while (sending_body_ && co_await fill(client_, from_client_)) from_client_.clear();
}

asio::awaitable<FaultConnection::Step> FaultConnection::relay_response(bool head) {
  auto response = std::make_unique<ResponseTracker>(head);
  while (true) {
    const auto used = response->feed(from_upstream_);
    if (!used) co_return Step::tunnel;
    const std::string bytes = from_upstream_.substr(0, *used);
    from_upstream_.erase(0, *used);
    if (!bytes.empty() && !co_await write_slowly(client_, bytes)) co_return Step::end;
    if (response->done() && response->status() == 101) co_return Step::tunnel;
    if (response->done() && response->status() / 100 != 1) {
      if (response->keep_alive()) co_return Step::again;
      break;
    }
    if (response->done()) {
      response = std::make_unique<ResponseTracker>(head);
      continue;
    }
    if (!co_await fill(upstream_, from_upstream_)) {
      if (response->header_done() && response->until_end()) break;
      tear();  // torn there, torn here
      co_return Step::end;
    }
  }
  co_return co_await end_of_stream();
}

// A whole answer that ends with the connection. Closing at once could reset it away under what the client still sends.
asio::awaitable<FaultConnection::Step> FaultConnection::end_of_stream() {
  half_close(client_);
  give_up_ = mono() + closing_ms * nanos_per_ms;
  while (sending_body_ && !closed_) co_await sleep_ms(look_again_ms);  // who sends it reads the client
  while (co_await fill(client_, from_client_)) from_client_.clear();
  co_return Step::end;
}

asio::awaitable<FaultConnection::Step> FaultConnection::answer_instead(RequestTracker& request, int status) {
  if (request.expects_continue() && !request.done())
    if (!co_await write_slowly(client_, "HTTP/1.1 100 Continue\r\n\r\n")) co_return Step::end;
  while (!request.done()) {
    const auto used = request.feed(from_client_);
    if (!used) co_return Step::end;
    from_client_.erase(0, *used);
    if (!request.done() && !co_await fill(client_, from_client_)) co_return Step::end;
  }
  http::Response response =
      http::Response::text(status, may_have_body(status) ? std::string(reason_of(status)) + "\n" : "");
  std::string bytes = answer_head(response, Framing::length, request.keep_alive(), io::system_clock().wall());
  if (!request.is_head()) bytes += response.body;
  if (!co_await write_slowly(client_, bytes)) co_return Step::end;
  if (request.keep_alive()) co_return Step::again;
  co_return co_await end_of_stream();
}

}  // namespace hs::net
