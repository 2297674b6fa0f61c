#pragma once
// One binary operator on two samples.

#include <string>

#include "promql/histogram.h"
#include "promql/token.h"

namespace hs::promql {

struct Operand {
  double f = 0;
  HistogramPtr h;  // a histogram when set
};

struct ElementResult {
  double f = 0;
  HistogramPtr h;
  bool keep = false;     // a comparison that holds, or any other operator that applies
  bool dropped = false;  // the operator does not apply: no result, whatever `bool` says
  std::string note;      // to tell the user, or ""
};

double scalar_op(Tok op, double lhs, double rhs);
ElementResult element_op(Tok op, const Operand& lhs, const Operand& rhs);
// Does the result mean something else than the operands? Then it loses their name.
bool changes_meaning(Tok op);

}  // namespace hs::promql
