#pragma once
// /v1/knobs: what is declared, and what is in force.

#include <span>
#include <string>

#include "base/time.h"
#include "config/declarations.h"
#include "values/state.h"

namespace hs::api::loop {

// {"revision": n, "knobs": [{"key", "type", "scope", "effect", "applies", "services", "description", "base", "value":
// settled,
//   "revision", "variants" or "min"/"max"/"step" where declared, "promoted": {value, revision, change, at} or null,
//   "candidate": {value, revision, change, exposure, service, lease_left_ms, at} or null (an expired one is null)}]}
std::string knobs_json(const values::State& state, std::span<const config::Knob> declared, MonoNanos now,
                       std::string_view boot_id);

}  // namespace hs::api::loop
