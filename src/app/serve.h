#pragma once
// `homeostat serve`: all listeners but the knobs' values, the journal, the engine's keeper, and the loop.

#include "app/commands.h"

namespace hs::app {

// Runs until SIGTERM or SIGINT; SIGHUP reloads the configuration, whole or not at all.
int serve(const Common& common);

}  // namespace hs::app
