#pragma once
// What the loop thread publishes once a second, for everybody who asks over HTTP: whole, immutable, already JSON.
// Nobody who reads it can slow the loop down or see half a step.
//
// Shapes (docs/api.md has all members; times are RFC 3339 texts or null):
//   incident   loop::Incident by its members' names, symptoms and causes as objects
//   change     loop::Change by its members' names, and "state" (candidate | holding | promoted | reverted | expired),
//              "at", "lease_left_ms", "verdict": loop::Verdict or null (also the running one: the arms' live numbers)

#include <memory>
#include <string>
#include <vector>

#include "base/time.h"

namespace hs::api::loop {

inline constexpr size_t items_max = 2'000;  // incidents and changes each; older ones are in the ledger

// One incident or change. An unchanged one is shared with the snapshot before, so publishing stays cheap.
struct Item {
  std::string id;
  std::string state;
  std::string json;  // one object
};
using ItemPtr = std::shared_ptr<const Item>;

struct Snapshot {
  UnixNanos at = 0;
  std::vector<ItemPtr> incidents;  // newest first
  std::vector<ItemPtr> changes;    // newest first
  // Whole answers. Each is one JSON object.
  std::string knobs = R"({"knobs":[]})";  // knobs_json()
  std::string kpis = R"({"kpis":[]})";
  std::string objectives = R"({"objectives":[]})";
  std::string status = "{}";  // "mode": acting | watching | stopped | frozen, "why", and what else is worth showing
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace hs::api::loop
