#pragma once
// Follows the excess of one symptom down the call graph. Shares of one symptom sum to 1.

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "loop/detect/history.h"
#include "loop/types.h"

namespace hs::loop {

enum class Starts : uint8_t {
  own_errors,   // the service fails by itself
  own_time,     // its own work, or a wait inside it, takes longer
  silence,      // it is asked and does not answer
  edge_errors,  // calls fail though the callee knows nothing of it
  edge_time,    // calls take longer than the callee's answer
  peer_errors,  // as edge_*, to a callee that has no spans of its own
  peer_time,
  more_calls,  // nothing is slower, but more is asked per request
  denied,      // log-ins are denied
};

// A place where an excess starts. Without a peer: the service itself.
struct Origin {
  Starts starts = Starts::own_errors;
  std::string service, peer;
  auto operator<=>(const Origin&) const = default;
};

struct Blame {
  std::map<Origin, double> shares;
  Origin first() const;  // the largest
};

Blame blame(const History& history, const Symptom& symptom, int64_t now);

// An operation of a service, or its calls over an edge, that is hardly answered any more.
bool is_silent(const History& history, const Track& track, const std::string& service, int64_t from, int64_t to);

// Calls of one operation to one callee, over all of the callee's operations, per request of the caller.
struct Outgoing {
  std::string callee;
  bool traced = false, async = false;
  double n = 0, errors = 0, ms = 0, joined_ms = 0, callee_ms = 0, joined = 0;                  // now
  double usual_n = 0, usual_errors = 0, usual_ms = 0, usual_edge_ms = 0, usual_callee_ms = 0;  // usual
  double n_calls = 0;                             // all of them, as `joined`
  double answered_errors = 0, callee_errors = 0;  // of `errors`, per request: see stream::Call
  double offset_ms = 0;
  std::map<std::string, double> operations;  // of the callee, by joined calls
  std::map<std::string, double> failing;     // of the callee, by calls that failed there
};
std::vector<Outgoing> outgoing(const History& history, const OperationKey& caller, int64_t from, int64_t to);

}  // namespace hs::loop
