#pragma once
// The end of `serve`: named steps in order, each with a bound of its own, so that SIGTERM ends everything in under 5 s.
// What took long is said by its name. When the bounds do not hold (a disk that does not answer, a machine without time)
// the process is left all the same: what was acknowledged is in the journal, and the next start takes kill -9 too.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "io/clock.h"

namespace hs::app {

class Stopping {
 public:
  // Requests in flight of all listeners together may take this long; then they are cut off.
  static constexpr int64_t requests_ms = 1'000;
  // A step that takes longer is told when it is over.
  static constexpr int64_t noteworthy_ms = 250;
  // Still not there: which step it is, is said now.
  static constexpr int64_t slow_ms = 3'000;
  // The last resort. Together with what it takes to leave it stays under 5 s.
  static constexpr int64_t leave_ms = 4'500;

  // `before_leaving` is called on a thread of ours before the last resort.
  Stopping(io::Clock& clock, std::function<void()> before_leaving);
  ~Stopping();

  void step(std::string_view what, const std::function<void()>& work);

 private:
  void watch(const std::stop_token& stop);
  int64_t since_ms(MonoNanos begin) const { return (clock_.mono() - begin) / nanos_per_ms; }
  std::string current();

  io::Clock& clock_;
  const std::function<void()> before_leaving_;
  const MonoNanos began_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::string step_;
  std::jthread watcher_;  // last: stops first
};

}  // namespace hs::app
