#pragma once
// Signals as a queue: blocked in every thread, taken one by one by whoever waits.

#include <csignal>

namespace hs::app {

// Call first in main's thread, before any other thread exists: all later threads inherit the mask.
class Signals {
 public:
  Signals();
  // Waits for SIGTERM, SIGINT or SIGHUP, at most `timeout_ms` (< 0: for ever); 0 when none came.
  int wait(int timeout_ms = -1);

 private:
  sigset_t set_{};
};

}  // namespace hs::app
