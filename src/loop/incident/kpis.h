#pragma once
// The incident times: to detect, to repair, to restore service, between failures; per service and kind, injected and
// natural apart. What each means stands in the answer (DESIGN, law 6).

#include <deque>

#include <nlohmann/json_fwd.hpp>

#include "base/metrics.h"
#include "loop/incident/understanding.h"
#include "loop/types.h"

namespace hs::loop {

nlohmann::json kpis(const std::deque<Incident>& incidents, const std::deque<InjectedFault>& faults, UnixNanos now);
// The medians, numbers and open incidents, for /metrics.
void kpi_samples(const std::deque<Incident>& incidents, const std::deque<InjectedFault>& faults, UnixNanos now,
                 std::vector<metrics::Sample>& out);

}  // namespace hs::loop
