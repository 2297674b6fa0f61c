#pragma once
// GET /v1/cardinality: what the active series are of, from memory. docs/api/telemetry.md describes it for users.

#include <functional>
#include <string_view>

#include "base/http_message.h"
#include "limits/series.h"

namespace hs::api::telemetry {

// `census` (limits::Gate::census) is called on the listener's thread.
http::Route cardinality_route(
    std::function<limits::CensusPage(std::string_view tenant, const limits::CensusAsk& ask)> census);

}  // namespace hs::api::telemetry
