#include "api/loop/knobs_json.h"

#include <array>

#include "base/json.h"

namespace hs::api::loop {
namespace {

using json::Json;

constexpr std::array<std::string_view, 4> type_names = {"boolean", "integer", "real", "string"};
constexpr std::array<std::string_view, 3> scope_names = {"request", "instance", "service"};

Json value_of(const config::Value& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

Json promoted_of(const values::KnobState& k) {
  if (!k.promoted) return nullptr;
  return {{"value", value_of(k.promoted->value)},
          {"revision", k.promoted->revision},
          {"change", k.promoted->change},
          {"at", format_rfc3339(k.promoted->at)}};
}

Json candidate_of(const values::KnobState& k, MonoNanos now, std::string_view boot_id) {
  if (!k.candidate || !values::is_live(*k.candidate, now, boot_id)) return nullptr;
  const values::Candidate& c = *k.candidate;
  return {
      {"value", value_of(c.value)},      {"revision", c.revision}, {"change", c.change},
      {"exposure", c.exposure},          {"service", c.service},   {"lease_left_ms", (c.deadline - now) / nanos_per_ms},
      {"at", format_rfc3339(c.applied)}, {"instance", c.instance}};
}

void add_declaration(Json& out, const config::Knob& knob) {
  out["effect"] = knob.effect == config::KnobEffect::isolated ? "isolated" : "shared";
  out["applies"] = knob.applies == config::Applies::live ? "live" : "at_start";
  out["description"] = knob.description;
  if (knob.min) out["min"] = *knob.min;
  if (knob.max) out["max"] = *knob.max;
  if (knob.step) out["step"] = *knob.step;
  for (const config::Value& v : knob.variants) out["variants"].push_back(value_of(v));
}

}  // namespace

std::string knobs_json(const values::State& state, std::span<const config::Knob> declared, MonoNanos now,
                       std::string_view boot_id) {
  Json knobs = Json::array();
  for (const values::KnobState& k : state.knobs) {
    Json one = {{"key", k.key},
                {"type", type_names.at(static_cast<size_t>(k.type))},
                {"scope", scope_names.at(static_cast<size_t>(k.scope))},
                {"services", k.services},
                {"base", value_of(k.base)},
                {"value", value_of(k.settled())},
                {"revision", k.settled_revision()},
                {"promoted", promoted_of(k)},
                {"candidate", candidate_of(k, now, boot_id)}};
    for (const config::Knob& knob : declared)
      if (knob.key == k.key) add_declaration(one, knob);
    knobs.push_back(std::move(one));
  }
  return json::dump({{"revision", state.revision}, {"knobs", std::move(knobs)}});
}

}  // namespace hs::api::loop
