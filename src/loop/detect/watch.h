#pragma once
// One sequential test on one track, from its first suspicion to the end of its symptom.

#include <cstdint>
#include <optional>
#include <string>

#include "loop/detect/burn.h"
#include "loop/detect/history.h"
#include "loop/detect/sequential.h"
#include "loop/types.h"

namespace hs::loop {

enum class Measured : uint8_t { errors, slow, drop, denied, kpi, kpi_drop, kpi_surge, probe };

struct Place {  // what a watch looks at
  std::string service, operation, peer;
  std::string text() const;  // "checkout POST /orders", "checkout -> redis"
};

struct Watch {
  Measured measured = Measured::errors;
  size_t limit = 0;        // slow: index into slow_limits
  std::string objective;   // name of an objective, KPI or probe; "": learned
  double bad_allowed = 0;  // declared: the share that may be bad; kpi_drop, kpi_surge: the rate per second
  Departure share;
  RateChange drop{RateChange::Direction::drop};
  RateChange surge{RateChange::Direction::surge};
  int64_t judged_until = 0;  // the last settled second that was used

  // Errors come in clusters (one user who tries again, one stalled second). The test's excursion above zero has so many
  // bad events; a healthy past had excursions of up to `cluster`, and only what is clearly more is an alarm.
  double excursion = 0, excursion_peak = 0;
  double cluster = 0;

  Burn burn;  // of declared objectives
  int64_t budget_minutes = budget_minutes_usual;
  std::string page() const { return learned() ? "" : burn.severity(bad_allowed, budget_minutes); }

  std::optional<Symptom> symptom;
  bool accepted = false;  // told to be over though the measure is not back: nothing more is said until it is
  const Symptom* open() const { return symptom && !accepted ? &*symptom : nullptr; }
  double usual = 0;        // when it started: the share, or the rate, that was to be expected
  double recovery = 0;     // log evidence that the measure is back
  int64_t good_since = 0;  // first second of the running good run; 0: none
  int64_t last_traffic = 0;
  int64_t healthy_since = 0;  // when the last symptom ended: the next one cannot have begun before

  bool learned() const { return objective.empty(); }
  bool is_rate() const {
    return measured == Measured::drop || measured == Measured::kpi_drop || measured == Measured::kpi_surge;
  }
  double log_evidence() const;
  void reset();
};

// What the test works with at this moment.
struct Norm {
  double usual = 0;     // the share that is compared with: an upper bound of the healthy one
  double smallest = 0;  // departures below it are not worth an alarm
  double overdispersion = 1;
};
// Nothing when there is no norm yet (too little was learned).
std::optional<Norm> norm_of(const Watch& watch, const Track& track);

double bad_of(const Watch& watch, const Sums& sums);
// Bad events that an alarm needs at this rate of requests.
double events_needed(const Watch& watch, const Place& place, const Track& track);

// Feeds what just arrived to a share test. Returns its evidence.
double add_fresh(Watch& watch, const Track& track, const Norm& norm, double threshold);
// Feeds newly settled seconds to a rate test, whose expectation is given. Returns its evidence.
double add_settled(Watch& watch, const Track& track, double expected, double overdispersion, int64_t settled,
                   double threshold);

// The most likely first second of the departure that has just been noticed.
int64_t onset_of(const Watch& watch, const Track& track, const Norm& norm, int64_t newest);

// Opens the symptom (names, numbers, sentence).
void open_symptom(Watch& watch, const Place& place, const Track& track, const Norm& norm, int64_t onset,
                  int64_t settled, UnixNanos detected);
// Follows an open symptom through newly settled seconds. True when it is over: symptom->ended is set.
bool follow_symptom(Watch& watch, const Track& track, int64_t settled);

}  // namespace hs::loop
