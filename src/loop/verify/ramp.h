#pragma once
// The verdict on a change whose effect is shared (a pool, a cache, an overload): no control group shows a contrast, so
// the incident is compared with its own continuation, second by second, before and after full exposure; and where the
// fall may have begun before the change, the change is taken away for a moment to see the incident come back.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loop/types.h"
#include "loop/verify/goal.h"
#include "loop/verify/guards.h"
#include "loop/verify/past.h"

namespace hs::loop {

struct RampLimits {
  double log_e_pass = 4.6;  // e-value 100
  double log_e_harm = 4;
  double ratio_max = 0.5;  // PASS: the bad share is at most this part of what it was
  int64_t after_s_min = 4;
  int64_t max_ms = 40'000;
  int64_t no_data_ms = 12'000;
  int64_t off_s_max = 8;    // switchback: how long the incident is given to come back
  int64_t futile_s = 16;    // queues have drained by then: with no fall at all, none will come
  int64_t late_s = 4;       // harm is a rise against so many seconds before
  int64_t prompt_s = 4;     // a fall within it is the change's doing; a later one is put to the test by a switchback
  int64_t delay_s = 1;      // how late telemetry comes; the limits of time above are extended by what is more
  bool first_look = false;  // sabotage
};

class Ramp {
 public:
  enum class Ask : uint8_t { nothing, off, on };
  struct Step {
    std::optional<Verdict> verdict;
    Ask ask = Ask::nothing;
  };

  // `start`: just before the change was first applied. The guards are what was healthy then.
  Ramp(Goal goal, RampLimits limits, UnixNanos start, const Past& history, const Latest& latest,
       const config::Declarations& declarations);

  // The receipts: everybody is treated from now on; nobody is (switchback).
  void on(UnixNanos at);
  void off(UnixNanos at);
  Step step(const Past& history, const Latest& latest, UnixNanos now);

  Drop drop_now(const Past& history, const Latest& latest) const;

 private:
  struct Guard {
    std::string service, operation;
    Bad bad;
    std::vector<Block> before;
  };
  enum class Phase : uint8_t { waiting, on, off, waiting_again, on_again };
  void add_guards(const Past& history, const config::Declarations& declarations);
  std::optional<std::string> harm(const Past& history, const Latest& latest) const;
  Step judge_on(const Past& history, const Latest& latest, UnixNanos now);
  Step judge_off(const Past& history, const Latest& latest);
  std::vector<Block> before(const Past& history, const Latest& latest) const;
  std::vector<Block> after(const Past& history, const Latest& latest) const;
  bool fell_promptly(const std::vector<Block>& then, const std::vector<Block>& since) const;
  Verdict verdict(VerdictKind kind, const Drop& drop, std::string why) const;

  Goal goal_;
  RampLimits limits_;
  UnixNanos start_, phase_since_ = 0, first_on_ = 0;
  int64_t settle_s_ = 1;
  Phase phase_ = Phase::waiting;
  std::vector<Guard> guards_;
  StateGuards declared_;
};

}  // namespace hs::loop
