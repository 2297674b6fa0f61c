#pragma once
// What may be done now: the operator's orders, the budget of changes, the cool-down of what did not help. Counts, never
// decides.

#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "loop/events.h"
#include "loop/machine/policy.h"

namespace hs::loop {

class Permits {
 public:
  static constexpr size_t cooling_max = 10'000;

  void order(const Operator& word);
  bool stopped() const { return stopped_; }
  // "" when a change of this knob may begin now, else why not.
  std::string refusal(const std::string& knob, const Policy& policy, UnixNanos now);
  std::string refusal(const std::string& knob, const std::string& to, const std::string& cause, UnixNanos now);

  void began(UnixNanos now);  // one change of the budget is spent
  void cool(const std::string& knob, const std::string& to, const std::string& cause, UnixNanos until);

  nlohmann::json snapshot() const;
  static Permits restore(const nlohmann::json& from);

 private:
  bool stopped_ = false, frozen_ = false;
  std::set<std::string> frozen_knobs_, forbidden_;
  std::deque<UnixNanos> begun_;                                                     // of the last hour
  std::map<std::tuple<std::string, std::string, std::string>, UnixNanos> cooling_;  // knob, value, cause
};

}  // namespace hs::loop
