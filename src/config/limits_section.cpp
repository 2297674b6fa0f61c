#include "config/limits_section.h"

#include "base/assert.h"
#include "config/fields.h"
#include "config/settings.h"

namespace hs::config {
namespace {

using namespace fields;

using LimitMember = std::optional<int64_t> TenantLimits::*;

// Within the range of the setting that it stands in for: limits.<name>.
auto limit(std::string_view name, LimitMember member, Result<int64_t> (*parse)(std::string_view)) {
  const Setting* setting = find_setting(fmt::format("limits.{}", name));
  HS_ASSERT(setting != nullptr, name);
  return [=](TenantLimits& out, const YAML::Node& node) -> Status {
    HS_ASSIGN(const std::string written, text_of(node));
    HS_ASSIGN(const int64_t value, parse(written));
    if (static_cast<double>(value) > setting->max)
      return fail(Code::invalid_argument, fmt::format("{} is more than {}", written, setting->max));
    out.*member = value;
    return {};
  };
}

// A bare number, as of a setting of type integer.
Result<int64_t> parse_count(std::string_view written) {
  int64_t value = 0;
  if (YAML::convert<int64_t>::decode(YAML::Node(std::string(written)), value) && value >= 0) return value;
  return fail(Code::invalid_argument, "takes a whole number, not negative");
}

const std::vector<Field<TenantLimits>>& tenant_limit_fields() {
  static const std::vector<Field<TenantLimits>> fields = {
      {"tenant", "text", true, "as X-Scope-OrgID names it; empty: senders without one", text(&TenantLimits::tenant)},
      {"bytes_per_s", "bytes", false, "instead of limits.bytes_per_s; 0: no limit",
       limit("bytes_per_s", &TenantLimits::bytes_per_s, parse_bytes)},
      {"items_per_s", "integer", false, "instead of limits.items_per_s; 0: no limit",
       limit("items_per_s", &TenantLimits::items_per_s, parse_count)},
      {"in_flight", "bytes", false, "instead of limits.in_flight",
       limit("in_flight", &TenantLimits::in_flight, parse_bytes)},
      {"active_series", "integer", false, "instead of limits.active_series; 0: no limit",
       limit("active_series", &TenantLimits::active_series, parse_count)},
      {"series_per_metric", "integer", false, "instead of limits.series_per_metric; 0: no limit",
       limit("series_per_metric", &TenantLimits::series_per_metric, parse_count)},
      {"attributes", "integer", false, "instead of limits.attributes",
       limit("attributes", &TenantLimits::attributes, parse_count)},
      {"key_bytes", "bytes", false, "instead of limits.key_bytes",
       limit("key_bytes", &TenantLimits::key_bytes, parse_bytes)},
      {"value_bytes", "bytes", false, "instead of limits.value_bytes",
       limit("value_bytes", &TenantLimits::value_bytes, parse_bytes)},
      {"name_bytes", "bytes", false, "instead of limits.name_bytes",
       limit("name_bytes", &TenantLimits::name_bytes, parse_bytes)},
      {"nesting", "integer", false, "instead of limits.nesting", limit("nesting", &TenantLimits::nesting, parse_count)},
  };
  return fields;
}

}  // namespace

Status read_tenant_limits(const YAML::Node& list, std::vector<TenantLimits>& out) {
  return read_list(limits_section, tenant_limit_fields(), list, out);
}

Status check_tenant_limits(const std::vector<TenantLimits>& limits) {
  return check_unique(limits_section, limits, [](const TenantLimits& t) { return t.tenant; });
}

std::string tenant_limits_reference() { return reference(limits_section, tenant_limit_fields()); }

}  // namespace hs::config
