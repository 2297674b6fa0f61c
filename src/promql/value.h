#pragma once
// What a query evaluates to.

#include <string>
#include <variant>
#include <vector>

#include "promql/source.h"

namespace hs::promql {

struct Scalar {
  int64_t t_ms = 0;
  double v = 0;
};

struct String {
  int64_t t_ms = 0;
  std::string v;
};

// One element of an instant vector: a histogram when `h` is set, else a float.
struct Sample {
  Labels labels;
  int64_t t_ms = 0;
  double f = 0;
  HistogramPtr h;
};

using Vector = std::vector<Sample>;
// Sorted by labels. Of each series only labels, floats and histograms mean something.
using Matrix = std::vector<Series>;

using Value = std::variant<Scalar, String, Vector, Matrix>;

}  // namespace hs::promql
