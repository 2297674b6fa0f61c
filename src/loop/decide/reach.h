#pragma once
// Whether what suffers ever comes to a knob: where it does not, no value of that knob can help it.

#include <string_view>

#include "config/declarations.h"
#include "loop/verify/goal.h"
#include "loop/verify/past.h"

namespace hs::loop {

// The goal's requests fail before they come to the knob: what it says does not matter to them. Only the fate of
// requests from outside is known by knob: of a consumer behind a queue, or a service whose callers cope, nothing
// follows (false).
bool fail_before(const Goal& goal, const Past& history, const config::Knob& knob);

// False: nobody asks for the knob any more since the goal's onset, though others of the same services are asked for as
// ever; or the goal's requests fail before they come to it; or only other requests were seen to read it.
bool comes_to(const Goal& goal, const config::Declarations& declarations, const Past& history,
              const config::Knob& knob);

// The name that somebody declared and the peer that a caller tells are the same: a peer is known by its address, with a
// port when the caller's library tells it; people declare the name alone.
bool is_called(std::string_view name, std::string_view peer);

// The knob is about a dependency of its services, and their calls of it are as many, as fast and as good as they were
// before the goal's onset: a way around it can win little.
bool is_about_a_well_one(const Goal& goal, const Past& history, const config::Knob& knob);

}  // namespace hs::loop
