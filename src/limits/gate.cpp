#include "limits/gate.h"

#include <algorithm>

#include <fmt/format.h>

#include "model/rows.h"
#include "store/block.h"

namespace hs::limits {
namespace {

constexpr size_t tenants_counted_max = 100;             // series on /metrics; anybody can make up a tenant's name
constexpr std::string_view other_tenants = "(others)";  // no tenant's name

std::string why_of(const ActiveSeries::Refused& refused, const std::string& tenant, const Policy& policy) {
  const Limits& limits = policy.of(tenant);
  const auto text = [&](size_t reason) {
    const std::string& first = refused.first[reason];
    if (reason == 0)
      return fmt::format(
          "tenant '{}' has {} active series, as many as it may (limits.active_series); the first is of '{}'", tenant,
          limits.active_series, first);
    if (reason == 1)
      return fmt::format("metric '{}' has {} active series, as many as one may (limits.series_per_metric)", first,
                         limits.series_per_metric);
    return fmt::format(
        "all tenants have {} active series, as many as they may (limits.total_active_series); the first "
        "is of '{}'",
        policy.total_active_series, first);
  };
  std::string out;
  for (size_t r = 0; r < ActiveSeries::Refused::reasons; ++r)
    if (refused.points[r] > 0)
      out += fmt::format("{}{} data points of new series rejected: {}", out.empty() ? "" : "; ", refused.points[r],
                         text(r));
  return out;
}

}  // namespace

Gate::Gate(io::Clock& clock, Policy policy, std::function<bool(std::string_view)> exempt)
    : clock_(clock), exempt_(std::move(exempt)), policy_(std::make_shared<const Policy>(std::move(policy))) {}

void Gate::set_policy(Policy policy) {
  auto next = std::make_shared<const Policy>(std::move(policy));
  const std::lock_guard lock(mutex_);
  policy_ = std::move(next);
}

std::shared_ptr<const Policy> Gate::policy() const {
  const std::lock_guard lock(mutex_);
  return policy_;
}

Status Gate::enter(ingest::Incoming& incoming) {
  Rates::Refusal refusal;
  {
    const std::lock_guard lock(mutex_);
    incoming.item_limits = policy_->of(incoming.tenant).items;
    refusal = rates_.check(incoming.tenant, *policy_, clock_.mono());
  }
  if (refusal.reason.empty()) return {};
  count_refusal(incoming.tenant, refusal.reason);
  return tl::unexpected(std::move(refusal.error));
}

void Gate::settle(ingest::Incoming& incoming, model::Batch& batch) {
  const bool exempt = exempt_ && exempt_(incoming.credential);
  if (!exempt) {
    const std::lock_guard lock(mutex_);
    rates_.charge(incoming.tenant, *policy_, batch.body_bytes, batch.size(), clock_.mono());
  }
  if (batch.points.size() > 0) settle_series(incoming, batch, exempt);
}

void Gate::settle_series(ingest::Incoming& incoming, model::Batch& batch, bool exempt) {
  batch.points.series_id = store::series_ids(incoming.tenant, batch);
  const auto policy = this->policy();
  ActiveSeries::Refused refused;
  {
    const std::lock_guard lock(series_mutex_);
    refused = series_.admit(incoming.tenant, batch, batch.points.series_id, *policy, minute(), exempt);
  }
  if (refused.rows.empty()) return;
  model::remove_points(batch.points, refused.rows);
  batch.rejected += refused.count();
  const std::string why = why_of(refused, incoming.tenant, *policy);
  batch.rejected_why += (batch.rejected_why.empty() ? "" : "; ") + why;
  incoming.refused = std::move(refused.rows);
  const std::lock_guard lock(mutex_);
  for (size_t r = 0; r < ActiveSeries::Refused::reasons; ++r)
    if (refused.points[r] > 0)
      count(refused_points_, incoming.tenant, ActiveSeries::Refused::names[r], refused.points[r]);
}

CensusPage Gate::census(std::string_view tenant, const CensusAsk& ask) const {
  const auto policy = this->policy();
  const std::lock_guard lock(series_mutex_);
  return series_.page(tenant, *policy, ask, minute());
}

uint64_t Gate::in_flight_bytes_max(std::string_view tenant) const { return policy()->of(tenant).in_flight_bytes; }

void Gate::count(Counts& counts, const std::string& tenant, std::string_view reason, uint64_t n) {
  const bool named = counts.contains(tenant) || counts.size() < tenants_counted_max;
  counts[named ? tenant : std::string(other_tenants)][std::string(reason)] += n;
}

void Gate::count_refusal(const std::string& tenant, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  count(refused_requests_, tenant, reason, 1);
}

void Gate::collect(std::vector<metrics::Sample>& out) const {
  const auto add = [&](const Counts& counts, const char* name, const char* help) {
    for (const auto& [tenant, reasons] : counts)
      for (const auto& [reason, n] : reasons)
        out.push_back({name, help, "counter",
                       fmt::format(R"(tenant="{}",reason="{}")", metrics::escape_label(tenant), reason),
                       static_cast<double>(n)});
  };
  {
    const std::lock_guard lock(mutex_);
    add(refused_requests_, "homeostat_limits_refused_requests_total",
        "Requests refused, to be sent again, by tenant and by the limit that was met.");
    add(refused_points_, "homeostat_limits_refused_points_total",
        "Points refused for good, because their series found no room, by tenant and limit.");
  }
  std::vector<std::pair<std::string, uint64_t>> active;
  {
    const std::lock_guard lock(series_mutex_);
    active = series_.counts();
  }
  std::sort(active.begin(), active.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (active.size() > tenants_counted_max) active.resize(tenants_counted_max);  // those with the most
  for (const auto& [tenant, n] : active)
    out.push_back({"homeostat_active_series", "Series with points within limits.active_for, by tenant.", "gauge",
                   fmt::format(R"(tenant="{}")", metrics::escape_label(tenant)), static_cast<double>(n)});
}

}  // namespace hs::limits
