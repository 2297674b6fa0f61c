#include "limits/rates.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace hs::limits {
namespace {

constexpr size_t accounts_max = 4096;         // of tenants at a time; more share one
constexpr const char* shared_account = "\n";  // no tenant's name
constexpr MonoNanos active_for = 10 * nanos_per_s;
constexpr MonoNanos count_every = nanos_per_s;
constexpr int64_t wait_max_ms = 60'000;  // a sender that is told to wait longer gives up, or forgets

struct Unit {
  std::string_view noun, key, total_key, reason, total_reason;
};
constexpr std::array<Unit, 2> names = {
    {{"bytes", "limits.bytes_per_s", "limits.total_bytes_per_s", "bytes_per_s", "total_bytes_per_s"},
     {"items", "limits.items_per_s", "limits.total_items_per_s", "items_per_s", "total_items_per_s"}}};

std::array<double, 2> rates_of(const Limits& limits) {
  return {static_cast<double>(limits.bytes_per_s), static_cast<double>(limits.items_per_s)};
}
std::array<double, 2> totals_of(const Policy& policy) {
  return {static_cast<double>(policy.total_bytes_per_s), static_cast<double>(policy.total_items_per_s)};
}

std::string who(const std::string& tenant) {
  return tenant.empty() ? "the tenant without a name" : fmt::format("tenant '{}'", tenant);
}

}  // namespace

void Bucket::fill(double rate, double burst_s, MonoNanos now) {
  const double full = rate * burst_s;
  if (rate <= 0)
    tokens_ = 0;
  else if (!used_)
    tokens_ = full;
  else
    tokens_ = std::min(full, tokens_ + rate * static_cast<double>(now - at_) * 1e-9);
  used_ = rate > 0;
  at_ = now;
}

int64_t Bucket::wait_ms(double rate) const {
  return std::clamp<int64_t>(static_cast<int64_t>(std::ceil(-tokens_ / rate * 1000)), 1, wait_max_ms);
}

Rates::Account& Rates::account(const std::string& tenant, MonoNanos now) {
  auto found = accounts_.find(tenant);
  if (found == accounts_.end()) {
    if (accounts_.size() >= accounts_max)
      std::erase_if(accounts_, [&](const auto& entry) { return now - entry.second->seen_at > active_for; });
    found = accounts_.try_emplace(accounts_.size() >= accounts_max ? shared_account : tenant).first;
    if (!found->second) found->second = std::make_unique<Account>();
    ++active_;  // until it is counted again
  }
  found->second->seen_at = now;
  return *found->second;
}

void Rates::count_active(MonoNanos now) {
  if (counted_at_ != 0 && now - counted_at_ < count_every) return;
  counted_at_ = now;
  const auto is_active = [&](const auto& entry) { return now - entry.second->seen_at <= active_for; };
  active_ = static_cast<double>(std::max<int64_t>(1, std::count_if(accounts_.begin(), accounts_.end(), is_active)));
}

Rates::Account& Rates::filled(const std::string& tenant, const Policy& policy, MonoNanos now) {
  Account& a = account(tenant, now);
  count_active(now);
  const double burst_s = static_cast<double>(policy.burst_ms) / 1e3;
  const auto own = rates_of(policy.of(tenant)), totals = totals_of(policy);
  for (size_t u = 0; u < units; ++u) {
    a.own[u].fill(own[u], burst_s, now);
    a.share[u].fill(totals[u] / active_, burst_s, now);
    total_[u].fill(totals[u], burst_s, now);
  }
  return a;
}

Rates::Refusal Rates::check(const std::string& tenant, const Policy& policy, MonoNanos now) {
  const Account& a = filled(tenant, policy, now);
  const auto own = rates_of(policy.of(tenant)), totals = totals_of(policy);
  for (size_t u = 0; u < units; ++u) {
    if (a.own[u].in_debt())
      return {names[u].reason,
              {Code::resource_exhausted,
               fmt::format("{} sends more than {} {} a second ({})", who(tenant), own[u], names[u].noun, names[u].key),
               a.own[u].wait_ms(own[u])}};
    if (total_[u].in_debt() && a.share[u].in_debt())
      return {names[u].total_reason,
              {Code::resource_exhausted,
               fmt::format("all tenants send more than {} {} a second ({}), and {} more than its share of {:.0f}",
                           totals[u], names[u].noun, names[u].total_key, who(tenant), totals[u] / active_),
               a.share[u].wait_ms(totals[u] / active_)}};
  }
  return {};
}

void Rates::charge(const std::string& tenant, const Policy& policy, uint64_t bytes, uint64_t items, MonoNanos now) {
  Account& a = filled(tenant, policy, now);
  const std::array<double, units> amounts = {static_cast<double>(bytes), static_cast<double>(items)};
  for (size_t u = 0; u < units; ++u) {
    a.own[u].charge(amounts[u]);
    a.share[u].charge(amounts[u]);
    total_[u].charge(amounts[u]);
  }
}

}  // namespace hs::limits
