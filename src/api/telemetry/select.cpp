#include "api/telemetry/select.h"

#include <algorithm>

#include "store/params.h"

namespace hs::api::telemetry {
namespace {

constexpr int64_t timeout_ms = 20'000;               // a person waits; dashboards give up after 30 s
constexpr uint64_t memory_bytes_max = 512ULL << 20;  // of the engine, for one query

}  // namespace

Select& Select::bind_raw(Literal name, std::string value) {
  const auto same = [&](const auto& param) { return param.first == name.text; };
  if (std::none_of(params_.begin(), params_.end(), same)) params_.emplace_back(name.text, std::move(value));
  return *this;
}

Select& Select::bind(Literal name, std::string_view value) { return bind_raw(name, store::param_text(value)); }

Select& Select::bind(Literal name, std::span<const std::string> values) {
  return bind_raw(name, store::param_list(values));
}

Select& Select::bind(Literal name, std::span<const uint64_t> values) {
  return bind_raw(name, store::param_list(values));
}

Select& Select::within(UnixNanos start, UnixNanos end) {
  add(" tenant = {tenant:String} AND ts >= fromUnixTimestamp64Nano({start:Int64}, 'UTC')"
      " AND ts <= fromUnixTimestamp64Nano({end:Int64}, 'UTC')");
  return bind("start", start).bind("end", end);
}

Select& Select::match_attributes(const Matches& matches) {
  if (matches.keys.empty()) return *this;
  // hasAll is what the index over the values understands; which key each belongs to is looked at afterwards.
  add(" AND hasAll(mapValues(attrs), {attr_values:Array(String)})"
      " AND arrayAll((k, v) -> mapContains(attrs, k) AND attrs[k] = v, {attr_keys:Array(String)},"
      " {attr_values:Array(String)})");
  return bind("attr_keys", matches.keys).bind("attr_values", matches.values);
}

Select& Select::match_resource(const Matches& matches) {
  if (matches.keys.empty()) return *this;
  add(" AND resource_id IN (SELECT resource_id FROM resources WHERE tenant = {tenant:String}"
      " AND arrayAll((k, v) -> mapContains(attrs, k) AND attrs[k] = v, {resource_keys:Array(String)},"
      " {resource_values:Array(String)}))");
  return bind("resource_keys", matches.keys).bind("resource_values", matches.values);
}

store::Query Select::query(std::stop_token gone) const {
  return {.sql = sql_,
          .params = params_,
          .timeout_ms = timeout_ms,
          .memory_bytes_max = memory_bytes_max,
          .cancel = std::move(gone)};
}

}  // namespace hs::api::telemetry
