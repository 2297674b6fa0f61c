#include "loop/incident/codec.h"

#include <nlohmann/json.hpp>

#include "loop/json.h"

namespace hs::loop {
namespace {

using nlohmann::json;

// Times are RFC 3339 for people and nanoseconds for programs; null when it has not happened.
json time_json(UnixNanos at) { return at == 0 ? json() : json(format_rfc3339(at)); }

template <class E>
E enum_from(const json& from, const char* key, E last, E fallback) {
  const std::string text = field(from, key, std::string());
  for (int i = 0; i <= static_cast<int>(last); ++i)
    if (name_of(static_cast<E>(i)) == text) return static_cast<E>(i);
  return fallback;
}

std::vector<std::string> texts_from(const json& from, const char* key) {
  std::vector<std::string> out;
  for (const json& item : list(from, key))
    if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}

Symptom symptom_from(const json& from) {
  Symptom s;
  s.id = field(from, "id", std::string());
  s.kind = enum_from(from, "kind", SymptomKind::alert, SymptomKind::errors);
  s.service = field(from, "service", std::string());
  s.operation = field(from, "operation", std::string());
  s.instance = field(from, "instance", std::string());
  s.peer = field(from, "peer", std::string());
  s.objective = field(from, "objective", std::string());
  s.started = field(from, "started_ns", UnixNanos{0});
  s.detected = field(from, "detected_ns", UnixNanos{0});
  s.ended = field(from, "ended_ns", UnixNanos{0});
  s.baseline = field(from, "baseline", 0.0);
  s.observed = field(from, "observed", 0.0);
  s.latest = field(from, "latest", 0.0);
  s.limit_ms = field(from, "limit_ms", 0.0);
  s.strength = field(from, "strength", 0.0);
  s.page = field(from, "page", std::string());
  s.evidence = field(from, "evidence", std::string());
  return s;
}

// Of an older state file a clue is its sentence alone.
Clue clue_from(const json& from) {
  Clue c;
  c.says = from.is_string() ? from.get<std::string>() : field(from, "says", std::string());
  for (const json& link : list(from, "links"))
    c.links.push_back(
        {field(link, "kind", std::string()), field(link, "what", std::string()), field(link, "url", std::string())});
  return c;
}

Cause cause_from(const json& from) {
  Cause c;
  c.entity = field(from, "entity", std::string());
  c.kind = field(from, "kind", std::string());
  c.probability = field(from, "probability", 0.0);
  c.service = field(from, "service", std::string());
  c.operation = field(from, "operation", std::string());
  c.instance = field(from, "instance", std::string());
  c.peer = field(from, "peer", std::string());
  c.change = field(from, "change", std::string());
  for (const json& clue : list(from, "evidence")) c.evidence.push_back(clue_from(clue));
  return c;
}

struct Step {
  const char* name;
  UnixNanos Incident::* at;
};
constexpr Step steps[] = {{"started", &Incident::started},     {"detected", &Incident::detected},
                          {"explained", &Incident::explained}, {"acted", &Incident::acted},
                          {"verified", &Incident::verified},   {"restored", &Incident::restored},
                          {"closed", &Incident::closed}};

}  // namespace

json to_json(const Symptom& s) {
  return {{"id", s.id},
          {"kind", name_of(s.kind)},
          {"service", s.service},
          {"operation", s.operation},
          {"instance", s.instance},
          {"peer", s.peer},
          {"objective", s.objective},
          {"started", time_json(s.started)},
          {"started_ns", s.started},
          {"detected", time_json(s.detected)},
          {"detected_ns", s.detected},
          {"ended", time_json(s.ended)},
          {"ended_ns", s.ended},
          {"baseline", s.baseline},
          {"observed", s.observed},
          {"latest", s.latest},
          {"limit_ms", s.limit_ms},
          {"strength", s.strength},
          {"page", s.page},
          {"evidence", s.evidence}};
}

json to_json(const Cause& c) {
  json evidence = json::array();
  for (const Clue& clue : c.evidence) {
    json links = json::array();
    for (const Link& link : clue.links) links.push_back({{"kind", link.kind}, {"what", link.what}, {"url", link.url}});
    evidence.push_back({{"says", clue.says}, {"links", std::move(links)}});
  }
  return {{"entity", c.entity},   {"kind", c.kind},           {"probability", c.probability},
          {"service", c.service}, {"operation", c.operation}, {"instance", c.instance},
          {"peer", c.peer},       {"change", c.change},       {"evidence", std::move(evidence)}};
}

json summary(const Incident& i) {
  json out = {{"id", i.id},
              {"state", name_of(i.state)},
              {"open", i.state != IncidentState::restored && i.state != IncidentState::closed},
              {"service", i.service},
              {"kind", i.kind},
              {"injected", i.injected},
              {"security", i.security},
              {"reopened", i.reopened},
              {"changes", i.changes},
              {"decision", i.decision}};
  for (const Step& step : steps) {
    out[step.name] = time_json(i.*step.at);
    out[std::string(step.name) + "_ns"] = i.*step.at;
  }
  return out;
}

json to_json(const Incident& i) {
  json out = summary(i);
  out["symptoms"] = json::array();
  for (const auto* all : {&i.symptoms, &i.alerts})
    for (const Symptom& s : *all) out["symptoms"].push_back(to_json(s));
  out["causes"] = json::array();
  for (const Cause& c : i.causes) out["causes"].push_back(to_json(c));
  return out;
}

Incident incident_from(const json& from) {
  Incident i;
  i.id = field(from, "id", std::string());
  i.state = enum_from(from, "state", IncidentState::closed, IncidentState::closed);
  i.service = field(from, "service", std::string());
  i.kind = field(from, "kind", std::string());
  i.injected = field(from, "injected", false);
  i.security = field(from, "security", false);
  i.reopened = field(from, "reopened", int64_t{0});
  i.changes = texts_from(from, "changes");
  i.decision = field(from, "decision", std::string());
  for (const Step& step : steps) i.*step.at = field(from, (std::string(step.name) + "_ns").c_str(), UnixNanos{0});
  for (const json& item : list(from, "symptoms")) {
    Symptom s = symptom_from(item);
    (s.kind == SymptomKind::alert ? i.alerts : i.symptoms).push_back(std::move(s));
  }
  for (const json& c : list(from, "causes")) i.causes.push_back(cause_from(c));
  return i;
}

json to_json(const InjectedFault& f) {
  return {{"id", f.id},
          {"service", f.service},
          {"kind", f.kind},
          {"started", time_json(f.started)},
          {"started_ns", f.started},
          {"ended", time_json(f.ended)},
          {"ended_ns", f.ended}};
}

json to_json(const stream::RecentChange& c) {
  return {{"second", c.second},
          {"service", c.service},
          {"kind", c.kind},
          {"detail", c.detail},
          {"credential", c.credential}};
}

stream::RecentChange recent_change_from(const json& from) {
  return {.second = field(from, "second", int64_t{0}),
          .service = field(from, "service", std::string()),
          .kind = field(from, "kind", std::string()),
          .detail = field(from, "detail", std::string()),
          .credential = field(from, "credential", std::string())};
}

InjectedFault fault_from(const json& from) {
  return {.id = field(from, "id", std::string()),
          .service = field(from, "service", std::string()),
          .kind = field(from, "kind", std::string()),
          .started = field(from, "started_ns", UnixNanos{0}),
          .ended = field(from, "ended_ns", UnixNanos{0})};
}

}  // namespace hs::loop
