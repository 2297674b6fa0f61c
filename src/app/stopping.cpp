#include "app/stopping.h"

#include <unistd.h>

#include "base/log.h"

namespace hs::app {

Stopping::Stopping(io::Clock& clock, std::function<void()> before_leaving)
    : clock_(clock),
      before_leaving_(std::move(before_leaving)),
      began_(clock.mono()),
      watcher_([this](const std::stop_token& stop) { watch(stop); }) {}

Stopping::~Stopping() {
  watcher_.request_stop();
  watcher_.join();
  log::info("everything has stopped", {{"ms", since_ms(began_)}});
}

void Stopping::step(std::string_view what, const std::function<void()>& work) {
  const MonoNanos begin = clock_.mono();
  {
    const std::lock_guard lock(mutex_);
    step_ = what;
  }
  work();
  if (const int64_t ms = since_ms(begin); ms >= noteworthy_ms)
    log::info("stopping: waited", {{"for", what}, {"ms", ms}});
}

std::string Stopping::current() {
  const std::lock_guard lock(mutex_);
  return step_;
}

void Stopping::watch(const std::stop_token& stop) {
  const auto pause_until = [&](int64_t ms) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    wake_.wait_for(lock, stop, std::chrono::milliseconds(ms - since_ms(began_)), [] { return false; });
    return !stop.stop_requested();
  };
  if (!pause_until(slow_ms)) return;
  log::warn("stopping takes long", {{"waiting_for", current()}, {"ms", since_ms(began_)}});
  if (!pause_until(leave_ms)) return;
  log::error("stopping took too long: leaving as it is; nothing acknowledged is lost",
             {{"waiting_for", current()}, {"ms", since_ms(began_)}});
  before_leaving_();
  _exit(0);
}

}  // namespace hs::app
