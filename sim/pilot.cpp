#include "sim/pilot.h"

#include <deque>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "loop/machine/record.h"

namespace hs::sim {

std::string text_of(const loop::Action& action) {
  if (const auto* a = std::get_if<loop::SetKnob>(&action)) return "set " + loop::to_json(a->change).dump();
  if (const auto* a = std::get_if<loop::Renew>(&action)) return fmt::format("renew {} {}", a->change, a->lease_ms);
  if (const auto* a = std::get_if<loop::Revert>(&action))
    return fmt::format("revert {} {} {}", a->change, a->knob, a->why);
  if (const auto* a = std::get_if<loop::Promote>(&action)) return fmt::format("promote {} {}", a->change, a->knob);
  const auto& record = std::get<loop::Record>(action);
  return fmt::format("record {} {}", record.kind, record.json);
}

namespace {

uint64_t hash_of(const std::vector<loop::Action>& actions) {
  uint64_t hash = actions.size();
  for (const auto& action : actions) hash = hash64(text_of(action), hash);
  return hash;
}

}  // namespace

Pilot::Pilot(Outside outside, const loop::Policy& policy, bool recorded)
    : outside_(std::move(outside)), policy_(policy), recorded_(recorded) {}

void Pilot::be_born(const Birth& birth) {
  machine_ = std::make_unique<loop::Machine>(policy_);
  if (!birth.snapshot.empty())
    if (Status ok = machine_->restore(birth.snapshot, birth.declarations); !ok)
      outside_.laws.broken("its own snapshot is refused: " + ok.error().message);
  if (recorded_) steps_.push_back({birth, 0});
}

void Pilot::start(UnixNanos at, const config::Declarations& declarations) { come_back(at, declarations, false); }

void Pilot::come_back(UnixNanos at, const config::Declarations& declarations, bool remembers) {
  be_born({remembers ? saved_ : "", declarations});
  outside_.laws.forgotten_since(remembers ? saved_at_ : -1);
  handle(loop::ConfigChanged{at, declarations});
  handle(loop::Started{at, outside_.values.states()});
}

void Pilot::save(int64_t second) {
  if (dirty_ || second % snapshot_every_s == 0) saved_ = machine_->snapshot(), saved_at_ = second;
  dirty_ = false;
}

void Pilot::handle(const loop::Event& event) {
  std::deque<loop::Event> events{event};
  while (!events.empty()) {
    const auto actions = machine_->step(events.front());
    if (recorded_) steps_.push_back({std::move(events.front()), hash_of(actions)});
    events.pop_front();
    for (const auto& action : actions) {
      dirty_ = dirty_ || std::holds_alternative<loop::Record>(action);
      outside_.laws.on(action);
      outside_.told(action);
      for (auto& receipt : outside_.values.act(action, outside_.now())) {
        outside_.laws.on(receipt);
        events.emplace_back(std::move(receipt));
      }
    }
  }
}

std::string Pilot::replay() const {
  std::unique_ptr<loop::Machine> machine;
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (const auto* birth = std::get_if<Birth>(&steps_[i].fed)) {
      machine = std::make_unique<loop::Machine>(policy_);
      if (!birth->snapshot.empty() && !machine->restore(birth->snapshot, birth->declarations))
        return fmt::format("event {}: the snapshot is refused", i);
      continue;
    }
    const auto& event = std::get<loop::Event>(steps_[i].fed);
    if (hash_of(machine->step(event)) != steps_[i].asked)
      return fmt::format("event {} of {} has other actions when replayed", i, steps_.size());
  }
  return "";
}

}  // namespace hs::sim
