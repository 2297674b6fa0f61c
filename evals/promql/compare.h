#pragma once
// Is an answer what a case expects?

#include <string>

#include "base/json.h"
#include "promql/engine.h"

namespace hs::promql {

struct Mark {
  std::string wrong;   // the values differ (or a failure is missing, or one too many); "" when they do not
  std::string strict;  // only texts, notes or shapes differ
};

Mark compare(const json::Json& expected, const QueryResult<Outcome>& got);

}  // namespace hs::promql
