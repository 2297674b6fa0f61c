#pragma once
// What Homeostat sees with its own eyes, each second: declared probes, and what `values` served. No sender of telemetry
// can forge it, so it corroborates what they say (DESIGN, law 3).

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "config/declarations.h"
#include "io/clock.h"
#include "io/http.h"
#include "stream/frame.h"

namespace hs::app {

class Observer {
 public:
  static constexpr size_t probes_max = 64;      // one thread each: probes wait for slow services
  static constexpr size_t results_max = 1'024;  // kept until the next tick takes them

  // `values_address` "" = nobody to ask. `http` and `clock` outlive it.
  Observer(io::Http& http, io::Clock& clock, std::string values_address);
  ~Observer();

  // Replaces the probes that run.
  void declare(const std::vector<config::Probe>& probes);
  // Moves what was seen since the last call into the frame.
  void fill(stream::Frame& frame);

 private:
  void run_probe(const config::Probe& probe, const std::stop_token& stop);
  void poll_served(const std::stop_token& stop);
  // Sleeps; false when asked to stop.
  bool pause(int64_t ms, const std::stop_token& stop);

  io::Http& http_;
  io::Clock& clock_;
  const std::string values_address_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<stream::ProbeResult> results_;
  std::vector<stream::Served> served_;
  std::vector<std::jthread> probes_;
  std::jthread poller_;
};

}  // namespace hs::app
