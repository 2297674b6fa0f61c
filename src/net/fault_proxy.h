#pragma once
// The fault proxy: callers of a service connect to it instead, and what chaos::Faults says happens to their bytes.
// Without a fault it is transparent, also to what is not HTTP.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "chaos/faults.h"
#include "config/declarations.h"
#include "io/http.h"

namespace hs::net {

struct FaultProxyOptions {
  // Of one proxy; further ones are reset. A connection holds at most about a megabyte of delayed bytes.
  size_t connections_max = 512;
  int64_t connect_timeout_ms = 5'000;  // to the upstream; then the caller's connection is reset
};

// All proxies of a process, on one thread.
class FaultProxies {
 public:
  // Listens for all of `proxies` or for none. An upstream's name is resolved once, here. `faults` and `random` outlive
  // it; its thread calls faults.tick(). Only call it when chaos is enabled.
  static Result<std::unique_ptr<FaultProxies>> start(const std::vector<config::Proxy>& proxies, chaos::Faults& faults,
                                                     io::Random& random, FaultProxyOptions options = {});
  ~FaultProxies();  // closes everything at once

  // Where the proxy `name` listens, with the port that was picked.
  std::optional<io::Endpoint> address(std::string_view name) const;
  size_t connections() const;

 private:
  struct Impl;
  explicit FaultProxies(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hs::net
