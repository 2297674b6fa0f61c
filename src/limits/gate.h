#pragma once
// Who may come in, and how much of it: asked by every way in, before and after decoding (ingest::Gate). What it
// refuses is counted by tenant and reason.

#include <functional>
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
#include "limits/series.h"

namespace hs::limits {

// Thread-safe. A process has one: its figures are on /metrics.
class Gate {
 public:
  // What credentials that are exempt bring is counted, and never refused for its series.
  Gate(io::Clock& clock, Policy policy, std::function<bool(std::string_view credential)> exempt = {});

  void set_policy(Policy policy);  // from now on

  // Before a request is decoded; says within which limits that is to be done. resource_exhausted with retry_after_ms:
  // its tenant, or everybody, sends too much.
  Status enter(ingest::Incoming& incoming);
  // After: charges what it holds. Points of series that find no room are taken out of the batch and noted in
  // `incoming.refused`; the batch's `rejected` and `rejected_why` tell.
  void settle(ingest::Incoming& incoming, model::Batch& batch);
  CensusPage census(std::string_view tenant, const CensusAsk& ask) const;
  // Of decoded requests that wait for the disk; 0: no limit of this tenant's own.
  uint64_t in_flight_bytes_max(std::string_view tenant) const;
  // Somebody behind the gate refused a whole request; also called by enter().
  void count_refusal(const std::string& tenant, std::string_view reason);

  // homeostat_limits_refused_requests_total and _points_total by tenant and reason, homeostat_active_series by tenant.
  void collect(std::vector<metrics::Sample>& out) const;

 private:
  std::shared_ptr<const Policy> policy() const;
  uint64_t minute() const { return static_cast<uint64_t>(clock_.mono() / (60 * nanos_per_s)) + 1; }
  void settle_series(ingest::Incoming& incoming, model::Batch& batch, bool exempt);

  io::Clock& clock_;
  const std::function<bool(std::string_view)> exempt_;
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const Policy> policy_;
  Rates rates_;
  using Reasons = std::map<std::string, uint64_t, std::less<>>;  // those of the code: some ten
  using Counts = std::map<std::string, Reasons, std::less<>>;    // by tenant; at most tenants_counted_max
  static void count(Counts& counts, const std::string& tenant, std::string_view reason, uint64_t n);
  Counts refused_requests_, refused_points_;
  mutable std::mutex series_mutex_;  // guards:
  ActiveSeries series_;
};

}  // namespace hs::limits
