#pragma once
// From requests to frames: spans are exported in batches of each service, a second late and more, sometimes lost,
// sometimes twice; and a forger may add what never happened.

#include <deque>
#include <map>
#include <vector>

#include "sim/app.h"
#include "stream/frame.h"

namespace hs::sim {

enum class Lie : uint8_t {
  none,
  survivors,  // failed requests that were treated lose their flag event: only good ones tell that they were treated
  inverted    // a client library reports the other arm
};

struct Weather {         // of telemetry
  double loss = 0;       // of a service's batch
  double duplicate = 0;  // of a service's batch
  double export_s = 1;
  bool one_credential = false;
  Lie lie = Lie::none;
  double forged_per_s = 0;  // failing entry requests that a forger with one credential makes up
  int64_t forged_from = 0, forged_to = 0;
  bool probes = false;
};

class Telemetry {
 public:
  Telemetry(const App& app, Weather weather, Dice dice, int64_t epoch);
  void add(const Request& request);
  // Everything that arrived by the end of `second`.
  stream::Frame flush(int64_t second);

 private:
  struct Parcel {  // one span, as one cell and one call; or one outcome
    enum class Kind : uint8_t { cell, call, outcome } kind = Kind::cell;
    stream::Cell cell;
    stream::Call call;
    stream::Outcome outcome;
  };
  struct Batch {
    double at = 0;   // when it arrives
    int copies = 1;  // 0: lost
  };
  Batch batch_of(int service, double at);
  void send(const Batch& batch, const Parcel& parcel);
  void add_span(const Span& span, const Batch& batch, const std::string& credential);
  void add_outcomes(const Request& request, const Span& span, const Batch& batch, const std::string& credential);
  void forge(int64_t second);
  Request fake(double at);

  const App& app_;
  Weather weather_;
  Dice dice_;
  int64_t epoch_;
  std::map<int64_t, std::vector<Parcel>> pending_;  // by second of arrival
  std::map<std::pair<int, int64_t>, int> batches_;  // service, batch -> copies
};

}  // namespace hs::sim
