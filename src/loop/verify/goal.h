#pragma once
// What a change for an incident must improve: the incident's symptoms, as something that can be counted for one request
// (canary) or for one second (ramp).

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "config/declarations.h"
#include "loop/types.h"
#include "loop/verify/past.h"
#include "stream/frame.h"

namespace hs::loop {

struct Goal {
  // What is bad, by (service, operation); operation "" = all of the service.
  std::map<std::pair<std::string, std::string>, Bad> requests;
  // Otherwise a measure that only the detector can compute (a KPI, a security signal): a second is bad while the
  // measure is on the incident's side of `midpoint`.
  std::string series;  // the symptom's id; "" = requests are counted
  double midpoint = 0;
  bool bad_above = true;
  std::string measure;    // errors | latency | load | kpi | security: the key of learned effects
  bool owed = true;       // a declared objective is missed, or requests are lost or refused; false: only unusual
  double healthy = 0.01;  // bad share at which it counts as met
  double broken = 1;      // bad share at detection
  UnixNanos started = 0;
  std::vector<std::string> ill;  // objectives and KPIs that are missed in the incident: no change for it is blamed

  const Bad* bad_of(const std::string& service, const std::string& operation) const;
  // -1: not one of the goal's requests; else 0 or 1.
  int judge(const stream::Outcome& outcome) const;
};

// What is owed comes first: symptoms of declared objectives, else declared objectives above the symptoms that are
// missed now though no test has fired yet, else the symptoms themselves. `history` tells how slow the requests of a
// learned symptom are now: what is asked of a change is to take them back at least half the way, not to be as fast as
// usual.
Goal goal_of(const Incident& incident, const config::Declarations& declarations, const Past& history);

// The seconds [from, to) of the goal: requests of its operations, or one block of one for each second of a series.
using Latest = std::map<int64_t, double>;  // a symptom's measure, by second
std::vector<Block> blocks_of(const Goal& goal, const Past& history, const Latest& latest, int64_t from, int64_t to);

// What was under way when a change came at `second` ends badly still: so many seconds end the slow half of it.
int64_t settle_s(const Goal& goal, const Past& history, int64_t second);

// Speed above which an entry request counts against a change, by its declared objective, else three times what 95 % of
// the past took: a repair that succeeds slowly where it failed quickly must not count as harm.
class SpeedLimits {
 public:
  SpeedLimits() = default;
  SpeedLimits(const Past& history, const config::Declarations& declarations, int64_t from, int64_t to);
  double ms(const std::string& service, const std::string& operation) const;  // 0: unknown

 private:
  std::map<std::pair<std::string, std::string>, double> limits_;
};

nlohmann::json to_json(const Goal& goal);
Result<Goal> goal_from(const nlohmann::json& from);

}  // namespace hs::loop
