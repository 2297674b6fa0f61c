#pragma once
// What is usual for an operation (a service's entry span of a name): how long it takes, how often it is seen.

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "base/time.h"

namespace hs::sampling {

// Durations in buckets an eighth of an octave wide, from 1 us to 18 min: a quantile is right to 9 %. Older ones count
// less and less. Of fixed size, because names of operations come from outside.
class Durations {
 public:
  static constexpr float least = 200;    // observations before a quantile means anything
  static constexpr float most = 20'000;  // then all counts are halved

  void add(uint64_t ns);
  // Upper bound of the bucket of this quantile; UINT64_MAX while too few are known.
  uint64_t quantile(double q) const;

 private:
  static constexpr size_t per_octave = 8, octaves = 30;
  static constexpr uint64_t first_ns = 1024;
  static size_t bucket_of(uint64_t ns);
  std::array<float, per_octave * octaves + 1> counts_{};
  float total_ = 0;
};

class Operations {
 public:
  // Beyond these bounds an operation is not known: it is neither slow by its quantile nor rare, so that a sender of
  // unbounded names does not have everything kept.
  static constexpr size_t operations_max = 10'000;  // 1 KiB each
  static constexpr size_t per_service_max = 500;
  static constexpr int64_t idle_s = 86'400;  // after that one makes room

  struct Operation {
    Durations durations;
    uint64_t slower_than = UINT64_MAX;  // as of the last refresh
    uint64_t traces = 0;                // decided on since `hour`
    UnixNanos hour = 0, seen = 0;
    uint64_t service = 0;
  };
  // nullptr: no room. Valid until forget_idle().
  Operation* find(uint64_t service, uint64_t name, UnixNanos now);
  // Computes the quantiles anew.
  void refresh(double quantile);
  void forget_idle(UnixNanos now);
  size_t size() const { return operations_.size(); }

 private:
  std::unordered_map<uint64_t, Operation> operations_;
  std::unordered_map<uint64_t, size_t> of_service_;
};

}  // namespace hs::sampling
