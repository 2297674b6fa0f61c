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

// What `values` serves for a knob, told at start (and whenever somebody else changed it).
struct KnobState {
  std::string knob;
  config::Value base;
  bool promoted = false;
  config::Value promoted_value;
  int64_t promoted_revision = 0;
  int64_t candidate_revision = 0;  // 0: none
};
struct Started {  // first event of a run: the world as the actuator knows it
  UnixNanos at = 0;
  int64_t revision_last = 0;  // the highest ever given out
  std::vector<KnobState> knobs;
};
struct ConfigChanged {
  UnixNanos at = 0;
  config::Declarations declarations;
};
enum class Order : uint8_t { stop, resume, freeze, thaw, forbid, allow };
struct Operator {  // a human's word, always stronger than the loop's
  UnixNanos at = 0;
  Order order = Order::stop;
  std::string knob;  // forbid, allow: which; freeze and thaw: "" = all
  std::string who, why;
};
struct Tick {  // time passes without a frame: leases are renewed, waits end
  UnixNanos at = 0;
};
// A frame comes once a second; a receipt after each SetKnob, Revert and Promote.
using Event = std::variant<Started, stream::Frame, Receipt, ConfigChanged, Operator, Tick>;

// ---- out ----

struct SetKnob {  // start a candidate, or replace the one of the same change (wider exposure, new salt)
  Change change;
};
struct Renew {  // the candidate lives for another lease
  int64_t revision = 0;
  int64_t lease_ms = 0;
};
struct Revert {  // a candidate ends, or a promoted value goes back to the base
  int64_t revision = 0;
  std::string knob;
  std::string why;
};
struct Promote {  // the candidate stays until somebody changes it
  int64_t revision = 0;
  std::string knob;
  double hold_back = 0;  // share of units that keep the base: a control for as long as the change is watched
  std::string salt;      // draws who is held back
};
struct Record {  // for the ledger: every decision with its reason
  std::string kind;
  std::string json;
};
using Action = std::variant<SetKnob, Renew, Revert, Promote, Record>;

}  // namespace hs::loop
