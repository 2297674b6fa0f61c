#include "sim/laws.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loop/json.h"
#include "loop/machine/control.h"

namespace hs::sim {
namespace {
constexpr int64_t lease_max_s = 11;  // 10 s, and the second in which it was granted
constexpr int64_t hour_s = 3'600;
constexpr int64_t kept_max_s = 40;  // seconds until a promoted change must show what it breaks
constexpr size_t violations_max = 20;
}  // namespace

void Laws::broken(std::string what) {
  if (violations_.size() < violations_max) violations_.push_back(fmt::format("at {} s: {}", second_, what));
}

const config::Knob* Laws::declared(const std::string& knob) const {
  for (const auto& s : app_.settings)
    if (s.knob.key == knob) return &s.knob;
  return nullptr;
}

void Laws::on(const loop::Action& action) {
  if (const auto* set = std::get_if<loop::SetKnob>(&action)) on_set(set->change);
  if (const auto* revert = std::get_if<loop::Revert>(&action)) reverted_.insert(revert->change);
  if (const auto* record = std::get_if<loop::Record>(&action)) on_record(*record);
  if (const auto* promote = std::get_if<loop::Promote>(&action)) on_promote(*promote);
}

void Laws::on(const loop::Receipt& receipt) {
  if (receipt.deed == loop::Deed::promoted && receipt.ok) promoted_.insert(receipt.change);
}

void Laws::on_promote(const loop::Promote& promote) {
  if (!passed_.contains(promote.change)) broken("promoted without PASS: " + promote.change);
  if (stopped_) broken("promoted after the operator's stop: " + promote.knob);
}

size_t Laws::instances_of(const std::string& knob) const {
  for (const auto& s : app_.settings)
    if (s.knob.key == knob) return app_.services[static_cast<size_t>(app_.reader_of(s))].instances.size();
  return 0;
}

void Laws::on_set(const loop::Change& change) {
  const config::Knob* knob = declared(change.knob);
  if (knob == nullptr) return broken("changes an undeclared knob " + change.knob);
  if (auto ok = values::check_allowed(*knob, change.to); !ok) broken(ok.error().message);
  if (change.exposure <= 0 || change.exposure > 1) broken("exposure out of range");
  if (change.lease_ms <= 0 || change.reason.empty()) broken("a change without lease or reason");
  if (!forbidden_.empty()) broken(fmt::format("changed {} although {}", change.knob, forbidden_));
  if (stopped_) broken("changed after the operator's stop: " + change.knob);
  if (!decided_.contains({change.incident, change.knob})) broken("changed without a recorded decision: " + change.knob);
  bool shared = knob->effect == config::KnobEffect::shared;
  bool first = std::none_of(values_.state().knobs.begin(), values_.state().knobs.end(),
                            [&](const auto& k) { return values_.live(k) && k.candidate->change == change.id; });
  bool contained = knob->scope == config::KnobScope::request && !shared;
  bool canary_before = !canaries_.insert({change.knob, config::to_text(change.to)}).second;
  if (contained && first && !canary_before && change.exposure > 0.5 && change.to != knob->base)
    broken("an isolated effect did not begin in a canary");
  const bool by_instance = knob->scope == config::KnobScope::instance && instances_of(knob->key) > 1;
  if (by_instance && first && !canary_before && change.instance.empty() && change.to != knob->base &&
      !untold_.contains(knob->key))
    broken("a value that is decided for an instance began with everybody: " + knob->key);
  one_at_a_time(change, *knob);
}

void Laws::one_at_a_time(const loop::Change& change, const config::Knob& knob) {
  for (const auto& other : app_.settings) {
    const auto* state = values_.state().find(other.knob.key);
    if (state == nullptr || !values_.live(*state) || state->candidate->change == change.id) continue;
    if (reverted_.contains(state->candidate->change)) continue;
    if (loop::share_services(other.knob, knob))
      broken(fmt::format("{} while {} is in flight for the same service", change.knob, other.knob.key));
  }
}

void Laws::on_record(const loop::Record& record) {
  auto what = nlohmann::json::parse(record.json, nullptr, false);
  if (what.is_discarded()) return broken("a record that is not JSON");
  if (record.kind == "decision" && what.contains("corroboration")) {  // to act: "<knob>: <from> -> <to> (<why>)"
    auto text = loop::field(what, "decision", std::string());
    decided_.insert({loop::field(what, "incident", std::string()), text.substr(0, text.find(": "))});
    begun_.push_back(second_);
    while (begun_.front() <= second_ - hour_s) begun_.pop_front();
    if (begun_.size() > policy_.changes_per_hour) broken(fmt::format("{} changes within an hour", begun_.size()));
  }
  if (record.kind != "verdict") return;
  auto change = loop::field(what, "change", std::string()), kind = loop::field(what, "kind", std::string());
  (kind == "PASS" ? passed_ : must_revert_).insert(change);
  if (kind == "NO DATA") untold_.insert(loop::field(what, "knob", std::string()));
  bool data = loop::field(what, "treated_n", 0) > 0 && loop::field(what, "control_n", 0) > 0 &&
              loop::field(what, "evidence", std::string()) != "none";
  if (kind == "PASS" && !data) broken("PASS without data: " + record.json);
}

void Laws::is_kept() {
  const auto* state = values_.state().find(breaks_);
  if (state == nullptr || !state->promoted) {
    broken_since_ = -1;
    return;
  }
  if (broken_since_ < 0) broken_since_ = second_;
  if (second_ - broken_since_ == kept_max_s)
    broken(fmt::format("{} is kept for {} s, though it breaks what was declared", breaks_, kept_max_s));
}

void Laws::end_of_second(int64_t dead_s) {
  if (dead_s == 0 && !breaks_.empty()) is_kept();
  for (const auto& change : must_revert_)
    if (!reverted_.contains(change)) broken("not reverted after its verdict: " + change);
  must_revert_.clear();
  for (const auto& k : values_.state().knobs) {
    if (dead_s > lease_max_s && values_.live(k))
      broken(fmt::format("{} is still a candidate {} s after the loop died", k.key, dead_s));
    if (stopped_ && dead_s == 0 && (values_.live(k) || k.promoted))
      broken(k.key + " is changed after the operator's stop");
  }
}

void Laws::at_end() {
  for (const auto& k : values_.state().knobs) {
    if (values_.live(k)) broken(k.key + " is left under a lease");
    if (k.promoted && !(passed_.contains(k.promoted->change) && promoted_.contains(k.promoted->change)))
      broken(k.key + " is left changed, and nothing passed");
    const config::Knob* knob = declared(k.key);
    if (knob != nullptr && k.base != knob->base) broken("the base of " + k.key + " was changed");
  }
}

}  // namespace hs::sim
