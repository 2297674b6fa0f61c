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
  // {treated, control} as they were at `at`: what telemetry must have reported by now.
  std::pair<uint64_t, uint64_t> before(UnixNanos at) const;

 private:
  std::string knob_;
  int64_t revision_;
  std::string treated_variant_;
  std::map<std::pair<std::string, int64_t>, uint64_t> last_;  // cumulative, by variant and revision
  bool first_ = true;
  uint64_t treated_ = 0, control_ = 0;
  struct At {
    UnixNanos at = 0;
    uint64_t treated = 0, control = 0;
  };
  std::deque<At> past_;  // of the last seconds
};

struct MatchInput {
  double exposure = 0;
  size_t units = 0, crossed = 0;
  size_t complete = 0, complete_treated = 0;  // units old enough to be complete in both arms
  Claims claims;
  uint64_t served_treated = 0;
  uint64_t settled_treated = 0, settled_control = 0;  // served long enough ago to have been reported
  // An evaluation for each request. Otherwise (an instance's or a service's value, read now and then) many requests may
  // report what one evaluation answered, and only an answer never given is a lie.
  bool per_request = true;
};
// What does not fit, or nothing.
std::optional<std::string> mismatch(const MatchInput& input);

}  // namespace hs::loop
