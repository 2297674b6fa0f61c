#pragma once
// The process `homeostat values`, but for its socket: the app binds it and calls handler().

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/http_message.h"
#include "io/clock.h"
#include "io/files.h"
#include "values/ofrep.h"

namespace hs::values {

inline constexpr int64_t state_poll_ms = 50;  // how late a change may be seen; one stat each

// Owns the locked file <directory>/pid (one values process per data directory; its text is the pid, and the
// address once it is known) and a thread that watches the state file. It starts without a state file, and without
// `serve`, and says so on /healthz.
class Service {
 public:
  // conflict when another process serves this directory already.
  static Result<std::unique_ptr<Service>> start(const std::string& directory, io::Clock& clock);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // For any thread of the server; must not be called once the service is destroyed.
  http::Handler handler();
  // Writes "pid address" into the lock file, for `serve` and for people.
  Status announce(const std::string& address);

 private:
  Service(const std::string& directory, io::Clock& clock, io::FileLock lock, std::string run);
  void watch(const std::stop_token& stop);

  io::FileLock lock_;
  Reader reader_;
  ServedCounts served_;
  OfrepHandler ofrep_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread watcher_;  // last: stops first
};

// Who serves `directory`, by its lock file. not_found when nobody does (a pid left in a file without a lock is nobody).
struct Running {
  int pid = 0;
  std::string address;  // "" until it is bound
};
Result<Running> running(const std::string& directory);

}  // namespace hs::values
