#pragma once
// Who may come in, and how much of it: asked by every way in, before and after decoding (ingest::Gate). What it
// refuses is counted by tenant and reason.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/metrics.h"
#include "ingest/incoming.h"
#include "io/clock.h"
#include "limits/limits.h"
#include "limits/rates.h"

namespace hs::limits {

// Thread-safe. A process has one: its figures are on /metrics.
class Gate {
 public:
  Gate(io::Clock& clock, Policy policy);

  void set_policy(Policy policy);  // from now on

  // Before a request is decoded. resource_exhausted with retry_after_ms: its tenant, or everybody, sends too much.
  Status enter(const ingest::Incoming& incoming);
  // After: charges what it holds.
  void settle(const ingest::Incoming& incoming, const model::Batch& batch);
  // Of decoded requests that wait for the disk; 0: no limit of this tenant's own.
  uint64_t in_flight_bytes_max(std::string_view tenant) const;
  // Somebody behind the gate refused a whole request; also called by enter().
  void count_refusal(const std::string& tenant, std::string_view reason);

  // homeostat_limits_refused_requests_total, by tenant and reason.
  void collect(std::vector<metrics::Sample>& out) const;

 private:
  std::shared_ptr<const Policy> policy() const;

  io::Clock& clock_;
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const Policy> policy_;
  Rates rates_;
  using Reasons = std::map<std::string, uint64_t, std::less<>>;   // those of the code: some ten
  std::map<std::string, Reasons, std::less<>> refused_requests_;  // by tenant; at most tenants_counted_max
};

}  // namespace hs::limits
