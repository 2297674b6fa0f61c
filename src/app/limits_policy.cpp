#include "app/limits_policy.h"

namespace hs::app {
namespace {

template <class T>
void set(T& out, const std::optional<int64_t>& value) {
  if (value) out = static_cast<T>(*value);
}

}  // namespace

limits::Policy limits_policy(const config::Snapshot& config) {
  const config::Settings& s = config.settings;
  const auto bytes = [&](std::string_view name) { return static_cast<uint64_t>(s.bytes(name)); };
  const auto integer = [&](std::string_view name) { return static_cast<uint64_t>(s.integer(name)); };
  limits::Policy policy;
  policy.each = {.bytes_per_s = bytes("limits.bytes_per_s"),
                 .items_per_s = integer("limits.items_per_s"),
                 .in_flight_bytes = bytes("limits.in_flight"),
                 .items = {.attributes = static_cast<uint32_t>(integer("limits.attributes")),
                           .nesting = static_cast<uint32_t>(integer("limits.nesting")),
                           .key_bytes = static_cast<uint32_t>(bytes("limits.key_bytes")),
                           .value_bytes = static_cast<uint32_t>(bytes("limits.value_bytes")),
                           .name_bytes = static_cast<uint32_t>(bytes("limits.name_bytes"))},
                 .active_series = integer("limits.active_series"),
                 .series_per_metric = integer("limits.series_per_metric")};
  policy.total_active_series = integer("limits.total_active_series");
  policy.active_for_ms = s.ms("limits.active_for");
  policy.total_bytes_per_s = bytes("limits.total_bytes_per_s");
  policy.total_items_per_s = integer("limits.total_items_per_s");
  policy.burst_ms = s.ms("limits.burst");
  for (const config::TenantLimits& t : config.tenant_limits) {
    limits::Limits& limits = policy.tenants.try_emplace(t.tenant, policy.each).first->second;
    set(limits.bytes_per_s, t.bytes_per_s);
    set(limits.items_per_s, t.items_per_s);
    set(limits.in_flight_bytes, t.in_flight);
    set(limits.active_series, t.active_series);
    set(limits.series_per_metric, t.series_per_metric);
    set(limits.items.attributes, t.attributes);
    set(limits.items.nesting, t.nesting);
    set(limits.items.key_bytes, t.key_bytes);
    set(limits.items.value_bytes, t.value_bytes);
    set(limits.items.name_bytes, t.name_bytes);
  }
  return policy;
}

}  // namespace hs::app
