#pragma once
// The service graph: who calls whom, how often, with what success and how slowly, as counters under the names and
// labels of Tempo's metrics-generator. A call is a client (or producer) span and the server (or consumer) span below
// it; both must arrive within wait_s of each other (or, at times, twice that). Counts are weighted by sampling
// probability; a restart begins at 0.
//
// connection_type: "" between two services, "messaging_system" for messages, "database" for a client span that names a
// database, "virtual_node" when one side sends no spans: a root server span is called by "user", a client span with
// peer.service calls that peer. Where the server's side is not known its duration is the client's; where the client's
// is not known (a user), there is no client histogram.

#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/time.h"
#include "model/batch.h"
#include "stream/counted.h"
#include "stream/facts.h"

namespace hs::stream {

class ServiceGraph {
 public:
  static constexpr size_t edges_max = 2'000;     // 22 series each; calls beyond it count under metric_overflow="true"
  static constexpr size_t halves_max = 100'000;  // spans that wait for their other side, about 150 bytes each
  static constexpr int64_t wait_s = 10;

  void add(const model::Batch& batch, UnixNanos now);
  void collect(UnixNanos now, const EachSeries& each);
  uint64_t dropped() const { return dropped_; }    // spans that found no room to wait, since the start
  uint64_t unpaired() const { return unpaired_; }  // spans whose other side did not come in time
  uint64_t overflowed() const { return overflowed_; }

 private:
  static constexpr size_t bounds = 8;
  struct Half {
    bool client = false, failed = false, messaging = false;
    std::string service, peer;
    double seconds = 0, weight = 1;
  };
  using Halves = std::unordered_map<uint64_t, Half>;  // by trace and the client's span id
  struct Edge {
    std::string client, server;
    std::string_view type;
    bool overflow = false, told = false, client_known = true;
    UnixNanos seen = 0;
    double total = 0, failed = 0;
    Counted<bounds> server_seconds, client_seconds;
  };
  struct Call {
    std::string_view client, server, type;
    bool failed = false;
    double weight = 1, server_seconds = 0, client_seconds = -1;  // -1: not known
  };
  void add_span(const model::Batch& batch, size_t row, UnixNanos now);
  void add_client(const model::Batch& batch, size_t row, Half half, UnixNanos now);
  void add_server(const model::Batch& batch, size_t row, Half half, UnixNanos now);
  void meet(uint64_t key, Half half, UnixNanos now);
  bool join(Halves& halves, uint64_t key, const Half& half, UnixNanos now);
  void rotate(UnixNanos now);
  void expire(const Half& half, UnixNanos now);
  void count(const Call& call, UnixNanos now);
  Edge& edge(const Call& call);
  static void tell(Edge& edge, const EachSeries& each);

  Halves young_, old_;  // a half that is still there when old_ is thrown away is unpaired
  UnixNanos rotated_ = 0;
  std::unordered_map<uint64_t, Edge> edges_;
  uint64_t dropped_ = 0, unpaired_ = 0, overflowed_ = 0;
};

}  // namespace hs::stream
