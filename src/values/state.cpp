#include "values/state.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/hash.h"

namespace hs::values {
namespace {

double as_number(const config::Value& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return static_cast<double>(*integer);
  return std::get<double>(value);
}

Status refuse(const config::Knob& knob, const config::Value& value, std::string_view why) {
  return fail(Code::permission_denied,
              fmt::format("{} is not a value that knob {} may have: {}", config::to_text(value), knob.key, why));
}

Status check_range(const config::Knob& knob, const config::Value& value) {
  const double x = as_number(value);
  if (!std::isfinite(x)) return refuse(knob, value, "it is not finite");
  if (knob.min && x < *knob.min) return refuse(knob, value, fmt::format("the least is {}", *knob.min));
  if (knob.max && x > *knob.max) return refuse(knob, value, fmt::format("the greatest is {}", *knob.max));
  if (knob.step && *knob.step > 0) {
    const double steps = (x - knob.min.value_or(0)) / *knob.step;
    // Steps such as 0.1 are not exact in binary: a millionth of a step is the same value.
    if (std::abs(steps - std::round(steps)) > 1e-6) return refuse(knob, value, fmt::format("steps are {}", *knob.step));
  }
  return {};
}

}  // namespace

KnobState* State::find(std::string_view key) {
  const auto at = std::find_if(knobs.begin(), knobs.end(), [&](const KnobState& k) { return k.key == key; });
  return at == knobs.end() ? nullptr : &*at;
}
const KnobState* State::find(std::string_view key) const { return const_cast<State*>(this)->find(key); }

bool is_of(const config::Value& value, config::KnobType type) { return value.index() == static_cast<size_t>(type); }

Status check_allowed(const config::Knob& knob, const config::Value& value) {
  if (!is_of(value, knob.type)) return refuse(knob, value, "it is of another type");
  if (!knob.variants.empty() && std::find(knob.variants.begin(), knob.variants.end(), value) == knob.variants.end())
    return refuse(knob, value, "it is not one of the declared variants");
  if (knob.type == config::KnobType::string && knob.variants.empty() && value != knob.base)
    return refuse(knob, value, "a string knob has only its declared variants");
  const bool numeric = knob.type == config::KnobType::integer || knob.type == config::KnobType::real;
  return numeric ? check_range(knob, value) : Status{};
}

std::string_view unit_of(config::KnobScope scope, const Context& context) {
  if (scope == config::KnobScope::service) return {};
  const bool instance_first = scope == config::KnobScope::instance;
  const std::string_view first = instance_first ? context.instance : context.targeting_key;
  const std::string_view second = instance_first ? context.targeting_key : context.instance;
  return first.empty() ? second : first;
}

double bucket_of(uint64_t salt, std::string_view unit) {
  return static_cast<double>(hash64(unit, salt) >> 11) * 0x1.0p-53;
}

bool is_live(const Candidate& candidate, MonoNanos now, std::string_view boot_id) {
  // A deadline farther away than any lease was counted on another clock.
  return now < candidate.deadline && candidate.deadline - now <= lease_ms_max * nanos_per_ms &&
         candidate.boot_id == boot_id;
}

bool concerns(const KnobState& knob, const Candidate& candidate, const Context& context) {
  if (candidate.service.empty() || candidate.service == context.service) return true;
  return context.service.empty() && knob.services.size() == 1 && knob.services.front() == candidate.service;
}

bool is_treated(const Candidate& candidate, std::string_view unit) {
  if (candidate.instance.empty()) return !unit.empty() && bucket_of(candidate.salt, unit) < candidate.exposure;
  return unit == candidate.instance;
}

Answer evaluate(const KnobState& knob, const Context& context, MonoNanos now, std::string_view boot_id) {
  Answer answer{&knob.settled(), knob.promoted ? Variant::promoted : Variant::base, Reason::fixed,
                knob.settled_revision()};
  if (!knob.candidate || !is_live(*knob.candidate, now, boot_id)) return answer;
  const Candidate& candidate = *knob.candidate;
  if (!concerns(knob, candidate, context)) return answer;

  answer.revision = candidate.revision;
  const bool everybody = candidate.exposure >= 1 && candidate.instance.empty();
  answer.reason = everybody ? Reason::match : Reason::split;
  if (everybody || is_treated(candidate, unit_of(knob.scope, context))) {
    answer.value = &candidate.value;
    answer.variant = Variant::candidate;
  }
  return answer;
}

std::string_view name_of(Variant variant) {
  constexpr std::array<std::string_view, 3> names = {"base", "candidate", "promoted"};
  return names.at(static_cast<size_t>(variant));
}

std::string_view name_of(Reason reason) {
  constexpr std::array<std::string_view, 3> names = {"STATIC", "SPLIT", "TARGETING_MATCH"};
  return names.at(static_cast<size_t>(reason));
}

}  // namespace hs::values
