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

namespace hs::ingest {

// Not thread-safe: Ingest's lock guards it.
class Admission {
 public:
  struct Bounds {
    uint64_t in_flight_bytes = 0, in_flight_requests = 0;
    uint64_t journal_bytes = 0;
  };
  struct Account {  // what one tenant holds
    uint64_t in_flight_bytes = 0, in_flight_requests = 0;
    uint64_t journal_bytes = 0;  // accepted and not yet in the engine
  };
  struct Ask {
    uint64_t memory_bytes = 0, body_bytes = 0;
    uint64_t own_in_flight_max = 0;  // bytes that this tenant may have in flight; 0: its share
  };

  explicit Admission(Bounds bounds) : bounds_(bounds) {}

  // The account of a tenant; never invalid while it holds something.
  Account& account(const std::string& tenant);

  // Takes room in flight, or says which bound was met, and its name in `reason`. `journal_used` is what is on disk.
  Status enter(Account& account, const Ask& ask, uint64_t journal_used, std::string_view& reason);
  void leave(Account& account, const Ask& ask);
  // Of the journal: from durable to delivered.
  void hold(Account& account, uint64_t journal_bytes);
  void release(Account& account, uint64_t journal_bytes);

  uint64_t in_flight_bytes() const { return in_flight_bytes_; }
  uint64_t in_flight_requests() const { return in_flight_requests_; }

 private:
  Status check_in_flight(const Account& account, const Ask& ask, std::string_view& reason) const;
  Status check_journal(const Account& account, const Ask& ask, uint64_t journal_used, std::string_view& reason) const;

  const Bounds bounds_;
  uint64_t in_flight_bytes_ = 0, in_flight_body_bytes_ = 0, in_flight_requests_ = 0;
  std::unordered_map<std::string, std::unique_ptr<Account>> accounts_;
};

}  // namespace hs::ingest
