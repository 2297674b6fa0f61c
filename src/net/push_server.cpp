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

namespace hs::net {
namespace {

constexpr size_t read_bytes = 64 * 1024;       // of one read; the largest datagram, too
constexpr size_t turn_bytes_max = 256 * 1024;  // of one connection in a round, so that others have theirs
constexpr int sweep_ms = 10'000;               // how often idle connections are looked for
constexpr int pause_ms = 50;                   // when descriptors or memory ran out

struct Metrics {
  explicit Metrics(const std::string& name)
      : label(fmt::format("listener=\"{}\"", name)),
        connections("homeostat_push_connections", "Open connections of senders that are never answered.", label),
        refused("homeostat_push_refused_connections_total", "Connections closed at once: too many.", label),
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
  metrics::Counter refused, received, lost;
};

struct Connection {
  Fd fd;
  PushConsumer::Take take;
  MonoNanos heard_at = 0;
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
  std::jthread thread;

  Impl(PushOptions o, PushConsumer c)
      : options(std::move(o)), consumer(std::move(c)), metrics(Metrics::of(options.name)) {}

  void run(const std::stop_token& stop);
  int wait(std::vector<pollfd>& polled) const;
  void round(const std::vector<pollfd>& polled);
  void accept_all();
  bool read(Connection& connection);
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
    auto take = consumer.connected(host_of(fd.get()));
    connections.push_back(std::make_unique<Connection>(Connection{std::move(fd), std::move(take), clock.mono()}));
  }
  out_of_descriptors = errno != EAGAIN && errno != ECONNABORTED;
  metrics.connections.set(static_cast<int64_t>(connections.size()));
}

// False when the connection has ended.
bool PushServer::Impl::read(Connection& connection) {
  for (size_t turn = 0; turn < turn_bytes_max && round_bytes < options.round_bytes_max;) {
    const ssize_t n = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (n <= 0) {
      connection.take({}, true);
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
    consumer.datagram({buffer.data(), size}, from.host());
    metrics.received.add(size);
    round_bytes += size;
  }
}

void PushServer::Impl::close_idle() {
  const MonoNanos now = clock.mono();
  std::erase_if(connections, [&](const auto& c) {
    const bool idle = now - c->heard_at > options.idle_timeout_ms * nanos_per_ms;
    if (idle) c->take({}, true);
    return idle;
  });
}

int PushServer::Impl::wait(std::vector<pollfd>& polled) const {
  polled.clear();
  polled.push_back({wake.get(), POLLIN, 0});
  polled.push_back({listener && !out_of_descriptors ? listener->fd.get() : -1, POLLIN, 0});
  polled.push_back({udp ? udp->fd.get() : -1, POLLIN, 0});
  for (const auto& connection : connections) polled.push_back({connection->fd.get(), POLLIN, 0});
  return ::poll(polled.data(), polled.size(), out_of_descriptors ? pause_ms : sweep_ms);
}

void PushServer::Impl::round(const std::vector<pollfd>& polled) {
  constexpr size_t before = 3;  // of the connections in `polled`
  round_bytes = 0;
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
  for (const auto& connection : connections) connection->take({}, true);
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
