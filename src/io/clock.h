#pragma once
// Time comes through here, so that a test can own it.

#include <mutex>

#include "base/time.h"

namespace hs::io {

// Thread-safe. Production uses system_clock(); tests and the simulator use SimClock.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixNanos wall() = 0;
  virtual MonoNanos mono() = 0;
};

// The machine's clocks: CLOCK_REALTIME and CLOCK_MONOTONIC.
Clock& system_clock();

// Moves only when told to.
class SimClock final : public Clock {
 public:
  explicit SimClock(UnixNanos wall) : wall_(wall) {}
  UnixNanos wall() override;
  MonoNanos mono() override;
  void advance(int64_t nanos);
  void set_wall(UnixNanos wall);  // a step of the wall clock; the monotonic one goes on

 private:
  std::mutex mutex_;
  UnixNanos wall_;
  MonoNanos mono_ = 0;
};

}  // namespace hs::io
