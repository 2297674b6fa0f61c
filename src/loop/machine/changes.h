#pragma once
// The changes that were made lately, each with its life: for /v1/changes and the console. Fed with the loop's own
// actions and the actuator's receipts.

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "loop/events.h"
#include "loop/machine/control.h"

namespace hs::loop {

inline constexpr int64_t own_echo_s = 60;          // telemetry tells of a change after the SDKs' delays
inline constexpr size_t changes_kept_max = 2'000;  // older ones are in the ledger
inline constexpr size_t changes_saved_max = 500;   // over a restart: written every few seconds

class Changes {
 public:
  struct Entry {
    Change change;
    std::string state = "candidate";  // candidate | promoted | reverted | refused
    UnixNanos at = 0, touched = 0, ended = 0;
    std::string verdict;  // JSON of the verdict, "" until there is one
    std::string why;      // of the reversal
  };
  void note(const std::vector<Action>& actions, UnixNanos at);
  void note(const Receipt& receipt);
  // Whether the loop itself set, widened, promoted or reverted this knob within own_echo_s before `now`.
  bool touched(std::string_view knob, UnixNanos now) const;
  const std::deque<Entry>& all() const { return entries_; }  // the oldest first
  const Entry* find(std::string_view id) const { return const_cast<Changes*>(this)->mine(id); }

  nlohmann::json snapshot() const;  // of the newest changes_saved_max
  void restore(const nlohmann::json& from);

 private:
  Entry* mine(std::string_view id);
  void note_set(const Change& change, UnixNanos at);
  void note_verdict(const Record& record);
  std::deque<Entry> entries_;
};

// One object of /v1/changes; `live` is what the arms say at this moment, when the change is in flight.
nlohmann::json to_json(const Changes::Entry& entry, const InFlight* live);

}  // namespace hs::loop
