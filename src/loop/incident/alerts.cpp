// Alerts of the team's rules in the life of incidents. They describe: what decides, verifies and learns looks at
// measured symptoms alone, because the labels of an alert may be the words of any sender of telemetry.

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "loop/incident/life.h"

namespace hs::loop {
namespace {

constexpr size_t labels_shown_bytes = 500, names_shown_bytes = 200;
constexpr std::string_view undecided =
    "nothing: an alert alone is no measure that a change could be verified by; it needs a human";

bool concerns(const Incident& incident, const std::string& service) {
  const auto suffers = [&](const Symptom& s) { return s.service == service || s.peer == service; };
  return incident.service == service || std::any_of(incident.symptoms.begin(), incident.symptoms.end(), suffers);
}

// Rates look back for minutes and rules wait: an alert may fire when what it is about is over.
bool was_going_on(const Incident& incident, UnixNanos at) {
  return incident.restored != 0 && incident.started <= at && at <= incident.restored;
}

// An alert that flaps is one incident.
bool comes_back(const Incident& incident) {
  return is_of_alerts(incident) && incident.state == IncidentState::restored;
}

std::string evidence_of(const stream::FiringAlert& alert) {
  return fmt::format("the alert {} of {} fires with {:.4g}; its condition holds since {}: {}",
                     printable(alert.name, names_shown_bytes), printable(alert.rule_from, names_shown_bytes),
                     alert.value, format_rfc3339(alert.since), printable(alert.labels, labels_shown_bytes));
}

Symptom symptom_of(const stream::FiringAlert& alert, UnixNanos now) {
  Symptom s;
  s.id = alert.id;
  s.kind = SymptomKind::alert;
  s.service = printable(alert.service, names_shown_bytes);
  s.objective = printable(alert.name, names_shown_bytes);
  s.started = std::min(alert.since, now);
  s.detected = now;
  s.observed = s.latest = alert.value;
  s.evidence = evidence_of(alert);
  return s;
}

}  // namespace

bool is_of_alerts(const Incident& incident) { return incident.symptoms.empty() && !incident.alerts.empty(); }

std::vector<News> Life::alerts(const std::vector<stream::FiringAlert>& firing, UnixNanos now) {
  std::vector<News> news;
  std::set<std::string> ids;
  for (const stream::FiringAlert& alert : firing) {
    ids.insert(alert.id);
    const auto owner = alert_owners_.find(alert.id);
    Incident* incident = owner == alert_owners_.end() ? incident_of(alert, news, now) : mutable_find(owner->second);
    if (incident == nullptr) continue;
    for (Symptom& known : incident->alerts)
      if (known.id == alert.id) known.latest = alert.value;
  }
  end_alerts(ids, now);
  return news;
}

// A new alert's incident, which it is part of from now on; none when there is no room.
Incident* Life::incident_of(const stream::FiringAlert& alert, std::vector<News>& news, UnixNanos now) {
  Incident* incident = nullptr;
  size_t alone = 0;
  for (Incident& one : incidents_) {  // the last is the newest; one that goes on is better than one that is over
    alone += is_open(one) && is_of_alerts(one);
    if (one.state == IncidentState::closed && one.symptoms.empty() && one.alerts.empty()) continue;  // part of another
    if (!concerns(one, alert.service)) continue;
    if (is_open(one) || comes_back(one) ||
        (was_going_on(one, alert.since) && (incident == nullptr || !is_open(*incident))))
      incident = &one;
  }
  const bool is_new = incident == nullptr, is_back = !is_new && comes_back(*incident);
  if (is_new && alone >= alert_incidents_max) return nullptr;
  if (is_new) {
    incident = &open({}, now, news);
    incident->service = printable(alert.service, names_shown_bytes);
    incident->kind = name_of(SymptomKind::alert);
    incident->decision = undecided;
  }
  if (is_back) {
    incident->state = IncidentState::detected;
    incident->restored = 0;
    ++incident->reopened;
    news.push_back({News::Kind::reopened, incident->id, ""});
  }
  if (incident->alerts.size() >= alerts_of_incident_max) return nullptr;
  incident->alerts.push_back(symptom_of(alert, now));
  alert_owners_[alert.id] = incident->id;
  if (is_of_alerts(*incident) && (incident->started == 0 || alert.since < incident->started))
    incident->started = incident->alerts.back().started;
  mark_injected(*incident);
  if (!is_new) news.push_back({News::Kind::alerted, incident->id, ""});
  return incident;
}

// An incident that alerts opened before anything departed, and now something does at their service.
Incident* Life::alerted_before(const Explanation& explanation, const std::map<std::string, const Symptom*>& active) {
  for (Incident& incident : incidents_) {
    if (!is_open(incident) || !is_of_alerts(incident)) continue;
    const auto same = [&](const std::string& id) {
      const auto symptom = active.find(id);
      return symptom != active.end() && concerns(incident, symptom->second->service);
    };
    const bool caused = !explanation.causes.empty() && concerns(incident, explanation.causes.front().service);
    if (!caused && std::none_of(explanation.symptoms.begin(), explanation.symptoms.end(), same)) continue;
    incident.decision.clear();
    return &incident;
  }
  return nullptr;
}

void Life::end_alerts(const std::set<std::string>& firing, UnixNanos now) {
  for (auto it = alert_owners_.begin(); it != alert_owners_.end();) {
    if (firing.contains(it->first)) {
      ++it;
      continue;
    }
    if (Incident* incident = mutable_find(it->second))
      for (Symptom& alert : incident->alerts)
        if (alert.id == it->first && alert.ended == 0) alert.ended = now;
    it = alert_owners_.erase(it);
  }
}

}  // namespace hs::loop
