#pragma once
// The twin of `homeostat values` and its actuator: the real evaluator on a state in memory, with leases that end by
// themselves. Lives on when the loop is killed.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "loop/events.h"
#include "sim/app.h"
#include "values/state.h"

namespace hs::sim {

class Values : public Answers {
 public:
  explicit Values(const App& app, uint64_t seed);
  config::Value read(int setting, uint64_t user, int instance, Reading& reading) override;
  void set_time(double second) { now_ = static_cast<MonoNanos>(second * 1e9) + 1; }

  // Does what was asked; a receipt for each deed that has one.
  std::vector<loop::Receipt> act(const loop::Action& action, UnixNanos at);
  void set_base(const std::string& knob, const config::Value& base);
  std::vector<stream::Served> served() const;
  std::vector<loop::KnobState> states() const;
  const values::State& state() const { return state_; }
  bool live(const values::KnobState& knob) const;
  // What holds for everybody, with nothing under a lease.
  std::vector<config::Value> settled() const;
  std::vector<config::Value> bases() const;

 private:
  loop::Receipt set(const loop::Change& change, UnixNanos at);
  const App& app_;
  values::State state_;
  Dice dice_;
  MonoNanos now_ = 1;
  std::vector<std::map<std::pair<uint8_t, int64_t>, uint64_t>> served_;  // by knob: variant, revision -> answers
};

// Fixed values for everybody: what would be, if.
struct Fixed : Answers {
  explicit Fixed(std::vector<config::Value> v) : values(std::move(v)) {}
  config::Value read(int setting, uint64_t, int, Reading&) override { return values[static_cast<size_t>(setting)]; }
  std::vector<config::Value> values;
};

}  // namespace hs::sim
