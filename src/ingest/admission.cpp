#include "ingest/admission.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/metrics.h"

namespace hs::ingest {
namespace {

// A tenant may hold this many times the room that is free. Alone it gets 2/3 of what is in flight, and 8/9 of the
// journal, which must carry a long outage of the engine.
constexpr uint64_t in_flight_greed = 2;
constexpr uint64_t journal_greed = 8;
constexpr double rate_burst_s = 2;            // exporters send in bursts
constexpr size_t accounts_max = 4096;         // of tenants at a time; more share one
constexpr const char* shared_account = "\n";  // no tenant's name
constexpr int64_t retry_soon_ms = 1000;       // what is in flight passes in milliseconds
constexpr int64_t retry_later_ms = 5000;      // the engine needs longer

struct Metrics {
  metrics::Counter in_flight_bytes{"homeostat_ingest_refused_total", "Requests refused, by the bound that was met.",
                                   R"(reason="in_flight_bytes")"};
  metrics::Counter in_flight_requests{"homeostat_ingest_refused_total", "Requests refused, by the bound that was met.",
                                      R"(reason="in_flight_requests")"};
  metrics::Counter journal{"homeostat_ingest_refused_total", "Requests refused, by the bound that was met.",
                           R"(reason="journal_full")"};
  metrics::Counter rate{"homeostat_ingest_refused_total", "Requests refused, by the bound that was met.",
                        R"(reason="tenant_rate")"};
  metrics::Counter fair{"homeostat_ingest_refused_total", "Requests refused, by the bound that was met.",
                        R"(reason="tenant_share")"};
};
Metrics& refused() {
  static Metrics instance;
  return instance;
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

Status Admission::check_rate(Account& account, uint64_t bytes, MonoNanos now) {
  if (bounds_.tenant_bytes_per_s == 0) return {};
  const auto rate = static_cast<double>(bounds_.tenant_bytes_per_s);
  const double passed_s = account.rate_at == 0 ? rate_burst_s : static_cast<double>(now - account.rate_at) * 1e-9;
  account.rate_tokens = std::min(rate * rate_burst_s, account.rate_tokens + passed_s * rate);
  account.rate_at = now;
  // A request larger than the burst may pass when the bucket is full: it puts the account into debt.
  const double needed = std::min(static_cast<double>(bytes), rate * rate_burst_s);
  if (account.rate_tokens >= needed) return {};
  refused().rate.add();
  const auto wait_ms = static_cast<int64_t>((needed - account.rate_tokens) / rate * 1000) + 1;
  return fail(
      Code::resource_exhausted,
      fmt::format("this tenant sends more than {} bytes a second (ingest.tenant_rate)", bounds_.tenant_bytes_per_s),
      wait_ms);
}

Status Admission::check_room(const Account& account, const Ask& ask, uint64_t journal_used) const {
  if (in_flight_requests_ >= bounds_.in_flight_requests) {
    refused().in_flight_requests.add();
    return fail(Code::resource_exhausted, "too many requests wait for the disk (ingest.in_flight_requests_max)",
                retry_soon_ms);
  }
  // One request may always come in, whatever its size: the bodies' bound has let it pass.
  if (in_flight_requests_ > 0 && in_flight_bytes_ + ask.memory_bytes > bounds_.in_flight_bytes) {
    refused().in_flight_bytes.add();
    return fail(Code::resource_exhausted, "too many bytes wait for the disk (ingest.in_flight_max)", retry_soon_ms);
  }
  if (beyond_share(account.in_flight_bytes, in_flight_bytes_, bounds_.in_flight_bytes, in_flight_greed) ||
      beyond_share(account.in_flight_requests, in_flight_requests_, bounds_.in_flight_requests, in_flight_greed)) {
    refused().fair.add();
    return fail(Code::resource_exhausted,
                "this tenant uses its share of what may wait for the disk "
                "(ingest.in_flight_max)",
                retry_soon_ms);
  }
  if (journal_used + ask.body_bytes > bounds_.journal_bytes) {
    refused().journal.add();
    return fail(Code::unavailable, "the journal is full: the engine is behind or down (journal.max_bytes)",
                retry_later_ms);
  }
  if (beyond_share(account.journal_bytes, journal_used, bounds_.journal_bytes, journal_greed)) {
    refused().fair.add();
    return fail(Code::unavailable,
                "this tenant uses its share of the journal: the engine is behind or down "
                "(journal.max_bytes)",
                retry_later_ms);
  }
  return {};
}

Status Admission::enter(Account& account, const Ask& ask, uint64_t journal_used, MonoNanos now) {
  // What is in flight will be in the journal.
  HS_TRY(check_room(account, ask, journal_used + in_flight_body_bytes_));
  HS_TRY(check_rate(account, ask.body_bytes, now));
  account.rate_tokens -= static_cast<double>(ask.body_bytes);
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
