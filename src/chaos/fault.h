#pragma once
// What a fault is, and what the faults of a proxy do to a connection or a request. Pure.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "config/declarations.h"
#include "io/random.h"

namespace hs::chaos {

enum class Kind : uint8_t {
  latency,    // bytes towards the upstream arrive latency_ms +- jitter_ms later, up to a megabyte in flight
  bandwidth,  // at most bytes_per_s, for each connection and direction
  reset,      // connections are torn, open and new ones, after a moment at most
  hang,       // connections are accepted and nothing is forwarded, in either direction, while it lasts
  down,       // connecting is refused, open connections are torn
  status,     // HTTP: a share of requests gets `status` and never reaches the upstream
  delay,      // HTTP: a share of requests is forwarded latency_ms +- jitter_ms later
  abort,      // HTTP: a share of requests ends with a torn connection
};
std::string_view name_of(Kind kind);
// Kinds that need a proxy of protocol http.
bool is_http(Kind kind);

// A fault lives at most so long, whatever happens to whoever injected it: long enough for an experiment's method, short
// enough that a forgotten one is over before somebody has found the console.
inline constexpr int64_t lease_max_ms = 10 * 60'000;
inline constexpr int64_t lease_default_ms = 60'000;
// More than a minute late is a hang, and has its own kind.
inline constexpr int64_t latency_max_ms = 60'000;

struct Fault {
  std::string id;     // given at injection
  std::string proxy;  // a name from chaos.proxies
  Kind kind = Kind::latency;
  int64_t latency_ms = 0, jitter_ms = 0;  // latency, delay
  int64_t bytes_per_s = 0;                // bandwidth
  int status = 503;                       // status
  // Of connections (latency, bandwidth, reset, hang) or requests (status, delay, abort) that are met; 0: none.
  double share = 1;
  int64_t lease_ms = lease_default_ms;
  std::string service;  // whose figures the KPIs mark as disturbed; default: the proxy's name
  UnixNanos started = 0;
  MonoNanos ends = 0;
};

// {"proxy": "...", "kind": "latency", "latency_ms": 1500, "jitter_ms": 200, "share": 0.5, "lease_ms": 120000} or
// "lease": "2m". Kind "jitter" is latency with jitter_ms alone. Unknown and missing fields are named.
Result<Fault> parse_fault(const json::Json& object);
json::Json to_json(const Fault& fault, MonoNanos now);
// Whether such a fault can be put on one of these proxies.
Status check(const Fault& fault, std::span<const config::Proxy> proxies);

// What a connection (of a fixed draw in [0, 1)) suffers now.
struct ConnectionEffect {
  bool down = false, reset = false, hang = false;
  bool late = false;        // a latency fault is on; latency_ms may be 0 by its jitter
  int64_t latency_ms = 0;   // of the next piece towards the upstream; several faults add up
  int64_t bytes_per_s = 0;  // 0: unlimited; the tightest counts
};
ConnectionEffect connection_effect(std::span<const Fault> active, double draw, io::Random& random);

// What the next request suffers.
struct RequestEffect {
  int64_t delay_ms = 0;
  int status = 0;  // 0: forwarded
  bool abort = false;
};
RequestEffect request_effect(std::span<const Fault> active, io::Random& random);

}  // namespace hs::chaos
