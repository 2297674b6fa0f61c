#pragma once
// Keeps one engine child alive: starts it, waits until it answers, restarts it when it dies, stops it cleanly. Never
// two at once: the next one starts after the last one's exit was seen, and the child itself waits for its directory's
// lock, which also keeps out an orphan of a killed parent.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/http.h"

namespace hs::store {

struct SupervisorOptions {
  std::vector<std::string> command;  // the child's argv: {self, "engine", "--data", dir, ...}
  io::Endpoint endpoint;             // where it answers /ping
  int64_t backoff_min_ms = 100;      // after a death; doubles with each that follows within a minute
  int64_t backoff_max_ms = 5'000;    // so that it is back within 10 s
  // A child that does not answer by then is killed: it may wait for an orphan's lock. The next one gets twice the time,
  // up to start_timeout_max_ms: a starved machine must not be given up on for ever just before it would be there.
  int64_t start_timeout_ms = 60'000;
  int64_t start_timeout_max_ms = 600'000;
  int64_t stop_timeout_ms = 1'500;  // between SIGTERM and SIGKILL; it gives running inserts 1 s (engine.cpp)
};

class EngineSupervisor {
 public:
  struct State {
    bool ready = false;  // answers /ping
    pid_t pid = 0;       // 0: none
    uint64_t starts = 0;
    uint64_t failed_starts = 0;  // in a row: none of them came to answer
    std::string reason;          // why it is not ready, for /readyz: the last failure's, too, while it is tried again
  };

  // Starts the thread that starts the child; returns at once. `http` must outlive it.
  EngineSupervisor(SupervisorOptions options, io::Http& http);
  // As stop().
  ~EngineSupervisor();

  State state() const;
  // Waits until the engine answers; false after `timeout_ms` or when stopped.
  bool wait_ready(int64_t timeout_ms);
  // Tells the child to end, waits, kills it when it does not. Idempotent.
  void stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace hs::store
