#include "net/push_server.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/clock.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "net/tls_server.h"

namespace hs::net {
namespace {

constexpr size_t read_bytes = 64 * 1024;       // of one read; the largest datagram, too
constexpr size_t turn_bytes_max = 256 * 1024;  // of one connection in a round, so that others have theirs
constexpr int sweep_ms = 10'000;               // how often idle connections are looked for
constexpr int pause_ms = 50;                   // when descriptors or memory ran out
constexpr int handshake_sweep_ms = 500;        // how often, while handshakes are under way
constexpr int handshakes_max = 16;             // steps in a round: each may cost a signature (1 ms)
constexpr int64_t told_every_ms = 10'000;      // failed handshakes are anybody's to cause: the log stays readable

struct Metrics {
  explicit Metrics(const std::string& name)
      : label(fmt::format("listener=\"{}\"", name)),
        connections("homeostat_push_connections", "Open connections of senders that are never answered.", label),
        refused("homeostat_push_refused_connections_total", "Connections closed at once: too many.", label),
        strangers("homeostat_push_failed_handshakes_total", "Connections on which no TLS was agreed on.", label),
        received("homeostat_push_received_bytes_total", "Bytes received.", label),
        lost("homeostat_push_lost_datagrams_total", "Datagrams that the kernel had no room for.", label) {}
  static Metrics& of(const std::string& name) {
    static std::unordered_map<std::string, std::unique_ptr<Metrics>> all;  // started from one thread
    auto& slot = all[name];
    if (!slot) slot = std::make_unique<Metrics>(name);
    return *slot;
  }
  std::string label;
  metrics::Gauge connections;
  metrics::Counter refused, strangers, received, lost;
};

struct Connection {
  Fd fd;
  std::unique_ptr<TlsConnection> tls;  // none: plain
  PushConsumer::Take take;             // none until TLS is agreed on
  MonoNanos heard_at = 0;              // before that: connected at
  short wait_for = POLLIN;
};

struct Udp {
  Fd fd;
  io::Endpoint address;
  uint32_t overflow = 0;  // the kernel's count so far
};

Result<Udp> open_udp(const io::Endpoint& where, int buffer_bytes) {
  const auto address = numeric_address(where);
  if (!address)
    return fail(Code::invalid_argument,
                fmt::format("cannot listen on {}: the host must be a numeric address or localhost", where.text()));
  Udp udp{Fd(::socket(address->family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), where};
  if (!udp.fd) return fail(Code::unavailable, fmt::format("cannot open {}: {}", where.text(), errno_text(errno)));
  const int on = 1;
  ::setsockopt(udp.fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  ::setsockopt(udp.fd.get(), SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  if (::bind(udp.fd.get(), address->get(), address->size) != 0)
    return fail(Code::unavailable, fmt::format("cannot listen on {}: {}", where.text(), errno_text(errno)));
  udp.address.port = port_of(udp.fd.get());
  return udp;
}

// The numeric address of a connection's other side.
std::string host_of(int fd) {
  SocketAddress peer;
  peer.size = sizeof peer.raw;
  return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer.raw), &peer.size) == 0 ? peer.host() : "";
}

// How many datagrams the kernel threw away since the socket was opened; nothing when it did not say.
std::optional<uint32_t> overflow_of(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
    uint32_t count = 0;
    std::memcpy(&count, CMSG_DATA(c), sizeof count);
    return count;
  }
  return std::nullopt;
}

}  // namespace

struct PushServer::Impl {
  PushOptions options;
  PushConsumer consumer;
  Metrics& metrics;
  io::Clock& clock = io::system_clock();
  std::optional<Listener> listener;
  std::optional<Udp> udp;
  Fd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<char> buffer = std::vector<char>(read_bytes);
  size_t round_bytes = 0;
  bool out_of_descriptors = false;
  size_t shaking = 0;  // connections whose handshake is under way
  int handshakes = 0;  // steps in this round
  MonoNanos told_at = 0;
  std::jthread thread;

  Impl(PushOptions o, PushConsumer c)
      : options(std::move(o)), consumer(std::move(c)), metrics(Metrics::of(options.name)) {}

