#include "loop/machine/changes.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "loop/json.h"
#include "loop/machine/record.h"

namespace hs::loop {

using nlohmann::json;

Changes::Entry* Changes::mine(std::string_view id) {
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it)
    if (it->change.id == id) return &*it;
  return nullptr;
}

void Changes::note(const std::vector<Action>& actions, UnixNanos at) {
  for (const Action& action : actions) {
    if (const auto* set = std::get_if<SetKnob>(&action)) {
      note_set(set->change, at);
    } else if (const auto* promote = std::get_if<Promote>(&action)) {
      if (Entry* entry = mine(promote->change)) entry->state = "promoted", entry->touched = at;
    } else if (const auto* revert = std::get_if<Revert>(&action)) {
      Entry* entry = mine(revert->change);
      if (entry != nullptr) entry->state = "reverted", entry->why = revert->why, entry->ended = entry->touched = at;
    } else if (const auto* entry = std::get_if<Record>(&action); entry != nullptr && entry->kind == "verdict") {
      note_verdict(*entry);
    }
  }
}

void Changes::note_set(const Change& change, UnixNanos at) {
  if (Entry* known = mine(change.id)) {
    known->change = change;
    known->touched = at;
    return;
  }
  entries_.push_back({.change = change, .at = at, .touched = at});
  if (entries_.size() > changes_kept_max) entries_.pop_front();
}

bool Changes::touched(std::string_view knob, UnixNanos now) const {
  return std::any_of(entries_.rbegin(), entries_.rend(), [&](const Entry& entry) {
    return entry.change.knob == knob && entry.touched + own_echo_s * nanos_per_s > now;
  });
}

void Changes::note_verdict(const Record& record) {
  const json told = json::parse(record.json, nullptr, false);
  if (Entry* entry = mine(field(told, "change", std::string()))) entry->verdict = record.json;
}

void Changes::note(const Receipt& receipt) {
  Entry* entry = mine(receipt.change);
  if (entry == nullptr) return;
  if (receipt.revision != 0) entry->change.revision = receipt.revision;
  if (receipt.deed == Deed::set && !receipt.ok) entry->state = "refused", entry->why = receipt.error;
}

json Changes::snapshot() const {
  json out = json::array();
  for (size_t i = entries_.size() - std::min(entries_.size(), changes_saved_max); i < entries_.size(); ++i) {
    const Entry& e = entries_[i];
    out.push_back({{"change", to_json(e.change)},
                   {"state", e.state},
                   {"at", e.at},
                   {"touched", e.touched},
                   {"ended", e.ended},
                   {"verdict", e.verdict},
                   {"why", e.why}});
  }
  return out;
}

void Changes::restore(const json& from) {
  entries_.clear();
  if (!from.is_array()) return;
  for (const json& one : from) {
    const auto change = change_from(field(one, "change", json()));
    if (!change || entries_.size() >= changes_kept_max) continue;
    entries_.push_back({.change = *change,
                        .state = field(one, "state", std::string()),
                        .at = field(one, "at", UnixNanos{0}),
                        .touched = field(one, "touched", UnixNanos{0}),
                        .ended = field(one, "ended", UnixNanos{0}),
                        .verdict = field(one, "verdict", std::string()),
                        .why = field(one, "why", std::string())});
  }
}

json to_json(const Changes::Entry& entry, const InFlight* live) {
  json out = to_json(entry.change);
  out["state"] = entry.state;
  out["at"] = format_rfc3339(entry.at);
  out["at_ns"] = entry.at;
  out["ended"] = entry.ended == 0 ? json() : json(format_rfc3339(entry.ended));
  out["why"] = entry.why;
  out["verdict"] = entry.verdict.empty() ? json() : json::parse(entry.verdict, nullptr, false);
  if (live != nullptr && entry.verdict.empty())
    out["verdict"] = {{"kind", "running"},    {"treated", live->treated},     {"control", live->control},
                      {"log_e", live->log_e}, {"treated_n", live->treated_n}, {"control_n", live->control_n}};
  out["phase"] = live != nullptr ? json(live->phase) : json();
  return out;
}

}  // namespace hs::loop
