#include "net/fault_proxy.h"

#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>
#include <unordered_set>

#include <fmt/format.h>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/log.h"
#include "net/fault_connection.h"
#include "net/socket.h"

namespace hs::net {
namespace {

constexpr int64_t tick_ms = 25;            // how soon a fault begins for what waits, and ends
constexpr int ticks_per_faults_tick = 10;  // how often ended leases are announced
constexpr int backlog = 1024;
constexpr int64_t resolve_timeout_ms = 5'000;

struct Site {
  Site(asio::io_context& context, FaultSite s, Listener l)
      : site(std::move(s)), listener(std::move(l)), acceptor(context, listener.fd.get()) {}
  ~Site() { acceptor.release(); }
  FaultSite site;
  Listener listener;
  asio::posix::stream_descriptor acceptor;  // waits for listener; does not own it
  std::unordered_set<FaultConnection*> connections;
  bool down = false;
};

void report(const std::exception_ptr& failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {  // memory, descriptors: that connection is over, the others go on
    log::error("a fault proxy failed", {{"what", e.what()}});
  }
}

// A port must be known before it is bound for good: a listening socket that is shut down and listens again keeps only
// a port that was asked for by number.
Result<Listener> listen_for_good(const io::Endpoint& where) {
  io::Endpoint fixed = where;
  if (where.unix_path.empty() && where.port == 0) {
    HS_ASSIGN(const Listener probe, listen_on(where));
    fixed.port = probe.address.port;
  }
  return listen_on(fixed);
}

}  // namespace

struct FaultProxies::Impl {
  asio::io_context context{1};
  asio::steady_timer timer{context};
  std::vector<std::unique_ptr<Site>> sites;
  chaos::Faults* faults = nullptr;
  FaultProxyOptions options;
  std::atomic<size_t> connections{0};
  std::atomic<bool> stopping{false};
  std::thread thread;

  Status add(const config::Proxy& spec, io::Random& random);
  void run();
  void stop();
  asio::awaitable<void> accept_all(Site& site);
  asio::awaitable<void> serve(Site& site, Socket client);
  asio::awaitable<void> tick_all();
  void tick(Site& site);
};

Status FaultProxies::Impl::add(const config::Proxy& spec, io::Random& random) {
  const auto named = [&](const Error& e) {
    return tl::unexpected(Error{e.code, fmt::format("fault proxy '{}': {}", spec.name, e.message), 0});
  };
  if (spec.protocol != "tcp" && spec.protocol != "http")
    return named({Code::invalid_argument, "its protocol is tcp or http", 0});
  const auto where = io::parse_endpoint(spec.listen);
  if (!where) return named(where.error());
  const auto upstream = io::parse_endpoint(spec.upstream);
  if (!upstream) return named(upstream.error());
  if (!upstream->unix_path.empty()) return named({Code::invalid_argument, "its upstream is host:port", 0});
  Waiter waiter(resolve_timeout_ms, {});
  const auto addresses = resolve(*upstream, waiter);
  if (!addresses) return named(addresses.error());
  auto listener = listen_for_good(*where);
  if (!listener) return named(listener.error());
  FaultSite site{spec, addresses->front(), *faults, random, options.connect_timeout_ms};
  sites.push_back(std::make_unique<Site>(context, std::move(site), std::move(*listener)));
  return {};
}

void FaultProxies::Impl::run() {
  for (auto& site : sites) asio::co_spawn(context, accept_all(*site), report);
  asio::co_spawn(context, tick_all(), report);
  thread = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "net:chaos");
    context.run();
  });
}

void FaultProxies::Impl::stop() {
  stopping = true;
  asio::post(context, [this] {
    timer.cancel();
    for (auto& site : sites) {
      site->acceptor.cancel();
      for (FaultConnection* connection : site->connections) connection->tear();
    }
  });
  if (thread.joinable()) thread.join();
}

asio::awaitable<void> FaultProxies::Impl::accept_all(Site& site) {
  asio::steady_timer pause(context);
  while (!stopping) {
    while (Fd fd = accept_one(site.listener.fd.get())) {
      if (site.connections.size() >= options.connections_max) continue;  // closed
      Socket client(context, asio::generic::stream_protocol(AF_INET, 0), fd.release());
      client.non_blocking(true);
      asio::co_spawn(context, serve(site, std::move(client)), report);
    }
    const bool wait = errno == EAGAIN && !site.down;
    if (wait) {
      const auto [error] = co_await site.acceptor.async_wait(asio::posix::stream_descriptor::wait_read, no_throw);
      if (!error || stopping) continue;
    }
    pause.expires_after(std::chrono::milliseconds(tick_ms));  // down, or out of descriptors
    co_await pause.async_wait(no_throw);
  }
}

asio::awaitable<void> FaultProxies::Impl::serve(Site& site, Socket client) {
  const auto connection = std::make_shared<FaultConnection>(std::move(client), site.site);  // see its class
  site.connections.insert(connection.get());
  ++connections;
  try {
    co_await connection->run();
  } catch (const std::exception& e) {
    log::error("a fault proxy failed", {{"proxy", site.site.spec.name}, {"what", e.what()}});
  }
  connection->tear();
  site.connections.erase(connection.get());
  --connections;
}

asio::awaitable<void> FaultProxies::Impl::tick_all() {
  for (int64_t count = 0; !stopping; ++count) {
    timer.expires_after(std::chrono::milliseconds(tick_ms));
    co_await timer.async_wait(no_throw);
    if (count % ticks_per_faults_tick == 0) faults->tick();
    for (auto& site : sites) tick(*site);
  }
}

void FaultProxies::Impl::tick(Site& site) {
  const bool down = faults->connection(site.site.spec.name, 0).down;
  if (down && !site.down) {
    ::shutdown(site.listener.fd.get(), SHUT_RDWR);  // connecting is refused, and the port stays ours
    site.down = true;
  } else if (!down && site.down) {
    site.down = ::listen(site.listener.fd.get(), backlog) != 0;
    if (site.down)
      log::error("a fault proxy cannot listen again", {{"proxy", site.site.spec.name}, {"why", errno_text(errno)}});
  }
  for (FaultConnection* connection : site.connections) connection->tick();
}

FaultProxies::FaultProxies(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FaultProxies::~FaultProxies() { impl_->stop(); }
size_t FaultProxies::connections() const { return impl_->connections; }

std::optional<io::Endpoint> FaultProxies::address(std::string_view name) const {
  for (const auto& site : impl_->sites)
    if (site->site.spec.name == name) return site->listener.address;
  return std::nullopt;
}

Result<std::unique_ptr<FaultProxies>> FaultProxies::start(const std::vector<config::Proxy>& proxies,
                                                          chaos::Faults& faults, io::Random& random,
                                                          FaultProxyOptions options) {
  try {
    auto impl = std::make_unique<Impl>();
    impl->faults = &faults;
    impl->options = options;
    for (const config::Proxy& proxy : proxies) HS_TRY(impl->add(proxy, random));
    impl->run();
    return std::unique_ptr<FaultProxies>(new FaultProxies(std::move(impl)));
  } catch (const std::exception& e) {  // Asio out of descriptors, no more threads
    return fail(Code::unavailable, fmt::format("cannot start the fault proxies: {}", e.what()));
  }
}

}  // namespace hs::net
