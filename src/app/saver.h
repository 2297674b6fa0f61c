#pragma once
// Replaces files on a thread of its own: a slow disk must not keep the loop from renewing its leases.

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace hs::app {

// Of each path only the newest content waits. The destructor writes what waits.
class Saver {
 public:
  Saver();
  ~Saver();
  void save(const std::string& path, std::string content);

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::map<std::string, std::string> waiting_;  // path -> content: as many as there are files
  std::jthread thread_;                         // last: stops first
};

}  // namespace hs::app
