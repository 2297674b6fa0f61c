#pragma once
// Prometheus' own test files (promql/promqltest/testdata/*.test of its Go module): series to load, queries, what they
// give. https://github.com/prometheus/prometheus/blob/main/promql/promqltest/README.md

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "promql/source.h"

namespace hs::promql {

struct TestStep {
  bool clear = false;          // everything that was loaded
  std::vector<Series> series;  // to load
  json::Json eval;             // what compare() takes; null: nothing is evaluated
};

// In the order of the file. A command that cannot be read is an error: it names the line.
Result<std::vector<TestStep>> read_test(std::string_view text);

}  // namespace hs::promql
