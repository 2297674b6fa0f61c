#pragma once
// Host names to addresses, under a deadline.

#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/http.h"

namespace hs::net {

class Waiter;

struct SocketAddress {
  sockaddr_storage raw{};
  socklen_t size = 0;
  int family() const { return raw.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&raw); }
  std::string host() const;  // numeric: "127.0.0.1", "::1"
};

// The address of a numeric host or "localhost" (127.0.0.1, always: resolvers disagree); nothing for other names.
std::optional<SocketAddress> numeric_address(const io::Endpoint& endpoint);
// All addresses of a host, in the resolver's order.
Result<std::vector<SocketAddress>> resolve(const io::Endpoint& endpoint, Waiter& waiter);

}  // namespace hs::net
