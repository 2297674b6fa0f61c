#include "sampling/budgets.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"

namespace hs::sampling {
namespace {

constexpr uint64_t shared = 0;  // the bucket of the services beyond services_max

// Steps of an eighth of an octave: few different thresholds, and none above what was asked for.
double stepped(double probability) {
  if (probability >= 1) return 1;
  if (probability <= 0) return 0;
  return std::exp2(std::floor(std::log2(probability) * 8) / 8);
}

}  // namespace

void Budgets::set(const Policy& policy) {
  if (spans_per_s_ == policy.spans_per_s && services_ == policy.services) return;
  spans_per_s_ = policy.spans_per_s;
  services_ = policy.services;
  buckets_.clear();
}

double Budgets::rate_of(std::string_view service) const {
  const auto own = services_.find(service);
  return own == services_.end() ? spans_per_s_ : own->second;
}

uint64_t Budgets::id_of(std::string_view tenant, std::string_view service) {
  const uint64_t id = hash64(service, hash64(tenant)) | 1;
  if (buckets_.contains(id)) return id;
  const bool room = buckets_.size() < services_max;
  const double rate = room ? rate_of(service) : spans_per_s_;
  buckets_.try_emplace(room ? id : shared, Bucket{.rate = rate, .tokens = rate});  // a second's worth to begin with
  return room ? id : shared;
}

void Budgets::begin(UnixNanos now) {
  const double elapsed_s = at_ == 0 ? 0 : static_cast<double>(std::max<int64_t>(now - at_, 0)) / 1e9;
  at_ = std::max(at_, now);
  for (auto& [id, bucket] : buckets_) {
    bucket.tokens = std::min(bucket.tokens + bucket.rate * elapsed_s, bucket.rate * burst_s);
    bucket.wanted = bucket.rest = 0;
  }
}

void Budgets::offer(uint64_t id, bool wanted, uint64_t spans) {
  Bucket& bucket = buckets_[id];
  (wanted ? bucket.wanted : bucket.rest) += static_cast<double>(spans);
}

void Budgets::plan(double share) {
  for (auto& [id, bucket] : buckets_) {
    bucket.keep_wanted = 1;
    bucket.keep_rest = share;
    if (bucket.rate <= 0) continue;  // no budget
    const double room = std::max(bucket.tokens, 0.0);
    if (bucket.wanted > room) bucket.keep_wanted = stepped(room / bucket.wanted);
    const double left = std::max(room - bucket.wanted, 0.0);
    if (bucket.rest * share > left) bucket.keep_rest = std::min(share, stepped(left / bucket.rest));
  }
}

double Budgets::probability(uint64_t id, bool wanted) const {
  const auto found = buckets_.find(id);
  if (found == buckets_.end()) return 1;
  return wanted ? found->second.keep_wanted : found->second.keep_rest;
}

void Budgets::charge(uint64_t id, uint64_t spans) {
  const auto found = buckets_.find(id);
  if (found != buckets_.end()) found->second.tokens -= static_cast<double>(spans);
}

}  // namespace hs::sampling
