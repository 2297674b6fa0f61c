#pragma once
// From requests to frames, through the real stream: spans with their flag events and a few logs are exported in batches
// of each instance, a second late and more, sometimes lost, sometimes twice; and a forger may add what never happened.

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "sim/app.h"
#include "stream/stream.h"

namespace hs::sim {

enum class Lie : uint8_t {
  none,
  survivors,  // failed requests that were treated lose their flag event: only good ones tell that they were treated
  inverted    // a client library reports the other arm
};

struct Weather {         // of telemetry
  double loss = 0;       // of an instance's batch
  double duplicate = 0;  // of an instance's batch
  double export_s = 1;
  double kept = 1;        // of the traces: the others are not recorded, and nothing says so
  int late_service = -1;  // whose batches take late_s longer
  double late_s = 0;
  bool one_credential = false;
  Lie lie = Lie::none;
  double forged_per_s = 0;  // failing entry requests that a forger with one credential makes up
  int64_t forged_from = 0, forged_to = 0;
};

class Telemetry {
 public:
  Telemetry(const App& app, Weather weather, Dice dice, int64_t epoch);
  void add(const Request& request);
  // Everything that arrived by the end of `second`. Not heard: nobody listened, it is lost.
  stream::Frame flush(int64_t second, bool heard = true);
  void forget();  // the listener was killed

 private:
  struct Row {
    uint64_t trace = 0, user = 0;
    bool attack = false;
    Span span;
    std::vector<Reading> readings;  // inside this span
  };
  struct Key {  // of one batch
    double at = 0;
    int service = 0, instance = 0;
    bool forged = false;
    auto operator<=>(const Key&) const = default;
  };
  struct Parcel {
    int copies = 1;  // 0: lost
    std::vector<Row> rows;
  };
  void send(const Request& request, bool forged);
  Key key_of(const Span& span, bool forged) const;
  bool reports(const Request& request, Reading& reading) const;
  void forge(int64_t second);
  Request fake(double at);
  void deliver(const Key& key, const Parcel& parcel);
  model::Batch batch_of(const Key& key) const;
  model::Batch spans_of(const Key& key, const Parcel& parcel) const;
  model::Batch logs_of(const Key& key, const Parcel& parcel) const;
  void add_span(model::Batch& batch, const Row& row) const;

  const App& app_;
  Weather weather_;
  Dice dice_;
  int64_t epoch_;
  std::map<Key, Parcel> pending_;
  std::unique_ptr<stream::Stream> stream_;
};

}  // namespace hs::sim
