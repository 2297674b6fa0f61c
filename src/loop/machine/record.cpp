#include "loop/machine/record.h"

#include "loop/json.h"

namespace hs::loop {

using nlohmann::json;

json to_json(const config::Value& value) {
  return std::visit([](const auto& v) { return json(v); }, value);
}

Result<config::Value> value_from(const json& from) {
  if (from.is_boolean()) return from.get<bool>();
  if (from.is_number_integer()) return from.get<int64_t>();
  if (from.is_number()) return from.get<double>();
  if (from.is_string()) return from.get<std::string>();
  return fail(Code::invalid_argument, "a knob's value is a boolean, a number or a text");
}

json to_json(const Change& c) {
  return {{"id", c.id},
          {"revision", c.revision},
          {"incident", c.incident},
          {"knob", c.knob},
          {"from", to_json(c.from)},
          {"to", to_json(c.to)},
          {"exposure", c.exposure},
          {"service", c.service},
          {"instance", c.instance},
          {"lease_ms", c.lease_ms},
          {"reason", c.reason}};
}

Result<Change> change_from(const json& from) {
  Change c;
  c.id = field(from, "id", std::string()), c.revision = field(from, "revision", int64_t{0});
  c.incident = field(from, "incident", std::string()), c.knob = field(from, "knob", std::string());
  HS_ASSIGN(c.from, value_from(field(from, "from", json())));
  HS_ASSIGN(c.to, value_from(field(from, "to", json())));
  c.exposure = field(from, "exposure", 0.0), c.service = field(from, "service", std::string());
  c.instance = field(from, "instance", std::string());
  c.lease_ms = field(from, "lease_ms", int64_t{10'000}), c.reason = field(from, "reason", std::string());
  if (c.id.empty() || c.knob.empty()) return fail(Code::invalid_argument, "a change needs an id and a knob");
  return c;
}

json to_json(const Verdict& v) {
  return {{"change", v.change},       {"kind", name_of(v.kind)}, {"evidence", name_of(v.evidence)},
          {"treated", v.treated},     {"control", v.control},    {"treated_n", v.treated_n},
          {"control_n", v.control_n}, {"log_e", v.log_e},        {"why", v.why}};
}

Verdict verdict_from(const json& from) {
  Verdict v;
  v.change = field(from, "change", std::string());
  std::string kind = field(from, "kind", std::string()), evidence = field(from, "evidence", std::string());
  for (auto k :
       {VerdictKind::pass, VerdictKind::fail, VerdictKind::inconclusive, VerdictKind::no_data, VerdictKind::mismatch})
    if (name_of(k) == kind) v.kind = k;
  for (auto e : {Evidence::concurrent_control, Evidence::ramp, Evidence::switchback, Evidence::restored_only})
    if (name_of(e) == evidence) v.evidence = e;
  v.treated = field(from, "treated", 0.0), v.control = field(from, "control", 0.0);
  v.treated_n = field(from, "treated_n", int64_t{0}), v.control_n = field(from, "control_n", int64_t{0});
  v.log_e = field(from, "log_e", 0.0), v.why = field(from, "why", std::string());
  return v;
}

json to_json(const Option& o) {
  return {{"knob", o.knob->key},    {"from", to_json(o.from)}, {"to", to_json(o.move.to)},
          {"log_odds", o.log_odds}, {"score", o.score},        {"reasons", o.reasons}};
}

Action record(std::string kind, const json& what) { return Record{std::move(kind), what.dump()}; }

}  // namespace hs::loop
