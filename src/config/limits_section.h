#pragma once
// The section limits.tenants: limits of one tenant instead of those of all (settings limits.*).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace YAML {
class Node;
}

namespace hs::config {

struct TenantLimits {  // what is not set is as for all
  std::string tenant;  // as in X-Scope-OrgID; "": senders without one
  std::optional<int64_t> bytes_per_s, items_per_s, in_flight, active_series, series_per_metric;
  std::optional<int64_t> attributes, key_bytes, value_bytes, name_bytes, nesting;
};

inline constexpr std::string_view limits_section = "limits.tenants";
Status read_tenant_limits(const YAML::Node& list, std::vector<TenantLimits>& out);
Status check_tenant_limits(const std::vector<TenantLimits>& limits);
std::string tenant_limits_reference();  // a Markdown table

}  // namespace hs::config
