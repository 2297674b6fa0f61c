#pragma once
// A healthy system, second by second, as frames: what a detector sees for days without anything being wrong. Healthy
// does not mean quiet: errors come in bursts of single users, single instances pause, load follows the day, doubles and
// halves, and latency follows load a little.

#include <cstdint>
#include <string>
#include <vector>

#include "loop/testing/dice.h"
#include "stream/frame.h"

namespace hs::loop::testing {

struct HealthyOptions {
  uint64_t seed = 1;
  int services = 12, operations = 2, edges = 20;  // streams = services * operations + edges
  double requests_per_s = 12;                     // of each operation, on average
  double day_s = 7'200;                           // length of a "day"
  double error_rate = 0.003;
  double bursts_per_hour = 6;   // of each service: one user's errors, 4 to 12 of them within 5 s
  double pauses_per_hour = 12;  // of each service: a second in which a third of the requests wait 80 ms
  double surges_per_hour = 1;   // load doubles or halves for some minutes
};

class Healthy {
 public:
  explicit Healthy(const HealthyOptions& options);
  stream::Frame next();
  int64_t second() const { return second_; }
  // From now on: this share of the requests of stream `index` fails, and its durations are multiplied.
  void disturb(int index, double errors, double slowness) { index_ = index, errors_ = errors, slowness_ = slowness; }
  void set(int index, double per_s, double ms) {
    streams_[static_cast<size_t>(index)].rate = per_s;
    streams_[static_cast<size_t>(index)].ms = ms;
  }
  std::string service_of(int index) const { return streams_[static_cast<size_t>(index)].service; }

 private:
  struct Source {
    std::string service, operation, peer;
    uint8_t kind = 2;
    double rate = 10, ms = 5, sigma = 0.5;
    int home = 0;  // index of its service
  };
  struct Burst {
    int left = 0;
    double per_s = 0;
  };
  double load();
  HealthyOptions options_;
  Dice dice_;
  std::vector<Source> streams_;
  std::vector<Burst> bursts_;
  int64_t second_ = 1'800'000'000;
  double surge_ = 1, surge_left_ = 0;
  int index_ = -1;
  double errors_ = 0, slowness_ = 1;
};

}  // namespace hs::loop::testing
