#include "loop/incident/life.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace hs::loop {
namespace {

constexpr int64_t seconds = nanos_per_s;
constexpr int64_t injection_slack = 15 * seconds;  // after a fault's end its effects may still be noticed

// What a symptom is about, without the episode: "errors checkout POST /orders".
std::string watched(const Symptom& symptom) { return symptom.id.substr(0, symptom.id.rfind('@')); }

// As it is now. Noticed anew after a restart, it still began when it began.
void update(Symptom& known, const Symptom& now) {
  const UnixNanos started = std::min(known.started, now.started), detected = std::min(known.detected, now.detected);
  known = now;
  known.started = started;
  known.detected = detected;
}

// It departed when a restart came, and was not seen since: its id tells when this episode of it was noticed.
bool is_unseen(const Symptom& symptom, UnixNanos back_at) {
  int64_t noticed_ms = 0;
  const std::string_view at = std::string_view(symptom.id).substr(symptom.id.rfind('@') + 1);
  std::from_chars(at.data(), at.data() + at.size(), noticed_ms);
  return symptom.ended == 0 && noticed_ms < back_at / nanos_per_ms;
}

// A watch that departed when a restart came departs after it: whatever seems to be the cause now.
bool goes_on(const Incident& incident, const Explanation& explanation, UnixNanos back_at) {
  return std::any_of(incident.symptoms.begin(), incident.symptoms.end(), [&](const Symptom& s) {
    const auto same = [&](const std::string& id) { return id.substr(0, id.rfind('@')) == watched(s); };
    return is_unseen(s, back_at) && std::any_of(explanation.symptoms.begin(), explanation.symptoms.end(), same);
  });
}

bool has_symptom(const Incident& incident, const std::string& id) {
  return std::any_of(incident.symptoms.begin(), incident.symptoms.end(), [&](const Symptom& s) { return s.id == id; });
}

bool same_cause(const Incident& incident, const Explanation& explanation) {
  if (incident.causes.empty() || explanation.causes.empty()) return false;
  const Cause& a = incident.causes.front();
  const Cause& b = explanation.causes.front();
  return a.entity == b.entity || (!a.service.empty() && a.service == b.service && a.kind == b.kind);
}

bool same_watch(const Incident& incident, const Explanation& explanation) {
  return std::any_of(explanation.symptoms.begin(), explanation.symptoms.end(), [&](const std::string& id) {
    const std::string what = id.substr(0, id.rfind('@'));
    return std::any_of(incident.symptoms.begin(), incident.symptoms.end(),
                       [&](const Symptom& s) { return watched(s) == what; });
  });
}

// Not sure of its cause: then what departs decides whether it is the old incident that is back.
bool is_guess(const Explanation& explanation) {
  return explanation.causes.empty() || explanation.causes.front().probability < 0.5;
}

std::string service_of(const Explanation& explanation) {
  return explanation.causes.empty() ? "" : explanation.causes.front().service;
}

}  // namespace

bool is_open(const Incident& incident) {
  return incident.state != IncidentState::restored && incident.state != IncidentState::closed;
}

std::vector<News> Life::step(const std::vector<const Symptom*>& active, const std::vector<Symptom>& ended,
                             const std::vector<Explanation>& explanations, UnixNanos now) {
  std::vector<News> news;
  if (restored_) {
    back_at_ = now;
    for (InjectedFault& fault : faults_)  // the process that held it is gone, and the fault with it
      if (fault.ended == 0) fault.ended = now;
  }
  restored_ = false;
  note_ended(ended);
  std::map<std::string, const Symptom*> by_id;
  for (const Symptom* symptom : active) by_id[symptom->id] = symptom;
  std::set<std::string> taken;
  for (const Explanation& explanation : explanations) {
    Incident& incident = incident_for(explanation, by_id, now, taken, news);
    give(incident, explanation, by_id);
    if (taken.insert(incident.id).second) explain(incident, explanation, now, news);
    mark_injected(incident);
  }
  if (back_at_ != 0 && now >= back_at_ + restart_grace_s * seconds) end_unseen(by_id);
  for (Incident& incident : incidents_) end(incident, by_id, now, news);
  forget();
  return news;
}

// The explanation's incident: whoever owns its symptoms, one that comes back, or a new one. A second explanation of one
// incident is split off once it has persisted.
Incident& Life::incident_for(const Explanation& explanation, const std::map<std::string, const Symptom*>& active,
                             UnixNanos now, std::set<std::string>& taken, std::vector<News>& news) {
  Incident* owner = owner_of(explanation, news);
  if (owner == nullptr) owner = reopened(explanation, now, news);
  if (owner == nullptr) owner = alerted_before(explanation, active);
  if (owner == nullptr) return open(explanation, now, news);
  const std::string key = owner->id + "/" + service_of(explanation);
  if (!taken.contains(owner->id)) {
    apart_.erase(key);
    return *owner;
  }
  if (++apart_[key] < split_after_s) return *owner;
  apart_.erase(key);
  for (const std::string& id : explanation.symptoms) {
    owners_.erase(id);
    std::erase_if(owner->symptoms, [&](const Symptom& s) { return s.id == id; });
  }
  return open(explanation, now, news);
}

