#include "ingest/admission.h"

#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/metrics.h"

namespace hs::ingest {
namespace {

// A tenant may hold this many times the room that is free. Alone it gets 2/3 of what is in flight, and 8/9 of the
// journal, which must carry a long outage of the engine.
constexpr uint64_t in_flight_greed = 2;
constexpr uint64_t journal_greed = 8;
constexpr size_t accounts_max = 4096;         // of tenants at a time; more share one
constexpr const char* shared_account = "\n";  // no tenant's name
constexpr int64_t retry_soon_ms = 1000;       // what is in flight passes in milliseconds
constexpr int64_t retry_later_ms = 5000;      // the engine needs longer

struct Refused {
  explicit Refused(std::string_view name)
      : reason(name),
        count("homeostat_ingest_refused_total", "Requests refused, by the bound that was met.",
              fmt::format("reason=\"{}\"", name)) {}
  std::string_view reason;
  metrics::Counter count;
};
struct Metrics {
  Refused in_flight_bytes{"in_flight_bytes"}, in_flight_requests{"in_flight_requests"}, journal{"journal_full"},
      fair{"tenant_share"}, own{"tenant_in_flight"};
};
Metrics& refused() {
  static Metrics instance;
  return instance;
}

tl::unexpected<Error> refuse(Refused& by, std::string_view& reason, Code code, std::string message, int64_t retry_ms) {
  by.count.add();
  reason = by.reason;
  return fail(code, std::move(message), retry_ms);
}

// Does a tenant who holds `own` of `used` pass its share of `bound`?
bool beyond_share(uint64_t own, uint64_t used, uint64_t bound, uint64_t greed) {
  const uint64_t free = bound > used ? bound - used : 0;
  return own > 0 && own >= greed * free;
}

}  // namespace

Admission::Account& Admission::account(const std::string& tenant) {
  if (const auto found = accounts_.find(tenant); found != accounts_.end()) return *found->second;
  if (accounts_.size() >= accounts_max) {
    std::erase_if(accounts_, [](const auto& entry) {
      const Account& a = *entry.second;
      return a.in_flight_requests == 0 && a.journal_bytes == 0;
    });
  }
  const std::string& name = accounts_.size() >= accounts_max ? shared_account : tenant;
  auto& slot = accounts_[name];
  if (!slot) slot = std::make_unique<Account>();
  return *slot;
}

Status Admission::check_in_flight(const Account& account, const Ask& ask, std::string_view& reason) const {
  if (in_flight_requests_ >= bounds_.in_flight_requests)
    return refuse(refused().in_flight_requests, reason, Code::resource_exhausted,
                  "too many requests wait for the disk (ingest.in_flight_requests_max)", retry_soon_ms);
  // One request may always come in, whatever its size: the bodies' bound has let it pass.
  if (in_flight_requests_ > 0 && in_flight_bytes_ + ask.memory_bytes > bounds_.in_flight_bytes)
    return refuse(refused().in_flight_bytes, reason, Code::resource_exhausted,
                  "too many bytes wait for the disk (ingest.in_flight_max)", retry_soon_ms);
  if (ask.own_in_flight_max > 0 && account.in_flight_requests > 0 &&
      account.in_flight_bytes + ask.memory_bytes > ask.own_in_flight_max)
    return refuse(
        refused().own, reason, Code::resource_exhausted,
        fmt::format("more than {} bytes of this tenant wait for the disk (limits.in_flight)", ask.own_in_flight_max),
        retry_soon_ms);
  if (beyond_share(account.in_flight_bytes, in_flight_bytes_, bounds_.in_flight_bytes, in_flight_greed) ||
      beyond_share(account.in_flight_requests, in_flight_requests_, bounds_.in_flight_requests, in_flight_greed))
    return refuse(refused().fair, reason, Code::resource_exhausted,
                  "this tenant uses its share of what may wait for the disk (ingest.in_flight_max)", retry_soon_ms);
  return {};
}

Status Admission::check_journal(const Account& account, const Ask& ask, uint64_t journal_used,
                                std::string_view& reason) const {
  if (journal_used + ask.body_bytes > bounds_.journal_bytes)
    return refuse(refused().journal, reason, Code::unavailable,
                  "the journal is full: the engine is behind or down (journal.max_bytes)", retry_later_ms);
  if (beyond_share(account.journal_bytes, journal_used, bounds_.journal_bytes, journal_greed))
    return refuse(refused().fair, reason, Code::unavailable,
                  "this tenant uses its share of the journal: the engine is behind or down (journal.max_bytes)",
                  retry_later_ms);
  return {};
}

Status Admission::enter(Account& account, const Ask& ask, uint64_t journal_used, std::string_view& reason) {
  HS_TRY(check_in_flight(account, ask, reason));
  // What is in flight will be in the journal.
  HS_TRY(check_journal(account, ask, journal_used + in_flight_body_bytes_, reason));
  account.in_flight_bytes += ask.memory_bytes;
  ++account.in_flight_requests;
  in_flight_bytes_ += ask.memory_bytes;
  in_flight_body_bytes_ += ask.body_bytes;
  ++in_flight_requests_;
  return {};
}

void Admission::leave(Account& account, const Ask& ask) {
  HS_ASSERT(account.in_flight_requests > 0 && in_flight_bytes_ >= ask.memory_bytes, "left without having entered");
  account.in_flight_bytes -= ask.memory_bytes;
  --account.in_flight_requests;
  in_flight_bytes_ -= ask.memory_bytes;
  in_flight_body_bytes_ -= ask.body_bytes;
  --in_flight_requests_;
}

void Admission::hold(Account& account, uint64_t journal_bytes) { account.journal_bytes += journal_bytes; }

void Admission::release(Account& account, uint64_t journal_bytes) {
  HS_ASSERT(account.journal_bytes >= journal_bytes, "released more than was held");
  account.journal_bytes -= journal_bytes;
}

}  // namespace hs::ingest
