#pragma once
// How many spans of each service may be stored: a bucket of tokens for each, one a span. What does not fit is thinned
// out evenly, so that what is left can be weighed: first the rest, then what would have been kept for a reason.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "base/time.h"
#include "sampling/policy.h"

namespace hs::sampling {

class Budgets {
 public:
  static constexpr size_t services_max = 10'000;  // beyond it services share one budget: names come from outside
  static constexpr int64_t burst_s = 10;          // what a pause saves up

  void set(const Policy& policy);
  bool any() const { return spans_per_s_ > 0 || !services_.empty(); }
  // The bucket of a service, by which everything below names it.
  uint64_t id_of(std::string_view tenant, std::string_view service);

  // One decision: offer() everything, then plan() once, then ask for probabilities, and charge() what is kept.
  void begin(UnixNanos now);
  void offer(uint64_t id, bool wanted, uint64_t spans);
  void plan(double share);
  // wanted: kept for a reason; else for its share.
  double probability(uint64_t id, bool wanted) const;
  void charge(uint64_t id, uint64_t spans);

 private:
  struct Bucket {
    double rate = 0, tokens = 0;
    double wanted = 0, rest = 0;  // offered in this decision
    double keep_wanted = 1, keep_rest = 1;
  };
  double rate_of(std::string_view service) const;

  double spans_per_s_ = 0;
  std::map<std::string, double, std::less<>> services_;
  std::unordered_map<uint64_t, Bucket> buckets_;
  UnixNanos at_ = 0;
};

}  // namespace hs::sampling
