#pragma once
// Which part of a service is ill, when it is one alone: one of its instances, one of its operations. The others take
// their share of the requests and are well; where too little is known of them, no part is named. Pure.

#include <cstdint>
#include <string>

#include "loop/detect/history.h"
#include "loop/explain/blame.h"

namespace hs::loop {

struct Stretch {  // of seconds, both ends included
  int64_t from = 0, to = 0;
};

// The instance that carries nearly all of the service's own errors, or own time, beyond what is usual; "": none.
std::string instance_at_fault(const History& history, const std::string& service, Starts starts, Stretch in);

// The same of operations, and the one that is silent while others answer. An operation is told from its service only
// when the others would have shown the same trouble by now, had they had it.
std::string operation_at_fault(const History& history, const std::string& service, Starts starts, Stretch in);

// The instance that answers no more while others do, and no new one came in its place; "": none.
std::string silent_instance(const History& history, const std::string& service, Stretch in);

}  // namespace hs::loop
