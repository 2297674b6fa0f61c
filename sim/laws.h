#pragma once
// What must hold in every run, whatever the dice say. A violation is a sentence with the second it happened at.

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "loop/events.h"
#include "loop/machine/policy.h"
#include "sim/values.h"

namespace hs::sim {

class Laws {
 public:
  Laws(const App& app, const Values& values, const loop::Policy& policy)
      : app_(app), values_(values), policy_(policy) {}

  void set_second(int64_t second) { second_ = second; }
  // Before the actuator does it.
  void on(const loop::Action& action);
  void on(const loop::Receipt& receipt);
  // The operator's word, before the loop hears it.
  void on(const loop::Operator& word) { stopped_ = word.order == loop::Order::stop; }
  // After all actions of one second; `dead_s`: for how long nobody has stepped the loop, 0 = it lives.
  void end_of_second(int64_t dead_s);
  // The loop is gone, and its leases have ended.
  void at_end();
  // The loop was killed: what it did after `second` is not in what it will find.
  void forgotten_since(int64_t second) {
    while (!begun_.empty() && begun_.back() > second) begun_.pop_back();
  }
  void forbid_changes(std::string why) { forbidden_ = std::move(why); }
  // This knob breaks what was declared: promoted by mistake, it must soon be taken back.
  void forbid_keeping(std::string knob) { breaks_ = std::move(knob); }
  void broken(std::string what);
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  void on_set(const loop::Change& change);
  void on_promote(const loop::Promote& promote);
  void on_record(const loop::Record& record);
  size_t instances_of(const std::string& knob) const;
  void is_kept();
  void one_at_a_time(const loop::Change& change, const config::Knob& knob);
  const config::Knob* declared(const std::string& knob) const;

  const App& app_;
  const Values& values_;
  loop::Policy policy_;
  int64_t second_ = 0;
  std::set<std::pair<std::string, std::string>> canaries_;  // knob, value
  std::set<std::pair<std::string, std::string>> decided_;   // incident, knob
  std::set<std::string> untold_;                            // knobs whose instances could not be told apart
  std::deque<int64_t> begun_;                               // decisions to act, of the last hour
  std::set<std::string> passed_, must_revert_, reverted_, promoted_;
  bool stopped_ = false;
  std::string forbidden_, breaks_;
  int64_t broken_since_ = -1;  // second
  std::vector<std::string> violations_;
};

}  // namespace hs::sim
