#pragma once
// The loop, whole: what is wrong and why (Understanding), what to do about it and whether it helped (Control). Pure:
// the same events give the same actions, byte for byte. One thread.

#include <string>
#include <string_view>
#include <vector>

#include "loop/events.h"
#include "loop/incident/understanding.h"
#include "loop/machine/changes.h"
#include "loop/machine/control.h"

namespace hs::loop {

class Machine {
 public:
  explicit Machine(const Policy& policy) : control_(policy) {}

  std::vector<Action> step(const Event& event);
  // Told through the API: a deploy, a restart, a configuration change.
  void note(const stream::RecentChange& change) { understanding_.note(change); }
  // Told by chaos: reaches the KPIs and nothing that decides.
  void injected(const InjectedFault& fault) { understanding_.injected(fault); }
  void set_policy(const Policy& policy) { control_.set_policy(policy); }

  const Understanding& understanding() const { return understanding_; }
  const Control& control() const { return control_; }
  const Changes& changes() const { return changes_; }

  // What a restart must not forget, as JSON. restore() replaces the whole state or changes nothing.
  std::string snapshot() const;
  Status restore(std::string_view snapshot, const config::Declarations& declarations);
  std::string baselines() const { return understanding_.baselines(); }
  Status restore_baselines(std::string_view baselines, UnixNanos at) {
    return understanding_.restore_baselines(baselines, at);
  }

 private:
  std::vector<Action> understand(const stream::Frame& frame);
  void tell(const std::vector<Note>& notes);

  Understanding understanding_;
  Control control_;
  Changes changes_;
  config::Declarations declarations_;
  UnixNanos now_ = 0;
  bool restored_ = false;  // from a snapshot, and not told yet
};

}  // namespace hs::loop
