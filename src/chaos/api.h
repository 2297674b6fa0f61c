#pragma once
// /v1/chaos: what is declared, what is on, inject, clear. Who may call it is the guard's business, not this file's.

#include <functional>

#include "base/http_message.h"
#include "chaos/faults.h"

namespace hs::chaos {

// GET    /v1/chaos/proxies        {"enabled": bool, "proxies": [{name, listen, upstream, protocol}]}
// GET    /v1/chaos/faults         {"faults": [...]}
// POST   /v1/chaos/faults         a fault as in fault.h -> 201 {"id": ...} and the fault
// DELETE /v1/chaos/faults         -> {"cleared": n}
// DELETE /v1/chaos/faults/{id}    -> {"cleared": 1}, 404 when it has ended
// While `enabled` says no, every call but the first two is refused with what to set. `faults` outlives the routes.
http::Routes routes(Faults& faults, io::Clock& clock, std::function<bool()> enabled);

// What every refusal says while chaos is off.
Error disabled();

}  // namespace hs::chaos
