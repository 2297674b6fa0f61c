#pragma once
// `homeostat engine`: the storage engine as a process of its own, and how `serve` is told to start it.

#include <string>

#include "app/commands.h"

namespace hs::app {

// What stands beside the data: the engine's directory and socket, and the library.
std::string engine_directory(const std::string& data);
std::string engine_socket(const std::string& data);
std::string engine_library(const config::Settings& settings);

// Serves until SIGTERM. `child`: also until standard input ends or the parent dies. `listen`: a TCP address besides the
// socket; clients there give the data directory's token as their password.
int engine(const Common& common, const std::string& listen, bool child);

}  // namespace hs::app
