#include "io/clock.h"

#include <ctime>

namespace hs::io {
namespace {

int64_t read(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return t.tv_sec * nanos_per_s + t.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  UnixNanos wall() override { return read(CLOCK_REALTIME); }
  MonoNanos mono() override { return read(CLOCK_MONOTONIC); }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

UnixNanos SimClock::wall() {
  const std::lock_guard lock(mutex_);
  return wall_;
}

MonoNanos SimClock::mono() {
  const std::lock_guard lock(mutex_);
  return mono_;
}

void SimClock::advance(int64_t nanos) {
  const std::lock_guard lock(mutex_);
  wall_ += nanos;
  mono_ += nanos;
}

void SimClock::set_wall(UnixNanos wall) {
  const std::lock_guard lock(mutex_);
  wall_ = wall;
}

}  // namespace hs::io
