#pragma once
// `homeostat values`: the command, and how `serve` makes sure that one runs. It outlives `serve`: promoted values must
// stay served when `serve` is stopped, killed or upgraded (DESIGN, law 5).

#include <stop_token>
#include <string>

#include "app/commands.h"

namespace hs::app {

// Serves until SIGTERM or SIGINT.
int values(const Common& common);

// Nothing when a values process of this data directory serves `address`; otherwise starts one with the configuration of
// `common` (detached, in a session of its own, output to <data>/values.log), in place of one that serves another
// address. `stop` ends the waiting for it: unavailable.
Status ensure_values(const Common& common, const std::string& data, const std::string& address,
                     const std::stop_token& stop = {});

// Whether `values` may listen where these settings say.
Status check_values(const config::Settings& settings);

// Has the running one, if any, read its configuration again: who may ask, under which names of hosts. By SIGHUP.
void reload_values(const std::string& data);

// Ends the process that holds the lock of `data` but does not answer (stopped, or stuck): SIGKILL, for it would not
// read a kinder word. Its clients get a refused connection, and so their code defaults at once, instead of a silent
// one.
Status end_stuck_values(const std::string& data);

}  // namespace hs::app
