#pragma once
// The loop as samples, so that dashboards show what it sees and does: objectives, incidents, faults, changes, verdicts,
// knobs and the team's own KPIs. What began and ended within one recording (metrics.own_interval) may be missed by
// those that are 1 only while they last; counts and times miss nothing. Pure.

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "config/declarations.h"
#include "loop/machine/machine.h"
#include "stream/frame.h"
#include "values/state.h"

namespace hs::loop {

// How long something that happened at an instant is told: at least once at the longest recording interval.
inline constexpr int64_t told_for_s = 60;

// Each of what exists now, with its name: incidents until they are closed, changes in flight, faults that are on.
void loop_samples(const Machine& machine, const config::Declarations& declarations, UnixNanos at,
                  std::vector<metrics::Sample>& out);

void knob_samples(const values::State& state, const std::vector<config::Knob>& declared, MonoNanos now,
                  std::string_view boot_id, std::vector<metrics::Sample>& out);

// The team's KPIs over the last minute that is complete: events a minute, a ratio, or a quantile. Absent when nothing
// was counted, except for counters, which are 0.
class TeamKpis {
 public:
  static constexpr int64_t window_s = 60;
  static constexpr int64_t lag_s = 5;  // how late telemetry may be: SDKs send in batches

  void add(const stream::Frame& frame);
  void samples(const std::vector<config::Kpi>& declared, UnixNanos at, std::vector<metrics::Sample>& out) const;

 private:
  std::map<std::string, std::map<int64_t, stream::KpiPoint>> points_;  // by KPI and second, no older than the window
};

}  // namespace hs::loop
