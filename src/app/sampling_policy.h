#pragma once
// Tail sampling's policy from the settings.

#include "base/error.h"
#include "config/settings.h"
#include "sampling/policy.h"

namespace hs::app {

// invalid_argument: a budget that cannot be read.
Result<sampling::Policy> sampling_policy(const config::Settings& settings);

}  // namespace hs::app
