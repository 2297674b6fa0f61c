#pragma once
// Telemetry is hostile: before anything is changed, a second, independent signal must tell the same story. One ingest
// credential can forge any story alone, whatever services it names; it cannot speak for another credential, cannot
// answer our probes, and cannot make real requests disappear from the evaluations that we served ourselves.

#include <string>
#include <vector>

#include "loop/types.h"
#include "loop/verify/goal.h"
#include "loop/verify/past.h"

namespace hs::loop {

struct Corroboration {
  bool given = false;
  std::string why;  // which signals, or what is missing
};
// `known`: incidents that are not closed, this one among them. Seconds in which one of them hurt the same services are
// no measure of what is usual: a fault that comes again would look like what always was.
using Incidents = std::vector<const Incident*>;
Corroboration corroborate(const Incident& incident, const Goal& goal, const Past& history, const Incidents& known);

}  // namespace hs::loop
