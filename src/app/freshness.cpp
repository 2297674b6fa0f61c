#include "app/freshness.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

namespace hs::app {
namespace {

// Shared with the callback, which may come after we have stopped waiting.
struct Outcome {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool done = false;
};

}  // namespace

void Freshness::wait() {
  const ingest::Health health = ingest_.health();
  if (stop_.stop_requested() || health.waiting_rows == 0 || health.oldest_waiting_ms >= patience_ms) return;
  int64_t pause_ns = 0;
  {
    const std::lock_guard lock(mutex_);
    const MonoNanos now = clock_.mono();
    pause_ns = next_at_ - now;
    if (pause_ns <= 0) next_at_ = now + spacing_ms * nanos_per_ms;
  }
  if (pause_ns > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(pause_ns));
  const auto outcome = std::make_shared<Outcome>();
  ingest_.flush(patience_ms, [outcome](const Status&) {
    const std::lock_guard lock(outcome->mutex);
    outcome->done = true;
    outcome->changed.notify_all();
  });
  std::unique_lock lock(outcome->mutex);
  outcome->changed.wait_for(lock, stop_.get_token(), std::chrono::milliseconds(patience_ms),
                            [&] { return outcome->done; });
}

}  // namespace hs::app
