#pragma once
// How fast each tenant, and all of them, may send.
//
// A request is refused before it is decoded, while its tenant is in debt, and charged after: only then is it known how
// much it holds. So a rate holds in the long run, one request may pass whatever its size, and who sends too much costs
// no decoding. While all tenants together are too fast, each may go on with an equal share of the whole rate: one noisy
// tenant does not starve the others.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/error.h"
#include "base/time.h"
#include "limits/limits.h"

namespace hs::limits {

// May be in debt; is full at its first use.
class Bucket {
 public:
  // Lets `rate` a second flow in, up to what `burst_s` seconds bring. 0: no limit.
  void fill(double rate, double burst_s, MonoNanos now);
  void charge(double amount) { tokens_ -= amount; }
  bool in_debt() const { return tokens_ < 0; }
  int64_t wait_ms(double rate) const;  // until the debt is paid

 private:
  double tokens_ = 0;
  MonoNanos at_ = 0;
  bool used_ = false;
};

// Not thread-safe: the gate's lock guards it.
class Rates {
 public:
  struct Refusal {
    std::string_view reason;  // "" when there is none
    Error error;
  };
  // May this tenant send now?
  Refusal check(const std::string& tenant, const Policy& policy, MonoNanos now);
  // What it sent.
  void charge(const std::string& tenant, const Policy& policy, uint64_t bytes, uint64_t items, MonoNanos now);

 private:
  static constexpr size_t units = 2;  // bytes, items
  struct Account {
    std::array<Bucket, units> own, share;
    MonoNanos seen_at = 0;
  };
  Account& account(const std::string& tenant, MonoNanos now);
  Account& filled(const std::string& tenant, const Policy& policy, MonoNanos now);
  void count_active(MonoNanos now);

  std::unordered_map<std::string, std::unique_ptr<Account>> accounts_;
  std::array<Bucket, units> total_;
  double active_ = 0;  // tenants that sent lately
  MonoNanos counted_at_ = 0;
};

}  // namespace hs::limits
