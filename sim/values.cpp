#include "sim/values.h"

#include <algorithm>

#include <fmt/format.h>

#include "loop/machine/control.h"

namespace hs::sim {
namespace {
const std::string boot = "sim";
constexpr size_t user_text = 24;
}  // namespace

Values::Values(const App& app, uint64_t seed) : app_(app), dice_(seed) {
  for (const auto& s : app.settings) {
    values::KnobState k;
    k.key = s.knob.key, k.type = s.knob.type, k.scope = s.knob.scope, k.services = s.knob.services;
    k.base = s.knob.base, k.base_revision = ++state_.revision;
    state_.knobs.push_back(std::move(k));
  }
  served_.resize(state_.knobs.size());
}

config::Value Values::read(int setting, uint64_t user, int instance, Reading& reading) {
  values::KnobState& knob = state_.knobs[static_cast<size_t>(setting)];
  char text[user_text];
  auto end = fmt::format_to(text, "u{}", user);
  values::Context context{.targeting_key = std::string_view(text, static_cast<size_t>(end - text))};
  context.service = knob.services.empty() ? "" : knob.services[0];
  std::string name;
  if (knob.scope == config::KnobScope::instance)
    context.instance = name =
        app_.name_of_instance(app_.reader_of(app_.settings[static_cast<size_t>(setting)]), instance);
  auto answer = values::evaluate(knob, context, now_, boot);
  reading.variant = static_cast<uint8_t>(answer.variant), reading.revision = answer.revision;
  served_[static_cast<size_t>(setting)][{reading.variant, reading.revision}]++;
  return *answer.value;
}

bool Values::live(const values::KnobState& knob) const {
  return knob.candidate && values::is_live(*knob.candidate, now_, boot);
}

loop::Receipt Values::set(const loop::Change& change, UnixNanos at) {
  loop::Receipt receipt{.deed = loop::Deed::set, .change = change.id, .at = at};
  values::KnobState* knob = state_.find(change.knob);
  if (knob == nullptr) return receipt.error = "no such knob", receipt;
  bool grows = live(*knob) && knob->candidate->change == change.id;
  if (live(*knob) && !grows) return receipt.error = "another change is under way", receipt;
  values::Candidate next{.value = change.to, .revision = ++state_.revision, .change = change.id};
  next.instance = change.instance;
  next.exposure = change.exposure, next.salt = grows ? knob->candidate->salt : dice_.next();
  next.service = change.service, next.deadline = now_ + change.lease_ms * nanos_per_ms, next.boot_id = boot;
  knob->candidate = next;
  receipt.ok = true, receipt.revision = next.revision, receipt.previous = knob->settled();
  return receipt;
}

std::vector<loop::Receipt> Values::act(const loop::Action& action, UnixNanos at) {
  if (const auto* s = std::get_if<loop::SetKnob>(&action)) return {set(s->change, at)};
  if (const auto* renew = std::get_if<loop::Renew>(&action)) {
    for (auto& k : state_.knobs)
      if (live(k) && k.candidate->change == renew->change) {
        k.candidate->deadline = now_ + renew->lease_ms * nanos_per_ms;
        return {};
      }
    return {{.deed = loop::Deed::renewed, .change = renew->change, .error = "not live", .at = at}};
  }
  if (const auto* revert = std::get_if<loop::Revert>(&action)) {
    loop::Receipt receipt{.deed = loop::Deed::reverted, .change = revert->change, .ok = true, .at = at};
    for (auto& k : state_.knobs) {
      if (k.candidate && k.candidate->change == revert->change) k.candidate.reset();
      if (k.promoted && k.promoted->change == revert->change) k.promoted.reset(), k.base_revision = ++state_.revision;
    }
    return {receipt};
  }
  if (const auto* promote = std::get_if<loop::Promote>(&action)) {
    loop::Receipt receipt{.deed = loop::Deed::promoted, .change = promote->change, .at = at};
    for (auto& k : state_.knobs) {
      if (!live(k) || k.candidate->change != promote->change) continue;
      k.promoted = values::Promoted{k.candidate->value, k.candidate->revision, k.candidate->change, at};
      receipt.ok = true, receipt.revision = k.candidate->revision;
      k.candidate.reset();
    }
    if (!receipt.ok) receipt.error = "its lease ran out";
    return {receipt};
  }
  return {};
}

void Values::set_base(const std::string& key, const config::Value& base) {
  values::KnobState* knob = state_.find(key);
  if (knob != nullptr && knob->base != base) knob->base = base, knob->base_revision = ++state_.revision;
}

std::vector<stream::Served> Values::served() const {
  std::vector<stream::Served> out;
  for (size_t i = 0; i < served_.size(); ++i)
    for (const auto& [answer, count] : served_[i])
      out.push_back({state_.knobs[i].key, std::string(values::name_of(static_cast<values::Variant>(answer.first))),
                     answer.second, count});
  return out;
}

std::vector<loop::KnobState> Values::states() const {
  std::vector<loop::KnobState> out;
  for (const auto& k : state_.knobs)
    out.push_back({k.key, k.settled(), k.promoted ? k.promoted->change : "", live(k) ? k.candidate->change : ""});
  return out;
}

std::vector<config::Value> Values::settled() const {
  std::vector<config::Value> out;
  for (const auto& k : state_.knobs) out.push_back(k.settled());
  return out;
}

std::vector<config::Value> Values::bases() const {
  std::vector<config::Value> out;
  for (const auto& k : state_.knobs) out.push_back(k.base);
  return out;
}

}  // namespace hs::sim
