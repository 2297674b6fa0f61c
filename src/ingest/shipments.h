#pragma once
// Recognises what an agent has sent before, without a limit of time: by the name of the shipment, not by its bytes.

#include <cstdint>
#include <list>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/time.h"
#include "ingest/shipment.h"

namespace hs::ingest {

// What is durable, by stream and tenant: all numbers below the oldest that may still come, and some beyond it (an
// agent has few requests open at once). Not thread-safe: Ingest's lock guards it.
class Shipments {
 public:
  // Beyond `streams_max` the streams that were used longest ago are forgotten: their agents ended, as a rule.
  explicit Shipments(uint64_t streams_max) : max_(streams_max) {}

  bool is_durable(std::string_view tenant, const Shipment& shipment) const;
  void add(std::string_view tenant, const Shipment& shipment, UnixNanos now);

  // All of it, for the head of a segment of the journal; empty: nothing.
  std::string snapshot() const;
  void restore(std::string_view snapshot);

  size_t streams() const { return streams_.size(); }

 private:
  struct Stream {
    uint64_t oldest = 0;
    std::set<uint64_t> beyond;  // at most Shipment::open_max: numbers from `oldest` on
    UnixNanos used_at = 0;
    std::list<Hash128>::iterator place;
  };
  Stream& use(const Hash128& key, UnixNanos now);
  static void merge(Stream& stream, uint64_t oldest);

  const uint64_t max_;
  std::unordered_map<Hash128, Stream> streams_;
  std::list<Hash128> by_use_;  // longest ago first
};

}  // namespace hs::ingest
