#pragma once
// target_info: one series for each resource that sent OpenTelemetry metrics, with those of its attributes that are no
// labels of every series. Internal to promql/store.

#include "promql/store/points.h"

namespace hs::promql::store {

inline constexpr std::string_view target_info_name = "target_info";

struct TargetInfo {
  uint64_t resource_id = 0;
  Labels labels;
};

// Resources without job and instance, or without anything else to tell, have none.
Result<std::vector<TargetInfo>> target_infos(const Reader& reader, const Naming& naming, const Window& window);

// Its value is 1 whenever the resource sent a point, at most once a minute.
Status read_target_info(const Reader& reader, const Naming& naming, const Select& select, Gathering& into);

}  // namespace hs::promql::store
