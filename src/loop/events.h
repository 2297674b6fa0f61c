#pragma once
// What the loop is fed and what it asks for: plain values, so that a recording of the events replays to the same
// actions, byte for byte. Time is in the events; nothing in the loop reads a clock.

#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "config/declarations.h"
#include "loop/types.h"
#include "stream/frame.h"

namespace hs::loop {

// ---- in ----

// What is in force for a knob, told at start (and whenever somebody else changed it).
struct KnobState {
  std::string knob;
  config::Value settled;  // what holds without a candidate
  std::string promoted;   // the change that it was promoted by; "" = it is the base
  std::string candidate;  // the change that is under a lease; "" = none
};
struct Started {  // first event of a run: the world as the actuator knows it
  UnixNanos at = 0;
  std::vector<KnobState> knobs;
};
struct ConfigChanged {
  UnixNanos at = 0;
  config::Declarations declarations;
};
enum class Order : uint8_t { stop, resume, freeze, thaw, forbid, allow, reset };
struct Operator {  // a human's word, always stronger than the loop's
  UnixNanos at = 0;
  Order order = Order::stop;
  std::string knob;  // forbid, allow: which; freeze, thaw and reset: "" = all
  std::string who, why;
};
struct Tick {  // time passes without a frame: leases are renewed, waits end
  UnixNanos at = 0;
};
// A frame comes once a second; a receipt after each SetKnob, Revert and Promote, and after a Renew that came too late.
using Event = std::variant<Started, stream::Frame, Receipt, ConfigChanged, Operator, Tick>;

// ---- out ----

struct SetKnob {  // start a candidate, or widen the exposure of the one with the same id
  Change change;
};
struct Renew {  // the candidate lives for another lease
  std::string change;
  int64_t lease_ms = 0;
};
struct Revert {  // a candidate ends, or a promoted value goes back to the base
  std::string change, knob;
  std::string why;
};
struct Promote {  // the candidate stays until somebody changes it
  std::string change, knob;
};
struct Record {  // for the ledger: every decision with its reason
  std::string kind;
  std::string json;
};
using Action = std::variant<SetKnob, Renew, Revert, Promote, Record>;

}  // namespace hs::loop
