#pragma once
// What must hold in every run, whatever the dice say. A violation is a sentence with the second it happened at.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "loop/events.h"
#include "sim/values.h"

namespace hs::sim {

class Laws {
 public:
  Laws(const App& app, const Values& values) : app_(app), values_(values) {}

  // Before the actuator does it.
  void on(const loop::Action& action, int64_t second);
  // After all actions of one step.
  void end_of_step(int64_t second);
  // Each second: `dead_s` = for how long nobody has stepped the loop, 0 = it lives.
  void on_second(int64_t second, int64_t dead_s);
  void forbid_changes(std::string why) { forbidden_ = std::move(why); }
  void broken(int64_t second, std::string what);
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  void on_set(const loop::Change& change, int64_t second);
  void on_record(const loop::Record& record, int64_t second);
  const config::Knob* declared(const std::string& knob) const;

  const App& app_;
  const Values& values_;
  std::set<std::pair<std::string, std::string>> canaries_;  // knob, value
  std::set<std::string> passed_, must_revert_, reverted_;
  std::string forbidden_;
  std::vector<std::string> violations_;
};

}  // namespace hs::sim
