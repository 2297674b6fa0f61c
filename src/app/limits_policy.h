#pragma once
// The limits of tenants, from the configuration.

#include "config/config.h"
#include "limits/limits.h"

namespace hs::app {

limits::Policy limits_policy(const config::Snapshot& config);

}  // namespace hs::app
