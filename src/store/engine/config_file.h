#pragma once
// The engine's own configuration: server settings can be given in no other way.

#include <string>

#include "store/engine/engine.h"

namespace hs::store {

// XML. The caches are sized for a process beside the application, not for a server that owns the machine.
std::string config_file(const EngineOptions& options);

}  // namespace hs::store
