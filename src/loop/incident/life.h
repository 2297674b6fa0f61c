#pragma once
// The life of incidents: which symptoms belong together, when each step happened, what comes back within its hold.
// Pure. Times are event times; "now" is the frame's tick.

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "loop/explain/explain.h"
#include "loop/incident/understanding.h"
#include "loop/types.h"

namespace hs::loop {

// A symptom stays with the incident that it was given to, so incidents do not flap with the ranking of causes. Two
// explanations of one incident that persist for so long, with different services in front, are two incidents.
inline constexpr int64_t split_after_s = 5;
inline constexpr int64_t restart_grace_s = 30;
// Open ones of alerts alone: whoever sends labels could make any number.
inline constexpr size_t alert_incidents_max = 20;
inline constexpr size_t alerts_of_incident_max = 50;

class Life {
 public:
  // `active`: what departs now; `ended`: what stopped departing in this step; `explanations`: how it belongs together.
  std::vector<News> step(const std::vector<const Symptom*>& active, const std::vector<Symptom>& ended,
                         const std::vector<Explanation>& explanations, UnixNanos now);
  // `firing`: the team's alerts that fire now. Each belongs for its whole episode to one incident: the open one of its
  // service, one that was going on when its condition began to hold, else one of its own, which ends with it.
  std::vector<News> alerts(const std::vector<stream::FiringAlert>& firing, UnixNanos now);
  void injected(const InjectedFault& fault);
  void acted(std::string_view incident, std::string_view change, UnixNanos at);
  void verified(std::string_view incident, UnixNanos at);
  void decided(std::string_view incident, std::string decision);

  const std::deque<Incident>& all() const { return incidents_; }  // the oldest first
  const Incident* find(std::string_view id) const;
  const std::deque<InjectedFault>& faults() const { return faults_; }

  // After a restart the detectors have to see a departure anew: open incidents are kept open for restart_grace_s. What
  // they see again takes the place of what was known; what they do not had ended, at the latest when we were back.
  void restore(std::deque<Incident> incidents, std::deque<InjectedFault> faults);

 private:
  Incident* incident_of(const stream::FiringAlert& alert, std::vector<News>& news, UnixNanos now);
  void end_alerts(const std::set<std::string>& firing, UnixNanos now);
  static constexpr size_t faults_max = 1'000;  // of the past; beyond it the oldest no longer mark incidents

  Incident* mutable_find(std::string_view id);
  Incident& incident_for(const Explanation& explanation, const std::map<std::string, const Symptom*>& active,
                         UnixNanos now, std::set<std::string>& taken, std::vector<News>& news);
  Incident* owner_of(const Explanation& explanation, std::vector<News>& news);
  Incident* reopened(const Explanation& explanation, UnixNanos now, std::vector<News>& news);
  Incident* alerted_before(const Explanation& explanation, const std::map<std::string, const Symptom*>& active);
  Incident& open(const Explanation& explanation, UnixNanos now, std::vector<News>& news);
  void merge(Incident& from, Incident& into, std::vector<News>& news);
  void give(Incident& incident, const Explanation& explanation, const std::map<std::string, const Symptom*>& active);
  void explain(Incident& incident, const Explanation& explanation, UnixNanos now, std::vector<News>& news);
  void end(Incident& incident, const std::map<std::string, const Symptom*>& active, UnixNanos now,
           std::vector<News>& news);
  void mark_injected(Incident& incident) const;
  void note_ended(const std::vector<Symptom>& ended);
  void end_unseen(const std::map<std::string, const Symptom*>& active);
  void forget();

  std::deque<Incident> incidents_;
  std::deque<InjectedFault> faults_;
  std::map<std::string, std::string> owners_;        // symptom id -> incident id
  std::map<std::string, std::string> alert_owners_;  // of alerts that fire
  std::map<std::string, int64_t> apart_;             // "incident/service" -> steps in a row that it was a second cause
  uint64_t ids_ = 0;
  bool restored_ = false;  // from a snapshot, and not stepped since
  UnixNanos back_at_ = 0;  // the first step after a restart; 0: there was none, or its grace is over
};

bool is_open(const Incident& incident);
bool is_of_alerts(const Incident& incident);  // nothing that is measured departs, or did

}  // namespace hs::loop
