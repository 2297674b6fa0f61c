#pragma once
// What a tenant may send. Values of the settings `limits.*` and of the section `limits.tenants`.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "ingest/incoming.h"

namespace hs::limits {

struct Limits {              // of one tenant; 0: no limit
  uint64_t bytes_per_s = 0;  // of requests, after decompression
  uint64_t items_per_s = 0;  // spans, log records, points
  uint64_t in_flight_bytes = 0;
  ingest::ItemLimits items;
  uint64_t active_series = 0, series_per_metric = 0;
};

struct Policy {
  Limits each;  // of a tenant that `tenants` does not name
  std::map<std::string, Limits, std::less<>> tenants;
  uint64_t total_bytes_per_s = 0, total_items_per_s = 0;  // of all tenants together
  uint64_t total_active_series = 0;
  int64_t active_for_ms = 3'600'000;  // a series without points for longer is active no more; minutes
  int64_t burst_ms = 2000;            // what may come at once after a pause: rate times this

  const Limits& of(std::string_view tenant) const {
    const auto found = tenants.find(tenant);
    return found == tenants.end() ? each : found->second;
  }
};

}  // namespace hs::limits
