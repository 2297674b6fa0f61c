#pragma once
// Joins flag evaluations with the answers of the same trace, whatever order and service they come from.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/flat_table.h"
#include "base/time.h"
#include "stream/joins.h"
#include "stream/names.h"

namespace hs::stream {

struct Evaluated {  // a knob was read
  NameId knob = no_name, variant = no_name;
  NameId instance = no_name;  // that read it
  int64_t revision = 0;
  uint64_t unit = 0;
  bool by_instance = false;
};
struct Answered {  // a server or consumer span ended
  SeriesId series = no_series;
  int64_t second = 0;
  UnixNanos started = 0;
  double duration_ms = 0, weight = 1;
  bool root = false, error = false, denied = false, limited = false, regular = false;
};
struct Joined {
  uint64_t trace = 0;
  Evaluated evaluated;
  Answered answered;
};

class Outcomes {
 public:
  explicit Outcomes(size_t traces_max);
  void add(uint64_t trace, const Evaluated& evaluated);
  void add(uint64_t trace, const Answered& answered);
  void rotate();  // half a horizon has passed
  void clear();

  std::vector<Joined> joined;  // since the consumer last took them; each (answer, knob, revision, variant) once
  uint64_t evicted() const { return evicted_; }

 private:
  // Enough for a request through dozens of services; more evaluations or answers of one trace are left out.
  static constexpr size_t evaluations_max = 16, answers_max = 64;
  struct Trace {
    std::vector<Evaluated> evaluations;
    std::vector<Answered> answers;
  };
  Trace& trace(uint64_t key);

  size_t half_max_;
  FlatTable<Trace> young_, old_;
  uint64_t evicted_ = 0;
};

}  // namespace hs::stream
