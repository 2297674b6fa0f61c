#include "limits/gate.h"

#include <fmt/format.h>

namespace hs::limits {
namespace {

constexpr size_t tenants_counted_max = 100;             // series on /metrics; anybody can make up a tenant's name
constexpr std::string_view other_tenants = "(others)";  // no tenant's name

}  // namespace

Gate::Gate(io::Clock& clock, Policy policy)
    : clock_(clock), policy_(std::make_shared<const Policy>(std::move(policy))) {}

void Gate::set_policy(Policy policy) {
  auto next = std::make_shared<const Policy>(std::move(policy));
  const std::lock_guard lock(mutex_);
  policy_ = std::move(next);
}

std::shared_ptr<const Policy> Gate::policy() const {
  const std::lock_guard lock(mutex_);
  return policy_;
}

Status Gate::enter(const ingest::Incoming& incoming) {
  Rates::Refusal refusal;
  {
    const std::lock_guard lock(mutex_);
    refusal = rates_.check(incoming.tenant, *policy_, clock_.mono());
  }
  if (refusal.reason.empty()) return {};
  count_refusal(incoming.tenant, refusal.reason);
  return tl::unexpected(std::move(refusal.error));
}

void Gate::settle(const ingest::Incoming& incoming, const model::Batch& batch) {
  const std::lock_guard lock(mutex_);
  rates_.charge(incoming.tenant, *policy_, batch.body_bytes, batch.size(), clock_.mono());
}

uint64_t Gate::in_flight_bytes_max(std::string_view tenant) const { return policy()->of(tenant).in_flight_bytes; }

void Gate::count_refusal(const std::string& tenant, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  const bool named = refused_requests_.contains(tenant) || refused_requests_.size() < tenants_counted_max;
  Reasons& reasons = refused_requests_[named ? tenant : std::string(other_tenants)];
  ++reasons[std::string(reason)];
}

void Gate::collect(std::vector<metrics::Sample>& out) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [tenant, reasons] : refused_requests_)
    for (const auto& [reason, count] : reasons)
      out.push_back({"homeostat_limits_refused_requests_total",
                     "Requests refused, to be sent again, by tenant and by the limit that was met.", "counter",
                     fmt::format(R"(tenant="{}",reason="{}")", metrics::escape_label(tenant), reason),
                     static_cast<double>(count)});
}

}  // namespace hs::limits