// Of several, the younger turn out to be part of the oldest. One that was acted on stays what it is, its changes and
// its verdicts being about itself: then the explanation belongs to the one of the same cause.
Incident* Life::owner_of(const Explanation& explanation, std::vector<News>& news) {
  std::vector<Incident*> owners;
  for (const std::string& id : explanation.symptoms) {
    const auto owner = owners_.find(id);
    Incident* incident = owner == owners_.end() ? nullptr : mutable_find(owner->second);
    if (incident != nullptr && std::find(owners.begin(), owners.end(), incident) == owners.end())
      owners.push_back(incident);
  }
  if (owners.empty()) return nullptr;
  std::sort(owners.begin(), owners.end(), [](auto* a, auto* b) { return a->detected < b->detected; });
  const auto same = [&](const Incident* i) { return same_cause(*i, explanation); };
  const bool one = std::all_of(owners.begin() + 1, owners.end(), [](const Incident* i) { return i->acted == 0; });
  const auto alike = one ? owners.begin() : std::find_if(owners.begin(), owners.end(), same);
  Incident* into = alike == owners.end() ? owners.front() : *alike;
  for (Incident* other : owners)
    if (other != into && other->acted == 0) merge(*other, *into, news);
  return into;
}

Incident* Life::reopened(const Explanation& explanation, UnixNanos now, std::vector<News>& news) {
  for (auto it = incidents_.rbegin(); it != incidents_.rend(); ++it) {
    Incident& incident = *it;
    if (incident.state == IncidentState::closed ||
        (incident.restored != 0 && incident.restored + reopen_hold_s * seconds < now))
      continue;
    if (!goes_on(incident, explanation, back_at_) && !same_cause(incident, explanation) &&
        !(is_guess(explanation) && same_watch(incident, explanation)))
      continue;
    if (incident.state == IncidentState::restored) {
      incident.state = incident.acted != 0 ? IncidentState::acting : IncidentState::explained;
      incident.restored = 0;
      ++incident.reopened;
      news.push_back({News::Kind::reopened, incident.id, ""});
    }
    return &incident;
  }
  return nullptr;
}

Incident& Life::open(const Explanation&, UnixNanos now, std::vector<News>& news) {
  Incident incident;
  incident.id = fmt::format("inc-{}-{}", now / nanos_per_ms, ++ids_);
  incident.detected = now;
  incidents_.push_back(std::move(incident));
  news.push_back({News::Kind::opened, incidents_.back().id, ""});
  return incidents_.back();
}

void Life::merge(Incident& from, Incident& into, std::vector<News>& news) {
  for (const Symptom& symptom : from.symptoms) {
    owners_[symptom.id] = into.id;
    if (!has_symptom(into, symptom.id)) into.symptoms.push_back(symptom);
  }
  for (Symptom& alert : from.alerts) {
    if (const auto owner = alert_owners_.find(alert.id); owner != alert_owners_.end()) owner->second = into.id;
    into.alerts.push_back(std::move(alert));
  }
  from.alerts.clear();
  into.changes.insert(into.changes.end(), from.changes.begin(), from.changes.end());
  if (from.acted != 0 && into.acted == 0) into.acted = from.acted;
  if (from.verified != 0 && into.verified == 0) into.verified = from.verified;
  into.started = std::min(into.started, from.started);
  from.symptoms.clear();
  from.state = IncidentState::closed;
  from.closed = from.detected;
  from.decision = "part of " + into.id;
  news.push_back({News::Kind::merged, from.id, into.id});
}

void Life::give(Incident& incident, const Explanation& explanation,
                const std::map<std::string, const Symptom*>& active) {
  for (const std::string& id : explanation.symptoms) {
    const auto found = active.find(id);
    if (found == active.end()) continue;
    const auto owner = owners_.find(id);
    if (owner != owners_.end() && owner->second != incident.id && find(owner->second) != nullptr) continue;
    owners_[id] = incident.id;
    const Symptom& symptom = *found->second;
    const auto known =
        std::find_if(incident.symptoms.begin(), incident.symptoms.end(), [&](const Symptom& s) { return s.id == id; });
    const auto before = std::find_if(incident.symptoms.begin(), incident.symptoms.end(), [&](const Symptom& s) {
      return is_unseen(s, back_at_) && watched(s) == watched(symptom);
    });
    if (known != incident.symptoms.end())
      update(*known, symptom);
    else if (before != incident.symptoms.end())
      update(*before, symptom);
    else
      incident.symptoms.push_back(symptom);
    if (incident.started == 0 || symptom.started < incident.started) incident.started = symptom.started;
    incident.security |= symptom.kind == SymptomKind::security;
  }
}

