#pragma once
// Which change to try for an incident, or why none. Pure: the ranking is a function of what is declared, of what was
// learned, and of where the cause is.

#include <functional>
#include <string>
#include <vector>

#include "config/declarations.h"
#include "loop/decide/moves.h"
#include "loop/learn/effects.h"
#include "loop/types.h"
#include "loop/verify/goal.h"
#include "loop/verify/instances.h"
#include "loop/verify/past.h"

namespace hs::loop {

struct Option {  // one change that could be tried
  const config::Knob* knob = nullptr;
  Move move;
  config::Value from;
  bool undo = false;       // takes back the most recent change to the failing service
  bool ramp = false;       // judged against the incident's own continuation, without a control group
  bool learning = false;   // nothing speaks for it: tried to find out
  bool unknown = false;    // and its declaration says nothing at all
  bool relief = false;     // declared to take load off what is overloaded
  InstancePlan instances;  // which instance has it first; none for most knobs
  double log_odds = 0;     // of repairing the incident
  double score = 0;        // log odds less the cost of trying
  std::vector<std::string> reasons;
};

struct Undo {  // somebody changed this knob not long ago
  std::string knob;
  config::Value previous;
  UnixNanos at = 0;
};

struct Situation {
  const Incident* incident = nullptr;
  const Goal* goal = nullptr;
  const config::Declarations* declarations = nullptr;
  const Past* history = nullptr;
  const Effects* effects = nullptr;
  std::function<config::Value(const config::Knob&)> settled;
  // "" when the change may be tried now, else why not (tried before, cooling down, forbidden, in flight).
  std::function<std::string(const config::Knob&, const config::Value&, bool ramp)> refusal;
  // A canary of it showed neither benefit nor harm.
  std::function<bool(const config::Knob&, const config::Value&)> showed_nothing;
  // Which instance could have a new value of it first.
  std::function<InstancePlan(const config::Knob&)> instances;
  double bad_share = 0;  // of the goal, lately
  std::vector<Undo> undos;
  UnixNanos now = 0;
};

struct Choice {
  std::vector<Option> ranked;  // best first; the first is what to do, if it is worth it
  std::string nothing;         // why none is worth it; "" = do ranked[0]
  size_t refused = 0;          // near the cause, but may not be tried now
};
Choice choose(const Situation& situation);

// Whether a canary of users contains the effect: only there may a change be explored without a reason (and on an
// instance, where it is a small part).
bool contained(const config::Knob& knob);

// How near a knob is to a cause, in [0, 1]: about the failing dependency, in the failing service, in one that suffers.
double closeness(const config::Knob& knob, const Cause& cause, const Incident& incident, const Past& history);

}  // namespace hs::loop
