#pragma once
// What tail sampling keeps (docs/sampling.md).

#include <cstdint>
#include <map>
#include <string>

namespace hs::sampling {

struct Policy {
  bool enabled = false;
  int64_t wait_ms = 10'000;     // from a trace's first span to its decision, at least
  uint64_t held_bytes_max = 0;  // decoded spans without a decision
  uint64_t traces_max = 0;      // traces without a decision
  bool errors = true;           // keep traces with a failed span
  int64_t slow_ms = 0;          // keep those in which an operation took as long; 0: no such threshold
  double slow_quantile = 0;     // keep those in which one took longer than this quantile of its own; 0: no
  uint64_t rare_per_hour = 0;   // keep the first traces of each operation in an hour; 0: no
  double share = 1;             // of the rest
  double spans_per_s = 0;       // that a service may have stored; 0: no budget
  std::map<std::string, double, std::less<>> services;  // other budgets, by service
};

}  // namespace hs::sampling
