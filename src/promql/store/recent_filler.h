#pragma once
// After a start: what the engine has of the last hours goes into memory, an hour at a time, newest first.

#include <stop_token>

#include "io/clock.h"
#include "promql/store/recent.h"
#include "store/client.h"

namespace hs::promql::store {

// Blocks until all of it is in, there is no room for more, or `stop`. An error of the engine ends it: what was not read
// is not promised. Everything that the engine gets meanwhile must go into `recent` by itself.
Status fill(Recent& recent, db::Client& client, io::Clock& clock, const std::stop_token& stop);

}  // namespace hs::promql::store
