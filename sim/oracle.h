#pragma once
// A stand-in for detection and explanation: sees objectives depart in the frames, and knows the true cause most of the
// time. For trying the second half of the loop alone (--oracle), and against a first half that errs at a known rate.

#include <map>
#include <string>
#include <vector>

#include "loop/types.h"
#include "sim/app.h"
#include "sim/dice.h"
#include "sim/faults.h"
#include "stream/frame.h"

namespace hs::sim {

class Oracle {
 public:
  Oracle(const App& app, std::vector<Fault> faults, double right, Dice dice, int64_t epoch);
  std::vector<const loop::Incident*> step(const stream::Frame& frame, int64_t second);

 private:
  struct Seen {
    double n = 0, errors = 0, slow = 0, denied = 0;
  };
  struct Watch {
    std::map<int64_t, Seen> seconds;
    int ill_s = 0;
  };
  void see(const stream::Frame& frame);
  void watch(size_t entry, loop::SymptomKind kind, int64_t second);
  void open(size_t entry, loop::SymptomKind kind, double baseline, double observed, int64_t second);
  void close(size_t entry, loop::SymptomKind kind, int64_t second);
  std::vector<loop::Cause> causes(loop::SymptomKind kind, int64_t second);

  const App& app_;
  std::vector<Fault> faults_;
  double right_;
  Dice dice_;
  int64_t epoch_;
  std::map<size_t, std::map<int64_t, Seen>> seen_;
  std::map<std::pair<size_t, loop::SymptomKind>, int> ill_;
  std::vector<loop::Incident> incidents_;
  int count_ = 0;
};

}  // namespace hs::sim
