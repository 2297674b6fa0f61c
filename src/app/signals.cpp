#include "app/signals.h"

#include <ctime>
#include <initializer_list>

namespace hs::app {

Signals::Signals() {
  sigemptyset(&set_);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set_, signal);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a client that goes away is an error of write(), not the end of the process
}

int Signals::wait(int timeout_ms) {
  if (timeout_ms < 0) {
    int signal = 0;
    sigwait(&set_, &signal);
    return signal;
  }
  const timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
  const int signal = sigtimedwait(&set_, nullptr, &timeout);
  return signal < 0 ? 0 : signal;
}

}  // namespace hs::app
