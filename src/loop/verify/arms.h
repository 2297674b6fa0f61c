#pragma once
// Who was treated, and how they fared: joins outcomes to the arms of one change, by unit. The attempts of one request
// (one trace) at one operation count once, and are good if any was.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/time.h"
#include "loop/verify/evidence.h"
#include "stream/frame.h"

namespace hs::loop {

inline constexpr size_t units_max = 20'000;   // of one change; later ones are not counted (their number is)
inline constexpr size_t traces_max = 60'000;  // 45 s at 1,300 requests/s; beyond, retries may count twice

enum Aspect : uint8_t { objective, errors_guard, latency_guard, measured_count };

struct ArmsSetup {
  std::string knob;
  int64_t revision = 0;
  std::string treated_variant = "candidate";
  double exposure = 0;
  UnixNanos start = 0;  // requests that began earlier belong to neither arm
  // What is bad about an outcome, by measure: -1 does not count for it, 0 good, 1 bad.
  std::function<int(const stream::Outcome&, Aspect)> bad;
  bool swapped = false;  // sabotage, for the simulator's mutants: the arms are exchanged
};

// When the request began. Without a recorded start: the earliest that fits the second of its end.
UnixNanos start_of(const stream::Outcome& outcome);

struct Claims {  // what telemetry says, entry request by entry request
  uint64_t treated = 0, control = 0;
  uint64_t wrong_revision = 0;  // of the treated variant, but of another revision
  uint64_t before = 0;          // the other variants, of another revision: read before the change came
  uint64_t unknown = 0;         // no variant: the application used its own default
  uint64_t by_instance = 0;     // no targeting key
  uint64_t left_out = 0;        // bounds reached
};

struct Reported {  // claims of some seconds, and what was bad of the objective
  uint64_t treated = 0, control = 0;
  uint64_t treated_bad = 0, control_bad = 0;
};

class Arms {
 public:
  explicit Arms(ArmsSetup setup) : setup_(std::move(setup)) {}
  void add(const stream::Outcome& outcome);

  std::vector<UnitTally> tallies(Aspect measure) const;
  Contrast contrast(Aspect measure) const { return loop::contrast(tallies(measure), setup_.exposure); }
  const Claims& claims() const { return claims_; }
  // Claims of requests that began before `until`, in whole seconds.
  Reported reported_before(UnixNanos until) const;
  const ArmsSetup& setup() const { return setup_; }
  size_t units() const { return units_.size(); }
  size_t crossed() const { return crossed_; }
  double slowest_ms() const { return slowest_ms_; }
  // Units first seen before `until`, and how many of them are treated. Older than the slowest request, they are
  // complete in both arms: their split must be the declared exposure.
  std::pair<size_t, size_t> split(UnixNanos until) const;
  // Control requests by second of their end, for "did it end by itself?".
  const std::map<int64_t, Block>& control_seconds() const { return control_seconds_; }

 private:
  struct Unit {
    bool treated = false, crossed = false;
    UnixNanos first_start = 0;
    std::array<float, measured_count> n{}, bad{};
  };
  struct Attempt {
    uint64_t unit = 0;
    int64_t second = 0;  // of its start
    std::array<int8_t, measured_count> bad{};
  };
  enum class Arm : uint8_t { treated, control, stale, before, unknown };
  Arm arm_of(const stream::Outcome& outcome) const;
  void claim(Arm arm, int64_t second);
  Unit* unit_of(const stream::Outcome& outcome, bool treated);
  void count(Unit& unit, uint64_t key, const stream::Outcome& outcome);
  uint64_t& reported_bad(const Unit& unit, const Attempt& attempt);
  void again(Unit& unit, Attempt& attempt, const stream::Outcome& outcome);

  ArmsSetup setup_;
  Claims claims_;
  std::unordered_map<uint64_t, Unit> units_;
  std::unordered_map<uint64_t, Attempt> traces_;  // by trace and operation
  std::map<int64_t, Block> control_seconds_;
  std::map<int64_t, Reported> reported_;  // by second of their start
  size_t crossed_ = 0;
  double slowest_ms_ = 0;
};

}  // namespace hs::loop
