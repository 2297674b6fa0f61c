#pragma once
// The real loop in a harness: what app/loop_thread is in the product, without threads. Feeds events, does what is
// asked, feeds the receipts; keeps everything it fed, so that the run can be replayed.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "loop/machine/machine.h"
#include "sim/laws.h"
#include "sim/values.h"

namespace hs::sim {

class Pilot {
 public:
  static constexpr int64_t snapshot_every_s = 5;  // as in the product, and whenever something was decided

  struct Outside {
    Values& values;
    Laws& laws;
    std::function<void(const loop::Action&)> told;  // before it is done
    std::function<UnixNanos()> now;                 // when receipts are written
  };
  // `recorded`: keep the events for replay(), which takes memory.
  Pilot(Outside outside, const loop::Policy& policy, bool recorded);

  void start(UnixNanos at, const config::Declarations& declarations);
  void handle(const loop::Event& event);
  // Once a second, after the frame.
  void save(int64_t second);
  void die() { machine_.reset(); }
  bool alive() const { return machine_ != nullptr; }
  // After its death; `remembers`: it finds what it saved last.
  void come_back(UnixNanos at, const config::Declarations& declarations, bool remembers);
  const loop::Machine& machine() const { return *machine_; }

  // Law 4: a fresh loop, fed what was recorded, asks for the same, byte for byte. The first difference, "" = none.
  std::string replay() const;

 private:
  struct Birth {  // of a machine, from a snapshot or "" from nothing
    std::string snapshot;
    config::Declarations declarations;
  };
  struct Step {
    std::variant<loop::Event, Birth> fed;
    uint64_t asked = 0;  // hash of the actions' text
  };
  void be_born(const Birth& birth);

  Outside outside_;
  loop::Policy policy_;
  bool recorded_, dirty_ = false;
  std::unique_ptr<loop::Machine> machine_;
  std::string saved_;
  int64_t saved_at_ = -1;
  std::vector<Step> steps_;
};

// Every field of it.
std::string text_of(const loop::Action& action);

}  // namespace hs::sim
