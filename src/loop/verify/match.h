#pragma once
// Are the treated who we think they are? Compares what telemetry claims with what `values` served and with the
// exposure that was asked for. A mismatch is a verdict of its own: numbers about the wrong people prove nothing.

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "loop/verify/arms.h"
#include "stream/frame.h"

namespace hs::loop {

// Evaluations that we answered since the change began, by arm. Survives a restart of `values` (counts start again).
class ServedCounts {
 public:
  ServedCounts(std::string knob, int64_t revision, std::string treated_variant)
      : knob_(std::move(knob)), revision_(revision), treated_variant_(std::move(treated_variant)) {}
  void add(const std::vector<stream::Served>& served, UnixNanos at);
  uint64_t treated() const { return treated_; }
  uint64_t control() const { return control_; }
  UnixNanos heard() const { return heard_; }  // when `values` last told any count; 0: never
  struct At {
    UnixNanos at = 0;
    uint64_t treated = 0, control = 0;
  };
  // As they were at `at` or just before: what telemetry must have reported by now.
  At before(UnixNanos at) const;

 private:
  std::string knob_;
  int64_t revision_;
  std::string treated_variant_;
  std::map<std::string, uint64_t> last_;  // cumulative, by variant
  uint64_t treated_ = 0, control_ = 0;
  UnixNanos heard_ = 0;
  std::deque<At> past_;  // of the last seconds
};

struct MatchInput {
  double exposure = 0;
  size_t units = 0, crossed = 0;
  size_t complete = 0, complete_treated = 0;  // units old enough to be complete in both arms
  Claims claims;
  uint64_t served_treated = 0;
  uint64_t claimed_treated = UINT64_MAX;  // of requests that began before that was counted; at most claims.treated
  ServedCounts::At settled;               // served long enough ago to have been reported
  Reported reported;                      // of requests that began before that
  // An evaluation for each request. Otherwise (an instance's or a service's value, read now and then) many requests may
  // report what one evaluation answered, and only an answer never given is a lie.
  bool per_request = true;
};
// Of what was served to each arm, how much is reported: when the treated are silent more often than the others, only
// those who fare well may be heard. In standard errors, 0 when they are about equal; nothing while too little was
// served.
std::optional<double> silence(const MatchInput& input);
// Of all who were served, those who are known to have fared well: who is not heard of may have fared badly, and where
// only those who fare well are heard every change would seem to help. Nothing while too little was served. `repeats`:
// so many requests tell as much as one of somebody else.
struct KnownGood {
  Successes treated, control;
  double others() const { return treated.n - treated.good + control.n - control.good; }
};
std::optional<KnownGood> known_good(const MatchInput& input, double repeats);
// What does not fit, or nothing.
std::optional<std::string> mismatch(const MatchInput& input);

// Counts of two sources are never of one instant: what does not fit must go on not fitting before it is believed. Until
// then there is no verdict at all.
class Doubt {
 public:
  static constexpr int64_t lasts_ms = 3'000;
  // True when `doubtful` has been so for lasts_ms.
  bool lasts(bool doubtful, UnixNanos now);

 private:
  UnixNanos since_ = 0;
};

}  // namespace hs::loop
