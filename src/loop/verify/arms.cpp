#include "loop/verify/arms.h"

#include <algorithm>

#include "base/hash.h"

namespace hs::loop {

UnixNanos start_of(const stream::Outcome& outcome) {
  if (outcome.started != 0) return outcome.started;
  return outcome.second * nanos_per_s - static_cast<UnixNanos>(outcome.duration_ms * nanos_per_ms);
}

Arms::Arm Arms::arm_of(const stream::Outcome& outcome) const {
  if (outcome.variant.empty()) return Arm::unknown;
  bool treated = outcome.variant == setup_.treated_variant;
  // While the candidate lives, control answers carry its revision too: another one was read before it came. An
  // application that tells no revision is believed: what began after the change can only have been answered after it.
  if (outcome.revision != 0 && outcome.revision != setup_.revision) return treated ? Arm::stale : Arm::before;
  return treated ? Arm::treated : Arm::control;
}

void Arms::claim(Arm arm, int64_t second) {
  if (arm == Arm::treated) claims_.treated++, reported_[second].treated++;
  if (arm == Arm::control) claims_.control++, reported_[second].control++;
  if (arm == Arm::stale) claims_.wrong_revision++;
  if (arm == Arm::before) claims_.before++;
  if (arm == Arm::unknown) claims_.unknown++;
}

void Arms::add(const stream::Outcome& outcome) {
  if (outcome.knob != setup_.knob || start_of(outcome) < setup_.start) return;
  uint64_t key = hash64(outcome.operation, hash64(outcome.service, outcome.trace));
  auto known = traces_.find(key);
  Arm arm = arm_of(outcome);
  if (known == traces_.end() && outcome.entry) claim(arm, start_of(outcome) / nanos_per_s);
  if (outcome.by_instance) claims_.by_instance++;
  if (outcome.by_instance || (arm != Arm::treated && arm != Arm::control)) return;
  slowest_ms_ = std::max(slowest_ms_, outcome.duration_ms);
  Unit* unit = unit_of(outcome, (arm == Arm::treated) != setup_.swapped);
  if (unit == nullptr || unit->crossed) return;
  if (known == traces_.end())
    count(*unit, key, outcome);
  else
    again(*unit, known->second, outcome);
}

Arms::Unit* Arms::unit_of(const stream::Outcome& outcome, bool treated) {
  auto found = units_.find(outcome.unit);
  if (found == units_.end()) {
    if (units_.size() >= units_max) {
      claims_.left_out++;
      return nullptr;
    }
    found = units_.emplace(outcome.unit, Unit{.treated = treated, .first_start = start_of(outcome)}).first;
  }
  Unit& unit = found->second;
  unit.first_start = std::min(unit.first_start, start_of(outcome));
  if (unit.treated != treated && !unit.crossed) unit.crossed = true, crossed_++;
  return &unit;
}

uint64_t& Arms::reported_bad(const Unit& unit, const Attempt& attempt) {
  Reported& then = reported_[attempt.second];
  return unit.treated ? then.treated_bad : then.control_bad;
}

void Arms::count(Unit& unit, uint64_t key, const stream::Outcome& outcome) {
  Attempt attempt{.unit = outcome.unit, .second = start_of(outcome) / nanos_per_s};
  for (size_t m = 0; m < measured_count; ++m) {
    int bad = setup_.bad(outcome, static_cast<Aspect>(m));
    attempt.bad[m] = static_cast<int8_t>(bad);
    if (bad < 0) continue;
    unit.n[m] += 1, unit.bad[m] += static_cast<float>(bad);
  }
  if (attempt.bad[objective] == 1) ++reported_bad(unit, attempt);
  if (!unit.treated && attempt.bad[objective] >= 0) {
    Block& block = control_seconds_[outcome.second];
    block.n += 1, block.bad += attempt.bad[objective];
  }
  if (traces_.size() < traces_max) traces_.emplace(key, attempt);
}

void Arms::again(Unit& unit, Attempt& attempt, const stream::Outcome& outcome) {
  if (attempt.unit != outcome.unit) return;
  for (size_t m = 0; m < measured_count; ++m) {
    if (attempt.bad[m] != 1 || setup_.bad(outcome, static_cast<Aspect>(m)) != 0) continue;
    if (m == objective) --reported_bad(unit, attempt);
    attempt.bad[m] = 0;
    unit.bad[m] -= 1;
  }
}

std::vector<UnitTally> Arms::tallies(Aspect measure) const {
  std::vector<UnitTally> out;
  out.reserve(units_.size());
  for (const auto& [id, unit] : units_)
    if (!unit.crossed && unit.n[measure] > 0) out.push_back({unit.treated, unit.n[measure], unit.bad[measure]});
  return out;
}

Reported Arms::reported_before(UnixNanos until) const {
  Reported sum;
  for (auto it = reported_.begin(); it != reported_.end() && it->first < until / nanos_per_s; ++it) {
    sum.treated += it->second.treated, sum.control += it->second.control;
    sum.treated_bad += it->second.treated_bad, sum.control_bad += it->second.control_bad;
  }
  return sum;
}

std::pair<size_t, size_t> Arms::split(UnixNanos until) const {
  size_t all = 0, treated = 0;
  for (const auto& [id, unit] : units_) {
    if (unit.crossed || unit.first_start > until) continue;
    all++, treated += unit.treated;
  }
  return {all, treated};
}

}  // namespace hs::loop
