#pragma once
// From telemetry as it arrives to frames: windows, joins, topology, templates, KPI points. It never looks back further
// than its horizon and never grows past its bounds; what it leaves out is counted. One thread calls it. No clock of its
// own: the caller says what time it is, so a recording can be fed again.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "config/declarations.h"
#include "model/batch.h"
#include "stream/frame.h"

namespace hs::stream {

struct Limits {
  size_t names_max = 65'536;                // distinct names (services, operations, instances, peers): 128 bytes each
  size_t operations_per_service_max = 200;  // beyond: "other"; slots silent for 10 minutes are given away
  size_t series_max = 20'000;               // (service, operation, instance, kind, peer)
  size_t joins_max = 400'000;               // spans remembered for joining, about 100 bytes each
  // How long a span waits for its relatives and for flag evaluations, at least half of it: SDKs export each second to
  // each ten, every service at its own moments. Bounded by joins_max where there are many.
  int64_t horizon_s = 30;
  int64_t past_s = 600, future_s = 10;  // event times outside [received - past, received + future] are left out
};

// Runs of each reason to leave something out, since the start.
struct Shed {
  uint64_t names = 0, operations = 0, series = 0, joins = 0, cells = 0, calls = 0, outcomes = 0, templates = 0,
           kpis = 0, times = 0;
  uint64_t total() const {
    return names + operations + series + joins + cells + calls + outcomes + templates + kpis + times;
  }
};

class Stream {
 public:
  explicit Stream(Limits limits = {});
  ~Stream();
  // Which KPIs to count. Called at the start and when the configuration changes.
  void declare(const config::Declarations& declarations);
  // `credential` names who sent it: two services' words are independent only when their credentials are.
  void add(const model::Batch& batch, UnixNanos received_at, std::string_view credential);
  // What arrived since the last tick. probes and served stay empty: the caller fills in what it observed itself.
  Frame tick(UnixNanos now);
  const Shed& shed() const;
  // What it has learned, as bytes, for the time after a restart; restore() before the first batch: all of it, or
  // nothing when the bytes are damaged, of another version, or too old.
  std::string memory(UnixNanos now) const;
  Status restore(std::string_view bytes, UnixNanos now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hs::stream