  void run(const std::stop_token& stop);
  int wait(std::vector<pollfd>& polled) const;
  void round(const std::vector<pollfd>& polled);
  void accept_all();
  void begin(Connection& connection);
  bool shake(Connection& connection);
  bool read(Connection& connection);
  ssize_t receive(Connection& connection);
  void end(Connection& connection);
  void tell(const Connection& connection, std::string_view why);
  void read_datagrams();
  void close_idle();
};

void PushServer::Impl::accept_all() {
  while (Fd fd = accept_one(listener->fd.get())) {
    if (connections.size() >= options.connections_max) {
      metrics.refused.add();
      continue;  // closed
    }
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    auto connection = std::make_unique<Connection>(Connection{.fd = std::move(fd), .heard_at = clock.mono()});
    if (options.tls) {
      auto tls = options.tls->accept(connection->fd.get());
      if (!tls) continue;  // no memory
      connection->tls = std::move(*tls);
      ++shaking;
    } else {
      begin(*connection);
    }
    connections.push_back(std::move(connection));
  }
  out_of_descriptors = errno != EAGAIN && errno != ECONNABORTED;
  metrics.connections.set(static_cast<int64_t>(connections.size()));
}

void PushServer::Impl::begin(Connection& connection) {
  PushPeer peer{.host = host_of(connection.fd.get())};
  if (connection.tls) {
    peer.tls_version = connection.tls->version();
    peer.client_subject = connection.tls->peer_subject();
  }
  connection.take = consumer.connected(peer);
}

// False when it has failed.
bool PushServer::Impl::shake(Connection& connection) {
  if (++handshakes > handshakes_max) return true;  // in the next round
  switch (connection.tls->handshake()) {
    case TlsConnection::State::done:
      --shaking;
      connection.heard_at = clock.mono();
      connection.wait_for = POLLIN;
      begin(connection);
      return true;
    case TlsConnection::State::wait_read:
      connection.wait_for = POLLIN;
      return true;
    case TlsConnection::State::wait_write:
      connection.wait_for = POLLOUT;
      return true;
    default:
      tell(connection, connection.tls->problem());
      end(connection);
      return false;
  }
}

void PushServer::Impl::tell(const Connection& connection, std::string_view why) {
  metrics.strangers.add();
  const MonoNanos now = clock.mono();
  if (told_at != 0 && now - told_at < told_every_ms * nanos_per_ms) return;
  told_at = now;
  log::warn("no TLS was agreed on", {{"listener", options.name}, {"peer", host_of(connection.fd.get())}, {"why", why}});
}

// What the consumer has of it is whole now.
void PushServer::Impl::end(Connection& connection) {
  if (!connection.take) {
    --shaking;
    return;
  }
  connection.take({}, true);
  if (connection.tls) connection.tls->shut();  // RFC 5425, 4.4
}

// As recv(): what was read, 0 at the end, -1 with EAGAIN when there is nothing, or another error.
ssize_t PushServer::Impl::receive(Connection& connection) {
  if (!connection.tls) return ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  size_t got = 0;
  switch (connection.tls->read(buffer.data(), buffer.size(), got)) {
    case TlsConnection::State::done:
      return static_cast<ssize_t>(got);
    case TlsConnection::State::wait_read:
    case TlsConnection::State::wait_write:  // an answer to a change of keys; it goes out with the next call
      errno = EAGAIN;
      return -1;
    default:
      return 0;
  }
}

// False when the connection has ended.
bool PushServer::Impl::read(Connection& connection) {
  if (!connection.take) return shake(connection);
  for (size_t turn = 0; turn < turn_bytes_max && round_bytes < options.round_bytes_max;) {
    const ssize_t n = receive(connection);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (n <= 0) {
      end(connection);
      return false;
    }
    const auto size = static_cast<size_t>(n);
    connection.heard_at = clock.mono();
    connection.take({buffer.data(), size}, false);
    metrics.received.add(size);
    turn += size;
    round_bytes += size;
  }
  return true;
}

void PushServer::Impl::read_datagrams() {
  while (round_bytes < options.round_bytes_max) {
    SocketAddress from;
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, 64> control{};
    msghdr message{};
    message.msg_name = &from.raw;
    message.msg_namelen = sizeof from.raw;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n = ::recvmsg(udp->fd.get(), &message, 0);
    if (n < 0) return;
    if (const auto count = overflow_of(message)) {
      metrics.lost.add(*count - udp->overflow);
      udp->overflow = *count;
    }
    from.size = message.msg_namelen;
    const auto size = static_cast<size_t>(n);
    consumer.datagram({buffer.data(), size}, {.host = from.host()});
    metrics.received.add(size);
    round_bytes += size;
  }
}

void PushServer::Impl::close_idle() {
  const MonoNanos now = clock.mono();
  std::erase_if(connections, [&](const auto& c) {
    const int64_t timeout_ms = c->take ? options.idle_timeout_ms : options.handshake_timeout_ms;
    if (now - c->heard_at <= timeout_ms * nanos_per_ms) return false;
    if (!c->take) tell(*c, "its time was up");
    end(*c);
    return true;
  });
}

int PushServer::Impl::wait(std::vector<pollfd>& polled) const {
  polled.clear();
  polled.push_back({wake.get(), POLLIN, 0});
  polled.push_back({listener && !out_of_descriptors ? listener->fd.get() : -1, POLLIN, 0});
  polled.push_back({udp ? udp->fd.get() : -1, POLLIN, 0});
  for (const auto& connection : connections) polled.push_back({connection->fd.get(), connection->wait_for, 0});
  const int sweep = shaking > 0 ? handshake_sweep_ms : sweep_ms;
  return ::poll(polled.data(), polled.size(), out_of_descriptors ? pause_ms : sweep);
}

void PushServer::Impl::round(const std::vector<pollfd>& polled) {
  constexpr size_t before = 3;  // of the connections in `polled`
  round_bytes = 0;
  handshakes = 0;
  if (polled[2].revents != 0) read_datagrams();
  size_t at = before;
  std::erase_if(connections, [&](const auto& connection) {
    return at < polled.size() && polled[at++].revents != 0 && !read(*connection);
  });
  if (polled[1].revents != 0 || out_of_descriptors) accept_all();
  // Whoever was served last is asked first next time: a full round does not starve the others.
  if (round_bytes >= options.round_bytes_max && connections.size() > 1)
    std::rotate(connections.begin(), connections.begin() + 1, connections.end());
  close_idle();
}

void PushServer::Impl::run(const std::stop_token& stop) {
  std::vector<pollfd> polled;
  while (!stop.stop_requested()) {
    if (wait(polled) < 0) continue;
    try {
      round(polled);
      consumer.deliver(stop);
    } catch (const std::exception& e) {  // memory: what was in this round is lost, the senders go on
      log::error("a listener failed", {{"listener", options.name}, {"what", e.what()}});
    }
  }
  for (const auto& connection : connections) end(*connection);
  consumer.deliver(stop);
}

PushServer::PushServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<PushServer>> PushServer::start(PushOptions options, PushConsumer consumer) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(consumer));
  if (impl->options.tcp) {
    HS_ASSIGN(Listener listener, listen_on(*impl->options.tcp));
    impl->listener.emplace(std::move(listener));
  }
  if (impl->options.udp) {
    HS_ASSIGN(Udp udp, open_udp(*impl->options.udp, impl->options.datagram_buffer_bytes));
    impl->udp.emplace(std::move(udp));
  }
  impl->thread = std::jthread([i = impl.get()](const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), fmt::format("net:{}", i->options.name).substr(0, 15).c_str());
    i->run(stop);
  });
  return std::unique_ptr<PushServer>(new PushServer(std::move(impl)));
}

PushServer::~PushServer() {
  impl_->thread.request_stop();
  ::eventfd_write(impl_->wake.get(), 1);
  impl_->thread.join();
}

std::optional<io::Endpoint> PushServer::tcp_address() const {
  return impl_->listener ? std::optional(impl_->listener->address) : std::nullopt;
}

std::optional<io::Endpoint> PushServer::udp_address() const {
  return impl_->udp ? std::optional(impl_->udp->address) : std::nullopt;
}

}  // namespace hs::net
