#pragma once
// `homeostat chaos run|validate|faults|clear`: experiments and faults of a running Homeostat.

#include <CLI/CLI.hpp>

#include "app/commands.h"

namespace hs::app {

void add_chaos(CLI::App& app, Common& common, int& code);

}  // namespace hs::app
