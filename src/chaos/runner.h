#pragma once
// Runs an experiment: steady state, method under guards, steady state again, rollbacks in every case.

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "chaos/experiment.h"
#include "chaos/faults.h"
#include "io/clock.h"
#include "io/http.h"

namespace hs::chaos {

// Of the body of a probe's answer that is looked at and kept in the journal.
inline constexpr size_t probe_body_bytes_max = 64 * 1024;
// Looks at the steady state and the guards during the method; beyond it only departures are kept in the journal.
inline constexpr size_t during_kept_max = 1'000;

struct RunContext {
  io::Http& http;
  io::Clock& clock;
  FaultControl& faults;
  // Waits so long; false when asked to stop (then it returns at once, also when called again).
  std::function<bool(int64_t ms)> pause;
  std::function<void(std::string_view line)> say;  // what is happening, for a human
  std::stop_token stop = {};                       // ends an HTTP call under way, but none of the rollbacks
  std::stop_token cut_off = {};                    // ends those of the rollbacks too: there is no time left
};

// The journal, in Chaos Toolkit's form: status completed, failed (the steady state does not hold before, or no longer
// holds), aborted (a guard, or a fault that could not be injected) or interrupted; deviated; steady_states; run;
// rollbacks; and `reason` in words. Whatever happens, the rollbacks run and every fault that this run injected is
// cleared; if this process dies, the faults' leases do it.
json::Json run(const Experiment& experiment, const RunContext& context);

}  // namespace hs::chaos
