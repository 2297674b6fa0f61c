#include "net/http_server.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/log.h"
#include "io/clock.h"
#include "net/http_session.h"
#include "net/socket.h"

namespace hs::net {
namespace {

constexpr int64_t sweep_ms = 250;         // how exactly the timeouts hold
constexpr int64_t accept_pause_ms = 100;  // after running out of descriptors: the listener would stay readable

void name_thread(std::string_view name) {
  const std::string text(name.substr(0, 15));  // the kernel keeps 15 bytes
  ::pthread_setname_np(::pthread_self(), text.c_str());
}

// An event loop, its thread, and the connections on it. All but `context` belongs to the thread.
struct IoThread {
  asio::io_context context{1};
  asio::steady_timer sweep{context};
  std::unordered_set<HttpSession*> sessions;
  std::thread thread;
};

}  // namespace

struct HttpServer::Impl {
  Impl(HttpServerOptions options, http::Handler handler, Listener l)
      : address(l.address),
        listener(std::move(l)),
        shared{.options = std::move(options), .handler = std::move(handler)} {
    shared.metrics = &HttpMetrics::of(shared.options.name);
    for (int i = 0; i < std::max(1, shared.options.threads); ++i) threads.push_back(std::make_unique<IoThread>());
    acceptor.emplace(threads.front()->context, listener->fd.get());
  }

  void run();
  void stop(int64_t deadline_ms);
  asio::awaitable<void> accept_all();
  void adopt(Fd fd);
  asio::awaitable<void> serve(IoThread& on, Socket socket, std::string peer);
  asio::awaitable<void> sweep(IoThread& on);
  template <class F>
  void on_each_session(F f);

  io::Endpoint address;
  std::optional<Listener> listener;  // of the accepting thread, until stop
  ServerShared shared;
  std::vector<std::unique_ptr<IoThread>> threads;
  std::optional<asio::posix::stream_descriptor> acceptor;  // waits for listener's; does not own it
  size_t next_thread = 0;                                  // of the accepting thread
  bool stopped = false;
};

namespace {

// What a coroutine of ours lets out is a third party's exception (memory, descriptors): it ends that connection only.
void report(const std::exception_ptr& failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    log::error("a connection failed", {{"what", e.what()}});
  }
}

}  // namespace

void HttpServer::Impl::run() {
  asio::co_spawn(threads.front()->context, accept_all(), report);
  for (auto& t : threads) {
    asio::co_spawn(t->context, sweep(*t), report);
    t->thread = std::thread([io = t.get(), name = shared.options.name] {
      name_thread("net:" + name);
      io->context.run();
    });
  }
}

asio::awaitable<void> HttpServer::Impl::accept_all() {
  asio::steady_timer pause(threads.front()->context);
  while (!shared.stopping) {
    const auto [error] = co_await acceptor->async_wait(asio::posix::stream_descriptor::wait_read, no_throw);
    if (error || shared.stopping) co_return;
    while (Fd fd = accept_one(listener->fd.get())) adopt(std::move(fd));
    if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) continue;
    log::warn("cannot accept a connection", {{"listener", shared.options.name}, {"why", errno_text(errno)}});
    pause.expires_after(std::chrono::milliseconds(accept_pause_ms));
    co_await pause.async_wait(no_throw);
  }
}

void HttpServer::Impl::adopt(Fd fd) {
  static constexpr std::string_view full =
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  if (shared.connections >= shared.options.connections_max) {
    shared.metrics->refused_connections.add();
    if (!shared.options.tls)
      (void)!::write(fd.get(), full.data(), full.size());  // as far as it goes: the connection closes anyway
    return;
  }
  ++shared.connections;
  shared.metrics->connections.add(1);
  IoThread& on = *threads.at(next_thread++ % threads.size());
  std::string peer = peer_of(fd.get());
  asio::post(on.context, [this, &on, raw = fd.release(), peer = std::move(peer)]() mutable {
    Socket socket(on.context, asio::generic::stream_protocol(AF_INET, 0), raw);
    socket.non_blocking(true);
    asio::co_spawn(on.context, serve(on, std::move(socket), std::move(peer)), report);
  });
}

asio::awaitable<void> HttpServer::Impl::serve(IoThread& on, Socket socket, std::string peer) {
  const auto session = std::make_shared<HttpSession>(std::move(socket), shared, std::move(peer));  // see its class
  on.sessions.insert(session.get());
  try {
    co_await session->run();
  } catch (const std::exception& e) {
    log::error("a connection failed", {{"listener", shared.options.name}, {"what", e.what()}});
    session->close();
  }
  on.sessions.erase(session.get());
  if (shared.stopping && on.sessions.empty()) on.sweep.cancel();  // it ends, and with it the thread
  shared.metrics->connections.add(-1);
  --shared.connections;
}

asio::awaitable<void> HttpServer::Impl::sweep(IoThread& on) {
  while (!shared.stopping || !on.sessions.empty()) {
    on.sweep.expires_after(std::chrono::milliseconds(sweep_ms));
    co_await on.sweep.async_wait(no_throw);
    const bool crowded = shared.connections > shared.options.connections_max / 4 * 3;
    const MonoNanos now = io::system_clock().mono();
    for (HttpSession* session : on.sessions) session->check_deadline(now, crowded);
  }
}

template <class F>
void HttpServer::Impl::on_each_session(F f) {
  for (auto& t : threads)
    asio::post(t->context, [io = t.get(), f] {
      for (HttpSession* session : io->sessions) f(*session);
      io->sweep.cancel();
    });
}

void HttpServer::Impl::stop(int64_t deadline_ms) {
  if (std::exchange(stopped, true)) return;
  shared.stopping = true;
  asio::post(threads.front()->context, [this] {  // the port closes at once: nobody should wait in its backlog
    acceptor->release();
    listener.reset();
  });
  on_each_session([](HttpSession& session) {
    if (session.idle()) session.close();
  });
  const MonoNanos deadline = io::system_clock().mono() + deadline_ms * nanos_per_ms;
  while (shared.connections > 0 && io::system_clock().mono() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  on_each_session([](HttpSession& session) { session.close(); });
  for (auto& t : threads) t->thread.join();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { stop(0); }
const io::Endpoint& HttpServer::address() const { return impl_->address; }
size_t HttpServer::connections() const { return impl_->shared.connections; }
void HttpServer::stop(int64_t deadline_ms) { impl_->stop(deadline_ms); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options, http::Handler handler) {
  HS_ASSIGN(Listener listener, listen_on(options.listen));
  try {
    auto impl = std::make_unique<Impl>(std::move(options), std::move(handler), std::move(listener));
    impl->run();
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
  } catch (const std::exception& e) {  // Asio out of descriptors, no more threads
    return fail(Code::unavailable, fmt::format("cannot start a server: {}", e.what()));
  }
}

}  // namespace hs::net
