#pragma once
// What changes have done to symptoms so far: the memory of the loop. Fed by verdicts and by chaos trials, read by
// decide. Plain counts with decay, so that what was true of last year's application fades.

#include <cstddef>
#include <map>
#include <string>
#include <tuple>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "base/time.h"
#include "loop/types.h"

namespace hs::loop {

inline constexpr size_t effects_max = 10'000;  // keys; beyond, the one with the least evidence is forgotten
inline constexpr double effect_half_life_days = 30;

class Effects {
 public:
  // `to` is a direction (raised, lowered, enabled, disabled) or a variant's text. `weight` in (0, 1]: a chaos trial
  // tells less about a natural fault than a natural fault does.
  void observe(const Effect& key, bool repaired, double weight, UnixNanos at);
  // Posterior of the log odds that this change repairs such a symptom. Knows nothing: mean 0, n 0. What is known of
  // the knob under other kinds of cause counts a quarter.
  Effect estimate(const Effect& key, UnixNanos at) const;

  nlohmann::json snapshot() const;
  static Result<Effects> restore(const nlohmann::json& from);

 private:
  using Key = std::tuple<std::string, std::string, std::string, std::string>;  // knob, to, cause kind, measure
  struct Counts {
    double repaired = 0, failed = 0;
    UnixNanos at = 0;  // when the counts were last decayed
  };
  static Counts decayed(Counts counts, UnixNanos at);
  void make_room();
  std::map<Key, Counts> counts_;
};

}  // namespace hs::loop
