#pragma once
// Who may come in: bounds on what is in flight and in the journal, shared fairly between tenants.
//
// Fairness is by dynamic thresholds (Choudhury and Hahne 1998): a tenant may hold a multiple of the room that is still
// free, so however greedy some are, a share stays free for one who comes later.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/time.h"

namespace hs::ingest {

// Not thread-safe: Ingest's lock guards it.
class Admission {
 public:
  struct Bounds {
    uint64_t in_flight_bytes = 0, in_flight_requests = 0;
    uint64_t journal_bytes = 0;
    uint64_t tenant_bytes_per_s = 0;  // 0: none
  };
  struct Account {  // what one tenant holds
    uint64_t in_flight_bytes = 0, in_flight_requests = 0;
    uint64_t journal_bytes = 0;  // accepted and not yet in the engine
    double rate_tokens = 0;
    MonoNanos rate_at = 0;
  };
  struct Ask {
    uint64_t memory_bytes = 0, body_bytes = 0;
  };

  explicit Admission(Bounds bounds) : bounds_(bounds) {}

  // The account of a tenant; never invalid while it holds something.
  Account& account(const std::string& tenant);

  // Takes room in flight, or says which bound was met. `journal_used` is what is on disk.
  Status enter(Account& account, const Ask& ask, uint64_t journal_used, MonoNanos now);
  void leave(Account& account, const Ask& ask);
  // Of the journal: from durable to delivered.
  void hold(Account& account, uint64_t journal_bytes);
  void release(Account& account, uint64_t journal_bytes);

  uint64_t in_flight_bytes() const { return in_flight_bytes_; }
  uint64_t in_flight_requests() const { return in_flight_requests_; }

 private:
  Status check_rate(Account& account, uint64_t bytes, MonoNanos now);
  Status check_room(const Account& account, const Ask& ask, uint64_t journal_used) const;

  const Bounds bounds_;
  uint64_t in_flight_bytes_ = 0, in_flight_body_bytes_ = 0, in_flight_requests_ = 0;
  std::unordered_map<std::string, std::unique_ptr<Account>> accounts_;
};

}  // namespace hs::ingest