void Life::explain(Incident& incident, const Explanation& explanation, UnixNanos now, std::vector<News>& news) {
  if (explanation.causes.empty()) return;
  const bool is_new = incident.causes.empty();
  const bool differs = is_new || incident.causes.front().entity != explanation.causes.front().entity;
  incident.causes = explanation.causes;
  incident.service = explanation.causes.front().service;
  if (incident.service.empty() && !incident.symptoms.empty())  // a peer without telemetry: the service that suffers
    incident.service = incident.symptoms.front().service;
  incident.kind = explanation.causes.front().kind;
  if (incident.explained == 0) incident.explained = now;
  if (incident.state == IncidentState::detected) incident.state = IncidentState::explained;
  if (differs) news.push_back({is_new ? News::Kind::explained : News::Kind::changed, incident.id, ""});
}

// Restored when every symptom has ended: at the first second of the last one's good run. Closed after the hold.
void Life::end(Incident& incident, const std::map<std::string, const Symptom*>& active, UnixNanos now,
               std::vector<News>& news) {
  if (incident.state == IncidentState::closed) return;
  const std::vector<Symptom>& symptoms = is_of_alerts(incident) ? incident.alerts : incident.symptoms;
  const bool going_on = std::any_of(symptoms.begin(), symptoms.end(), [&](const Symptom& s) {
    return s.kind == SymptomKind::alert ? s.ended == 0 : active.contains(s.id);
  });
  if (going_on || incident.detected < back_at_) return;
  if (is_open(incident)) {
    UnixNanos last = 0;
    for (const Symptom& symptom : symptoms) last = std::max(last, symptom.ended);
    incident.restored = last != 0 ? last : now;
    incident.state = IncidentState::restored;
    news.push_back({News::Kind::restored, incident.id, ""});
  } else if (incident.restored + reopen_hold_s * seconds <= now) {
    incident.state = IncidentState::closed;
    incident.closed = now;
    for (const Symptom& symptom : incident.symptoms) owners_.erase(symptom.id);
    news.push_back({News::Kind::closed, incident.id, ""});
  }
}

void Life::note_ended(const std::vector<Symptom>& ended) {
  for (const Symptom& symptom : ended) {
    const auto owner = owners_.find(symptom.id);
    Incident* incident = owner == owners_.end() ? nullptr : mutable_find(owner->second);
    if (incident == nullptr) continue;
    for (Symptom& known : incident->symptoms)
      if (known.id == symptom.id) update(known, symptom);
  }
}

// Departures from before the restart that were not seen again: they ended while nobody looked.
void Life::end_unseen(const std::map<std::string, const Symptom*>& active) {
  for (Incident& incident : incidents_)
    for (Symptom& symptom : incident.symptoms)
      if (is_unseen(symptom, back_at_) && !active.contains(symptom.id)) symptom.ended = back_at_;
  back_at_ = 0;
}

void Life::injected(const InjectedFault& fault) {
  for (InjectedFault& known : faults_)
    if (known.id == fault.id) {
      known = fault;
      return;
    }
  faults_.push_back(fault);
  if (faults_.size() > faults_max) faults_.pop_front();
}

void Life::mark_injected(Incident& incident) const {
  for (const InjectedFault& fault : faults_)
    if (incident.detected >= fault.started && (fault.ended == 0 || incident.started <= fault.ended + injection_slack))
      incident.injected = true;
}

void Life::acted(std::string_view id, std::string_view change, UnixNanos at) {
  Incident* incident = mutable_find(id);
  if (incident == nullptr) return;
  incident->changes.emplace_back(change);
  if (incident->acted == 0) incident->acted = at;
  if (is_open(*incident)) incident->state = IncidentState::acting;
}

void Life::verified(std::string_view id, UnixNanos at) {
  Incident* incident = mutable_find(id);
  if (incident == nullptr) return;
  if (incident->verified == 0) incident->verified = at;
  if (is_open(*incident)) incident->state = IncidentState::verified;
}

void Life::decided(std::string_view id, std::string decision) {
  if (Incident* incident = mutable_find(id)) incident->decision = std::move(decision);
}

const Incident* Life::find(std::string_view id) const {
  for (auto it = incidents_.rbegin(); it != incidents_.rend(); ++it)
    if (it->id == id) return &*it;
  return nullptr;
}

Incident* Life::mutable_find(std::string_view id) { return const_cast<Incident*>(find(id)); }

void Life::restore(std::deque<Incident> incidents, std::deque<InjectedFault> faults) {
  incidents_ = std::move(incidents);
  faults_ = std::move(faults);
  owners_.clear();
  alert_owners_.clear();
  for (const Incident& incident : incidents_)
    for (const Symptom& alert : incident.alerts)
      if (alert.ended == 0) alert_owners_[alert.id] = incident.id;
  ids_ = incidents_.size();
  restored_ = true;
  for (const Incident& incident : incidents_)
    if (incident.state != IncidentState::closed)
      for (const Symptom& symptom : incident.symptoms) owners_[symptom.id] = incident.id;
}

void Life::forget() {
  while (incidents_.size() > incidents_kept_max && incidents_.front().state == IncidentState::closed)
    incidents_.pop_front();
  std::erase_if(apart_, [&](const auto& item) {
    const Incident* incident = find(item.first.substr(0, item.first.find('/')));
    return incident == nullptr || !is_open(*incident);
  });
}

}  // namespace hs::loop
