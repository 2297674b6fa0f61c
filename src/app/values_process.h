#pragma once
// `homeostat values`: the command, and how `serve` makes sure that one runs. It outlives `serve`: promoted values must
// stay served when `serve` is stopped, killed or upgraded (DESIGN, law 5).

#include <string>

#include "app/commands.h"

namespace hs::app {

// Serves until SIGTERM or SIGINT.
int values(const Common& common);

// Nothing when a values process of this data directory serves `address`; otherwise starts one with the configuration of
// `common` (detached, in a session of its own, output to <data>/values.log), in place of one that serves another
// address.
Status ensure_values(const Common& common, const std::string& data, const std::string& address);

}  // namespace hs::app
