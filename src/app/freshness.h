#pragma once
// Readers see what was acknowledged before they asked: whatever waits for its cut is sent to the engine first.

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "ingest/ingest.h"
#include "io/clock.h"

namespace hs::app {

class Freshness {
 public:
  Freshness(ingest::Ingest& ingest, io::Clock& clock) : ingest_(ingest), clock_(clock) {}
  // Returns when everything acknowledged before the call is in the engine. At once when something waits for longer than
  // `patience_ms` already (the engine is behind, or away: readers get what is there), and after it at the latest. Any
  // thread; blocks.
  void wait();
  // Ends all waiting, also of later calls.
  void stop() { stop_.request_stop(); }

 private:
  // Each flush makes parts of its own, however small: so often at most, whoever asks.
  static constexpr int64_t spacing_ms = 200;
  static constexpr int64_t patience_ms = 10'000;

  ingest::Ingest& ingest_;
  io::Clock& clock_;
  std::mutex mutex_;
  MonoNanos next_at_ = 0;
  std::stop_source stop_;
};

}  // namespace hs::app
