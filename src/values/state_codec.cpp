// The text of the state file (docs/formats/values_state.md).

#include <array>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "base/json.h"
#include "values/state.h"

namespace hs::values {
namespace {

using json::Json;

constexpr std::string_view format_name = "homeostat-values/1";
// Persistent names, in the order of the enums.
constexpr std::array<std::string_view, 4> type_names = {"boolean", "integer", "real", "string"};
constexpr std::array<std::string_view, 3> scope_names = {"request", "instance", "service"};

Json value_to_json(const config::Value& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

tl::unexpected<Error> wrong(std::string_view where, std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("state file: {}: {}", where, what));
}

Result<config::Value> value_of(const Json& object, config::KnobType type, std::string_view where) {
  switch (type) {
    case config::KnobType::boolean:
      if (const auto v = json::boolean(object, "value")) return *v;
      break;
    case config::KnobType::integer:
      if (const auto v = json::integer(object, "value")) return *v;
      break;
    case config::KnobType::real:
      if (const auto v = json::number(object, "value")) return *v;
      break;
    case config::KnobType::string:
      if (const auto v = json::text(object, "value")) return std::string(*v);
      break;
  }
  return wrong(where, "the value is missing or of another type than the knob");
}

template <class Enum, size_t n>
Result<Enum> enum_of(const Json& object, std::string_view key, const std::array<std::string_view, n>& names,
                     std::string_view where) {
  const auto text = json::text(object, key);
  for (size_t i = 0; text && i < n; ++i)
    if (names[i] == *text) return static_cast<Enum>(i);
  return wrong(where, fmt::format("\"{}\" is missing or unknown", key));
}

Result<int64_t> revision_of(const Json& object, std::string_view where) {
  const auto revision = json::integer(object, "revision");
  if (!revision || *revision < 0) return wrong(where, "\"revision\" is missing or negative");
  return *revision;
}

Result<uint64_t> salt_of(const Json& object, std::string_view where) {
  const auto text = json::text(object, "salt");
  uint64_t salt = 0;
  if (!text || text->size() != 16) return wrong(where, "\"salt\" is not 16 hex digits");
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), salt, 16);
  if (error != std::errc() || end != text->data() + text->size()) return wrong(where, "\"salt\" is not 16 hex digits");
  return salt;
}

Result<Promoted> promoted_of(const Json& object, config::KnobType type, std::string_view where) {
  Promoted p;
  HS_ASSIGN(p.value, value_of(object, type, where));
  HS_ASSIGN(p.revision, revision_of(object, where));
  p.change = json::text(object, "change").value_or("");
  p.at = json::integer(object, "at_unix_ns").value_or(0);
  return p;
}

Result<Candidate> candidate_of(const Json& object, config::KnobType type, std::string_view where) {
  Candidate c;
  HS_ASSIGN(c.value, value_of(object, type, where));
  HS_ASSIGN(c.revision, revision_of(object, where));
  HS_ASSIGN(c.salt, salt_of(object, where));
  const auto exposure = json::number(object, "exposure");
  if (!exposure || !(*exposure > 0 && *exposure <= 1)) return wrong(where, "\"exposure\" is not in (0, 1]");
  const auto deadline = json::integer(object, "deadline_mono_ns");
  const auto boot = json::text(object, "boot_id");
  if (!deadline || !boot) return wrong(where, "the lease (deadline_mono_ns, boot_id) is missing");
  c.exposure = *exposure;
  c.deadline = *deadline;
  c.boot_id = *boot;
  c.change = json::text(object, "change").value_or("");
  c.service = json::text(object, "service").value_or("");
  c.instance = json::text(object, "instance").value_or("");
  c.applied = json::integer(object, "applied_unix_ns").value_or(0);
  return c;
}

Result<KnobState> knob_of(const Json& object) {
  KnobState k;
  k.key = json::text(object, "key").value_or("");
  if (k.key.empty()) return wrong("a knob", "\"key\" is missing");
  const std::string where = fmt::format("knob {}", k.key);
  HS_ASSIGN(k.type, enum_of<config::KnobType>(object, "type", type_names, where));
  HS_ASSIGN(k.scope, enum_of<config::KnobScope>(object, "scope", scope_names, where));
  if (const Json* services = json::find(object, "services"); services != nullptr && services->is_array())
    for (const Json& service : *services)
      if (service.is_string()) k.services.push_back(*service.get_ptr<const std::string*>());
  const Json* base = json::find(object, "base");
  if (base == nullptr) return wrong(where, "\"base\" is missing");
  HS_ASSIGN(k.base, value_of(*base, k.type, where));
  HS_ASSIGN(k.base_revision, revision_of(*base, where));
  if (const Json* promoted = json::find(object, "promoted")) {
    HS_ASSIGN(k.promoted, promoted_of(*promoted, k.type, where));
  }
  if (const Json* candidate = json::find(object, "candidate")) {
    HS_ASSIGN(k.candidate, candidate_of(*candidate, k.type, where));
  }
  return k;
}

Json to_json(const Candidate& c) {
  return {{"value", value_to_json(c.value)},
          {"revision", c.revision},
          {"change", c.change},
          {"exposure", c.exposure},
          {"salt", fmt::format("{:016x}", c.salt)},
          {"service", c.service},
          {"instance", c.instance},
          {"deadline_mono_ns", c.deadline},
          {"boot_id", c.boot_id},
          {"applied_unix_ns", c.applied}};
}

Json to_json(const KnobState& k) {
  Json object = {{"key", k.key},
                 {"type", type_names.at(static_cast<size_t>(k.type))},
                 {"scope", scope_names.at(static_cast<size_t>(k.scope))},
                 {"services", k.services},
                 {"base", {{"value", value_to_json(k.base)}, {"revision", k.base_revision}}}};
  if (k.promoted)
    object["promoted"] = {{"value", value_to_json(k.promoted->value)},
                          {"revision", k.promoted->revision},
                          {"change", k.promoted->change},
                          {"at_unix_ns", k.promoted->at}};
  if (k.candidate) object["candidate"] = to_json(*k.candidate);
  return object;
}

}  // namespace

std::string encode(const State& state) {
  Json knobs = Json::array();
  for (const KnobState& k : state.knobs) knobs.push_back(to_json(k));
  const Json document = {{"format", format_name}, {"revision", state.revision}, {"knobs", std::move(knobs)}};
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';  // people read it in an emergency
}

Result<State> decode(std::string_view text) {
  HS_ASSIGN(const Json document, json::parse(text, "the state file"));
  if (json::text(document, "format") != format_name)
    return wrong("the document", fmt::format("\"format\" is not \"{}\"", format_name));
  State state;
  HS_ASSIGN(state.revision, revision_of(document, "the document"));
  const Json* knobs = json::find(document, "knobs");
  if (knobs == nullptr || !knobs->is_array() || knobs->size() > knobs_max)
    return wrong("the document", fmt::format("\"knobs\" is not a list of at most {}", knobs_max));
  std::set<std::string_view> keys;
  state.knobs.reserve(knobs->size());
  for (const Json& object : *knobs) {
    HS_ASSIGN(KnobState knob, knob_of(object));
    state.knobs.push_back(std::move(knob));
    if (!keys.insert(state.knobs.back().key).second) return wrong(state.knobs.back().key, "the knob is there twice");
  }
  return state;
}

}  // namespace hs::values
