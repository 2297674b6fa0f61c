#pragma once
// The faults that are on now. Each has a lease on the monotonic clock and ends by itself.

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "chaos/fault.h"
#include "io/clock.h"

namespace hs::chaos {

// More at once on one proxy can no longer be told apart; more altogether is a mistake in a script.
inline constexpr size_t faults_per_proxy_max = 8;
inline constexpr size_t faults_max = 64;

// Told when a fault begins (ended 0) and when it has ended, by clearing or by its lease. For the KPIs; never for
// anything that detects or explains.
struct Marker {
  std::string id, proxy, service, kind;
  UnixNanos started = 0, ended = 0;
};

// Whoever runs an experiment injects through this: the server's own list, or another process's through its API.
class FaultControl {
 public:
  virtual ~FaultControl() = default;
  // The id of the new fault.
  virtual Result<std::string> inject(const Fault& fault) = 0;
  virtual Status clear(std::string_view id) = 0;  // not_found when it has ended already
};

// Thread-safe. A fault whose lease is over has no effect from that instant, also when nobody calls tick().
class Faults final : public FaultControl {
 public:
  Faults(io::Clock& clock, io::Random& random) : clock_(clock), random_(random) {}

  // Set once, before the first fault; called without a lock held, on the thread that injects, clears or ticks.
  void on_marker(std::function<void(const Marker&)> told) { told_ = std::move(told); }
  // The proxies that exist. Faults of proxies that are gone end.
  void declare(std::vector<config::Proxy> proxies);
  std::vector<config::Proxy> proxies() const;

  Result<std::string> inject(const Fault& fault) override;
  Status clear(std::string_view id) override;
  size_t clear_all();
  std::vector<Fault> list() const;
  // Announces the faults whose lease has ended; call it about once a second.
  void tick();

  // What a connection or a request of this proxy suffers now.
  ConnectionEffect connection(std::string_view proxy, double draw) const;
  RequestEffect request(std::string_view proxy) const;
  // Whether any fault is on there.
  bool any(std::string_view proxy) const { return !active(proxy).empty(); }

 private:
  std::vector<Fault> active(std::string_view proxy) const;
  template <class P>
  size_t end_where(P matches);
  void tell(const std::vector<Fault>& faults, UnixNanos ended) const;

  io::Clock& clock_;
  io::Random& random_;
  std::function<void(const Marker&)> told_;
  mutable std::mutex mutex_;
  std::vector<config::Proxy> proxies_;
  std::vector<Fault> faults_;
  uint64_t injected_ = 0;
};

}  // namespace hs::chaos
