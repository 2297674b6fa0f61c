#pragma once
// What no change may make worse, whatever it is for: every objective and every KPI that the team declared, each at its
// own target. Two ways to see it:
//   - arm against arm, where requests of an objective tell which value they had (ArmGuards);
//   - against their own state when the change began, for what has no arms: KPIs, a change for everybody, a change that
//     was promoted (StateGuards).
//
// False alarms. The guards of one change share an error budget evenly, however many are declared. ArmGuards spend it
// over looks (evidence.h: Looks). A guard of a share is a mixture of likelihood ratios against what is allowed, with
// counts divided by overdispersion_min: under what is allowed it exceeds n / alpha at any of its looks with a chance of
// at most alpha / n (Ville's inequality). Counts of KPIs are compared by their deviation (guards.cpp).

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "config/declarations.h"
#include "loop/verify/arms.h"
#include "loop/verify/goal.h"
#include "loop/verify/past.h"

namespace hs::loop {

inline constexpr double state_guards_alpha = 0.01;  // chance that any of them fails a change that does nothing
// A limit that we set may turn away so many of those who were well served before, however much an objective allows for
// mishaps: this is no mishap.
inline constexpr double turned_away_max = 0.01;

// What is bad about a request for an objective. In a security incident whoever is turned away may be the attacker, so
// only those who were well served before count (Outcome::regular).
int bad_for(const config::Objective& objective, const stream::Outcome& outcome, bool security);

// The requests of each objective in a canary, by arm. Units, retries and arms are counted as for the goal.
class ArmGuards {
 public:
  ArmGuards() = default;
  ArmGuards(const ArmsSetup& setup, const config::Declarations& declarations, bool security, double alpha);
  void add(const stream::Outcome& outcome);
  // Takes the looks that are due. What got worse among the treated, and is missed there.
  std::optional<std::string> harm();
  // Nothing leans so far that PASS must wait.
  bool quiet() const;
  // Enough of the treated were met at each objective that the change's requests come to. What was not looked at is not
  // known to be well.
  bool heard() const;

 private:
  struct Guard {
    config::Objective objective;
    Arms arms;
    Looks looks;
  };
  bool leans(const Guard& guard, const Contrast& contrast) const;
  std::vector<Guard> guards_;
};

// Objectives and KPIs as they were when a change began. What was missed then already, or belongs to the incident, is no
// guard; what follows from the incident is no harm of the change.
class StateGuards {
 public:
  StateGuards() = default;
  // `at`: just before the change is applied.
  StateGuards(const Goal& goal, UnixNanos at, const Past& history, const Latest& latest,
              const config::Declarations& declarations);

  struct Span {  // seconds [from, to)
    int64_t from = 0, to = 0;
    bool repaired = false;  // the incident is over for the goal's requests: what is broken now is not its doing
  };
  std::optional<std::string> kpi_harm(const Goal& goal, const Past& history, const Latest& latest, Span span) const;
  std::optional<std::string> objective_harm(const Goal& goal, const Past& history, const Latest& latest,
                                            Span span) const;
  std::optional<std::string> harm(const Goal& goal, const Past& history, const Latest& latest, Span span) const;
  // How late the latest of them comes, in whole seconds.
  int64_t delay_s() const;

  nlohmann::json snapshot() const;
  static StateGuards restore(const nlohmann::json& from, const config::Declarations& declarations);

 private:
  struct OfObjective {
    config::Objective objective;
    Bad bad;
    double allowed = 0;
  };
  struct OfKpi {
    config::Kpi kpi;
    double per_s = 0, seconds = 0;        // of its events, before; 0: too few to tell
    double peace_per_s = 0, peace_s = 0;  // of its events, before the incident; 0: not known, or ill for itself
    double limit = 0;                     // quantile: values beyond it are bad
    double allowed = 1;                   // share that may be bad; 1: any
    int64_t delay_s = 1;                  // how late it comes
    bool of_incident = true;              // nothing from before the onset is in its numbers
  };
  void add_objectives(const Goal& goal, const Past& history, const config::Declarations& declarations, int64_t from,
                      int64_t to);
  void add_kpi(const config::Kpi& kpi, const Goal& goal, const Past& history, int64_t from, int64_t to);
  void add_peace(OfKpi& guard, const Goal& goal, const Past& history) const;
  std::optional<std::string> harm_of(const OfKpi& guard, const Goal& goal, double good, const Past& history,
                                     Span span) const;
  std::optional<std::string> count_harm(const OfKpi& guard, const Past::KpiSum& now, double seconds, double good,
                                        bool repaired) const;
  double threshold() const;  // log

  std::vector<OfObjective> objectives_;
  std::vector<OfKpi> kpis_;
  double good_before_ = 1;  // of the goal's requests
};

}  // namespace hs::loop
