#pragma once
// The words of the loop (DESIGN: Words). Plain values; each is recorded in the ledger as JSON.

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/declarations.h"

namespace hs::loop {

enum class SymptomKind : uint8_t { errors, latency, throughput, saturation, kpi, security, alert };

struct Symptom {   // a measured departure of an objective or of a learned baseline
  std::string id;  // of this episode: "<what is watched>@<detected, Unix ms>"
  SymptomKind kind = SymptomKind::errors;
  std::string service, operation, instance;
  std::string peer;       // set: the calls from `service` to this peer depart, not the service's own answers
  std::string objective;  // name of the objective or KPI, "" when a learned baseline departed
  UnixNanos started = 0;  // estimated onset
  UnixNanos detected = 0;
  UnixNanos ended = 0;                // start of the run of seconds in which it held again; 0: it goes on
  double baseline = 0, observed = 0;  // share of bad requests (errors, latency, security, probes), else requests/s
  double latest = 0;                  // the measure over the last full second, updated at every step while open
  double limit_ms = 0;                // latency: requests slower than this count; baseline, observed, latest are shares
  double strength = 0;                // log of the e-value
  std::string page;                   // "page" or "ticket" when a multi-window burn rate says so
  std::string evidence;               // one sentence for people, made of our own words and printable() names
};

struct Link {        // where to see it: a path of our own API with its query
  std::string kind;  // trace | spans | logs | series
  std::string what;  // of one trace its id, of a series the PromQL query
  std::string url;
};

struct Clue {        // a piece of a cause's evidence
  std::string says;  // one sentence for people, made of our own words and printable() names
  std::vector<Link> links;
};

struct Cause {         // a ranked hypothesis
  std::string entity;  // "service:payment", "operation:payment/Charge", "instance:payment/7", "edge:checkout->payment",
                       // "peer:redis", "change:deploy payment", "load:frontend"
  std::string kind;    // errors | slow | down | saturated | load | retries | security | change
  double probability = 0;
  std::string service, operation, instance, peer;
  std::string change;  // RecentChange::detail, for changes (a knob's key, a version)
  std::vector<Clue> evidence;
};

// Where a cause is, coarser than its entity: of an operation its service. Which of the two leads may change with every
// second of data; whoever remembers a cause remembers the place.
std::string place_of(const Cause& cause);

enum class IncidentState : uint8_t { detected, explained, acting, verified, restored, closed };

struct Incident {
  std::string id;  // "inc-<first detected, Unix ms>-<n>"
  IncidentState state = IncidentState::detected;
  std::string service, kind;  // of the rank-1 cause, for grouping KPIs
  UnixNanos started = 0, detected = 0, explained = 0, acted = 0, verified = 0, restored = 0, closed = 0;
  bool injected = false;  // known from chaos: reported apart, never shown to the detectors
  bool security = false;
  int64_t reopened = 0;  // how often it came back within its hold: still one incident
  std::vector<Symptom> symptoms;
  // Alerts of the team's rules about its service: symptoms of kind `alert`, kept apart so that nothing that decides,
  // verifies or learns can see them. They neither keep an incident open that measured symptoms opened nor reopen it.
  std::vector<Symptom> alerts;
  std::vector<Cause> causes;         // by probability, falling
  std::vector<std::string> changes;  // ids
  std::string decision;              // why this, why nothing
};

enum class Evidence : uint8_t { concurrent_control, ramp, switchback, restored_only, none };

// One new value of one knob. The actuator gives it its revision (the receipt tells) and draws its arms: a unit is
// treated when its bucket is below the exposure; growing exposure of one change only adds treated units, a new change
// draws new arms. While it is a candidate, both arms' answers carry its revision (the variant tells the arm).
struct Change {
  std::string id;        // "chg-<Unix ms>-<n>"
  int64_t revision = 0;  // monotone over all knobs; 0 until the receipt came
  std::string incident, knob;
  config::Value from, to;
  double exposure = 0;  // share of units, (0, 1]
  std::string service;   // "" = all services that read the knob
  std::string instance;  // knobs of instance scope: only this one has it, and exposure is its share of the instances
  int64_t lease_ms = 10'000;
  std::string reason;
};

enum class Deed : uint8_t { set, renewed, reverted, promoted };

struct Receipt {  // what the actuator really did
  Deed deed = Deed::set;
  std::string change;
  int64_t revision = 0;
  bool ok = false;
  std::string error;
  config::Value previous;  // enough to undo it after a restart
  UnixNanos at = 0;
};

enum class VerdictKind : uint8_t { pass, fail, inconclusive, no_data, mismatch };

struct Verdict {
  std::string change;
  VerdictKind kind = VerdictKind::no_data;
  Evidence evidence = Evidence::none;
  double treated = 0, control = 0;       // the objective's bad share in each arm (or before/after)
  int64_t treated_n = 0, control_n = 0;  // units of analysis
  double log_e = 0;                      // evidence for improvement, natural log of the e-value
  std::string why;
};

struct Effect {          // what a change is expected to do to a symptom, learned, with uncertainty
  std::string knob, to;  // direction or variant
  std::string cause_kind, measure;
  double mean = 0, deviation = 1;  // of the log odds of being repaired
  double n = 0;                    // decays
};

std::string_view name_of(SymptomKind);
std::string_view name_of(IncidentState);
std::string_view name_of(Evidence);
std::string_view name_of(Deed);
std::string_view name_of(VerdictKind);

}  // namespace hs::loop
