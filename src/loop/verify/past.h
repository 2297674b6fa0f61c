#pragma once
// The last minutes as the loop saw them: what verdicts without a control group, guards and witnesses look back on.
// A pure accumulation of frames; bounded in time and in series.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "loop/arrival.h"
#include "loop/failing_users.h"
#include "loop/verify/evidence.h"
#include "stream/frame.h"

namespace hs::loop {

inline constexpr int64_t history_s = 180;            // onset, baseline before it, and a ramp fit in three minutes
inline constexpr size_t history_series_max = 4'000;  // beyond: new series are not kept; the loop is blind to them

// What is bad about a request. slow_ms <= 0: speed does not count.
struct Bad {
  bool errors = true;
  double slow_ms = 0;
  bool denied = false;    // answers that refuse the caller (401, 403)
  bool limited = true;    // answers that turn the caller away (429): customers, unless it is an attack
  bool regulars = false;  // counts instead: those who were well served before, and of them who is turned away
};

// Which requests. Empty and 0 match everything.
struct Scope {
  std::string service, operation, instance, peer, credential;
  uint8_t kind = 0;
};

class Past {
 public:
  void add(const stream::Frame& frame);

  // Sums over the matching series, by second, for seconds in [from, to).
  std::vector<Block> blocks(const Scope& scope, const Bad& bad, int64_t from, int64_t to) const;
  Block total(const Scope& scope, const Bad& bad, int64_t from, int64_t to) const;
  stream::Sketch durations(const Scope& scope, int64_t from, int64_t to) const;

  struct Key {
    std::string service, operation, instance, peer, credential;
    uint8_t kind = 2;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<Key> keys(const Scope& scope) const;  // of all that match, also silent ones

  // Who calls whom, as seen lately.
  bool calls(const std::string& caller, const std::string& callee) const { return calls_.contains({caller, callee}); }
  const std::map<std::pair<std::string, std::string>, int64_t>& edges() const { return calls_; }
  // Services that an operation ("" = any of the service) calls itself, as seen lately.
  std::vector<std::string> callees(const std::string& service, const std::string& operation) const;
  // Whether requests of an operation come to a service, over any number of others. A request comes to its own.
  bool leads_to(const std::string& service, const std::string& operation, const std::string& to) const;

  // Probes of a service: blocks of failed or slow ones.
  Block probes(const std::string& service, double slow_ms, int64_t from, int64_t to) const;
  stream::Sketch probe_durations(const std::string& service, int64_t from, int64_t to) const;

  struct KpiSum {  // of seconds; `told`: how many of them have data
    double told = 0, numerator = 0, denominator = 0;
    stream::Sketch values;
  };
  KpiSum kpi(const std::string& name, int64_t from, int64_t to) const;

  // Evaluations of a knob: how many we served, and what entry requests that report one say of their fate.
  struct Evaluations {
    double served = 0, good = 0, bad = 0;
  };
  Evaluations evaluations(const std::string& knob, const Bad& bad, int64_t from, int64_t to) const;
  // The same of the messages that an operation consumed: nobody waits for them, so no entry request tells of them.
  Evaluations consumed(const std::string& knob, const std::string& service, const std::string& operation,
                       const Bad& bad, int64_t from, int64_t to) const;
  bool consumes(const std::string& service, const std::string& operation) const;
  std::vector<std::string> knobs_evaluated() const;
  // Whether requests of that operation ("" = any of the service) were seen to read the knob; and whether any were.
  bool reads(const std::string& service, const std::string& operation, const std::string& knob) const;
  bool is_read(const std::string& knob) const;
  // Whether such requests ("" = any of the service) were seen to come from outside, no traced caller before them.
  bool is_entry(const std::string& service, const std::string& operation) const;

  // Whether evaluations of the knob name no users (no targeting key, or none is told): no units for a canary.
  bool is_keyless(const std::string& knob) const;

  const FailingUsers& users() const { return users_; }
  // Whole seconds after which nearly all of a service's telemetry has come, at least 1.
  int64_t delay_s(const std::string& service) const { return arrivals_.delay_s(service); }
  int64_t kpi_delay_s(const std::string& kpi) const { return arrivals_.kpi_delay_s(kpi); }

  // The last second with data, and the newest changes that somebody made.
  int64_t last_second() const { return last_second_; }
  int64_t first_second() const { return first_second_; }  // of what was ever added: after a restart it begins anew
  const std::deque<stream::RecentChange>& changes() const { return changes_; }
  bool empty() const { return series_.empty(); }

 private:
  static constexpr size_t changes_max = 200;
  struct Slot {
    int64_t second = -1;
    double count = 0, errors = 0, denied = 0, limited = 0;
    double regular = 0, regular_limited = 0;
    stream::Sketch duration_ms;
  };
  struct Series {
    std::vector<Slot> ring = std::vector<Slot>(history_s);
    int64_t last = 0;
  };
  struct Evaluated {
    int64_t second = -1;
    double served = 0, count = 0, errors = 0;
    stream::Sketch good_ms;  // of requests without error
  };
  void add_cell(const stream::Cell& cell);
  void add_evaluations(const stream::Frame& frame);
  void forget(int64_t second);
  using Evaluation = std::vector<Evaluated>;  // a ring
  static Evaluated& slot_of(Evaluation& ring, int64_t second);
  static Evaluations sum_of(const Evaluation& ring, const Bad& bad, int64_t from, int64_t to);
  template <class Visit>
  void visit(const Scope& scope, int64_t from, int64_t to, Visit visit) const;

  std::map<Key, Series> series_;
  std::map<std::pair<std::string, std::string>, int64_t> calls_;                          // last seen
  std::map<std::tuple<std::string, std::string, std::string>, int64_t> operation_calls_;  // service, operation, callee
  std::map<std::string, Evaluation> evaluations_;                                         // by knob
  std::map<std::tuple<std::string, std::string, std::string>, Evaluation> consumed_;      // service, operation, knob
  std::map<std::tuple<std::string, std::string, std::string>, int64_t> readers_;  // knob, service, operation: last seen
  std::map<std::pair<std::string, std::string>, int64_t> entries_;                // service, operation: last seen
  std::map<std::tuple<std::string, std::string, int64_t>, uint64_t> served_last_;  // cumulative
  struct Keys {
    double named = 0, unnamed = 0;  // outcomes lately
  };
  std::map<std::string, Keys> keys_of_;  // by knob
  FailingUsers users_;
  Arrivals arrivals_;
  std::map<std::string, std::map<int64_t, KpiSum>> kpis_;  // by second
  std::deque<stream::ProbeResult> probes_;
  std::deque<stream::RecentChange> changes_;
  int64_t first_second_ = 0, last_second_ = 0;
};

}  // namespace hs::loop
