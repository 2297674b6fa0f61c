#include "sim/laws.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loop/json.h"
#include "loop/machine/control.h"

namespace hs::sim {
namespace {
constexpr int64_t lease_max_s = 11;  // 10 s, and the second in which it was granted
constexpr size_t violations_max = 20;
}  // namespace

void Laws::broken(int64_t second, std::string what) {
  if (violations_.size() < violations_max) violations_.push_back(fmt::format("at {} s: {}", second, what));
}

const config::Knob* Laws::declared(const std::string& knob) const {
  for (const auto& s : app_.settings)
    if (s.knob.key == knob) return &s.knob;
  return nullptr;
}

void Laws::on(const loop::Action& action, int64_t second) {
  if (const auto* set = std::get_if<loop::SetKnob>(&action)) on_set(set->change, second);
  if (const auto* revert = std::get_if<loop::Revert>(&action)) reverted_.insert(revert->change);
  if (const auto* record = std::get_if<loop::Record>(&action)) on_record(*record, second);
  if (const auto* promote = std::get_if<loop::Promote>(&action))
    if (!passed_.contains(promote->change)) broken(second, "promoted without PASS: " + promote->change);
}

void Laws::on_set(const loop::Change& change, int64_t second) {
  const config::Knob* knob = declared(change.knob);
  if (knob == nullptr) return broken(second, "changes an undeclared knob " + change.knob);
  if (auto ok = values::check_allowed(*knob, change.to); !ok) broken(second, ok.error().message);
  if (change.exposure <= 0 || change.exposure > 1) broken(second, "exposure out of range");
  if (change.lease_ms <= 0 || change.reason.empty()) broken(second, "a change without lease or reason");
  if (!forbidden_.empty()) broken(second, fmt::format("changed {} although {}", change.knob, forbidden_));
  bool shared = knob->effect == config::KnobEffect::shared;
  bool first = std::none_of(values_.state().knobs.begin(), values_.state().knobs.end(),
                            [&](const auto& k) { return values_.live(k) && k.candidate->change == change.id; });
  bool contained = knob->scope == config::KnobScope::request && !shared;
  bool canary_before = !canaries_.insert({change.knob, config::to_text(change.to)}).second;
  if (contained && first && !canary_before && change.exposure > 0.5 && change.to != knob->base)
    broken(second, "an isolated effect did not begin in a canary");
  for (const auto& other : app_.settings) {
    const auto* state = values_.state().find(other.knob.key);
    if (state == nullptr || !values_.live(*state) || state->candidate->change == change.id) continue;
    if (reverted_.contains(state->candidate->change)) continue;
    if (loop::share_services(other.knob, *knob))
      broken(second, fmt::format("{} while {} is in flight for the same service", change.knob, other.knob.key));
  }
}

void Laws::on_record(const loop::Record& record, int64_t second) {
  auto what = nlohmann::json::parse(record.json, nullptr, false);
  if (what.is_discarded()) return broken(second, "a record that is not JSON");
  if (record.kind != "verdict") return;
  auto change = loop::field(what, "change", std::string()), kind = loop::field(what, "kind", std::string());
  (kind == "PASS" ? passed_ : must_revert_).insert(change);
}

void Laws::end_of_step(int64_t second) {
  for (const auto& change : must_revert_)
    if (!reverted_.contains(change)) broken(second, "not reverted after its verdict: " + change);
  must_revert_.clear();
}

void Laws::on_second(int64_t second, int64_t dead_s) {
  if (dead_s <= lease_max_s) return;
  for (const auto& k : values_.state().knobs)
    if (values_.live(k)) broken(second, fmt::format("{} is still a candidate {} s after the loop died", k.key, dead_s));
}

}  // namespace hs::sim
