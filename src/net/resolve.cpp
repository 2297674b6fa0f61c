#include "net/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <csignal>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>

#include <fmt/format.h>

#include "net/socket.h"

namespace hs::net {
namespace {

// Look-ups that passed their deadline and that glibc could not cancel still own their memory; more of them at once
// than this means that the resolver is down, and further look-ups are refused until one ends.
constexpr size_t stuck_lookups_max = 16;
// How often a waiting look-up is asked whether it is done: glibc's own wait cannot be woken by a cancellation.
constexpr int64_t lookup_poll_ms = 10;

struct Lookup {
  std::string host;
  addrinfo hints{};
  gaicb request{};
  ~Lookup() {
    if (request.ar_result != nullptr) ::freeaddrinfo(request.ar_result);
  }
};

class StuckLookups {
 public:
  bool full() {
    const std::lock_guard lock(mutex_);
    stuck_.remove_if([](const std::unique_ptr<Lookup>& l) { return ::gai_error(&l->request) != EAI_INPROGRESS; });
    return stuck_.size() >= stuck_lookups_max;
  }
  void add(std::unique_ptr<Lookup> lookup) {
    const std::lock_guard lock(mutex_);
    stuck_.push_back(std::move(lookup));
  }

 private:
  std::mutex mutex_;
  std::list<std::unique_ptr<Lookup>> stuck_;
};

StuckLookups& stuck_lookups() {
  static StuckLookups* const all = new StuckLookups;  // never destroyed: a look-up may still be running at exit
  return *all;
}

Result<std::vector<SocketAddress>> addresses_of(const addrinfo* list, const io::Endpoint& endpoint) {
  std::vector<SocketAddress> out;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    SocketAddress address;
    std::memcpy(&address.raw, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
    auto& port = one->ai_family == AF_INET ? reinterpret_cast<sockaddr_in&>(address.raw).sin_port
                                           : reinterpret_cast<sockaddr_in6&>(address.raw).sin6_port;
    port = htons(endpoint.port);
    out.push_back(address);
  }
  if (out.empty()) return fail(Code::unavailable, fmt::format("the name {} has no address", endpoint.host));
  return out;
}

Result<std::vector<SocketAddress>> look_up(const io::Endpoint& endpoint, Waiter& waiter) {
  if (stuck_lookups().full()) return fail(Code::unavailable, "the name resolver does not answer", 1000);
  auto lookup = std::make_unique<Lookup>();
  lookup->host = endpoint.host;
  lookup->hints.ai_socktype = SOCK_STREAM;
  lookup->request.ar_name = lookup->host.c_str();
  lookup->request.ar_request = &lookup->hints;
  gaicb* list[1] = {&lookup->request};
  if (::getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr) != 0)
    return fail(Code::unavailable, fmt::format("cannot resolve {} now", endpoint.host), 1000);
  int state = EAI_INPROGRESS;
  while ((state = ::gai_error(&lookup->request)) == EAI_INPROGRESS) {
    if (const Status going_on = waiter.check(); !going_on) {
      if (::gai_cancel(&lookup->request) != EAI_CANCELED && ::gai_error(&lookup->request) == EAI_INPROGRESS)
        stuck_lookups().add(std::move(lookup));
      return tl::unexpected(going_on.error());
    }
    const timespec pause{0, lookup_poll_ms * nanos_per_ms};
    ::gai_suspend(const_cast<const gaicb**>(list), 1, &pause);
  }
  if (state != 0)
    return fail(Code::unavailable, fmt::format("cannot resolve {}: {}", endpoint.host, ::gai_strerror(state)));
  return addresses_of(lookup->request.ar_result, endpoint);
}

}  // namespace

std::string SocketAddress::host() const {
  char text[INET6_ADDRSTRLEN] = {};
  const void* address = family() == AF_INET
                            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(raw).sin_addr)
                            : &reinterpret_cast<const sockaddr_in6&>(raw).sin6_addr;
  return ::inet_ntop(family(), address, text, sizeof text) != nullptr ? text : "";
}

std::optional<SocketAddress> numeric_address(const io::Endpoint& endpoint) {
  SocketAddress out;
  const std::string host = endpoint.host == "localhost" ? "127.0.0.1" : endpoint.host;
  auto& v4 = reinterpret_cast<sockaddr_in&>(out.raw);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    out.size = sizeof v4;
    return out;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out.raw);
  if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return std::nullopt;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  out.size = sizeof v6;
  return out;
}

Result<std::vector<SocketAddress>> resolve(const io::Endpoint& endpoint, Waiter& waiter) {
  if (const auto numeric = numeric_address(endpoint)) return std::vector<SocketAddress>{*numeric};
  return look_up(endpoint, waiter);
}

}  // namespace hs::net
