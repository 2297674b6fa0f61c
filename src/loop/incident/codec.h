#pragma once
// Incidents as JSON: for /v1, for the ledger and for the snapshot; one form for all three.

#include <nlohmann/json_fwd.hpp>

#include "loop/incident/understanding.h"
#include "loop/types.h"
#include "stream/frame.h"

namespace hs::loop {

nlohmann::json to_json(const Symptom& symptom);
nlohmann::json to_json(const Cause& cause);
nlohmann::json to_json(const Incident& incident);
nlohmann::json to_json(const InjectedFault& fault);
nlohmann::json to_json(const stream::RecentChange& change);
Incident incident_from(const nlohmann::json& from);
InjectedFault fault_from(const nlohmann::json& from);
stream::RecentChange recent_change_from(const nlohmann::json& from);
// The few fields that a list needs.
nlohmann::json summary(const Incident& incident);

}  // namespace hs::loop
