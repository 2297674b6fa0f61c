#include "ingest/shipments.h"

#include <algorithm>
#include <cstring>

#include "base/archive.h"
#include "base/metrics.h"

namespace hs::ingest {
namespace {

metrics::Counter& forgotten() {
  static metrics::Counter counter("homeostat_ingest_agent_streams_forgotten_total",
                                  "Streams of agents whose repetitions are no longer recognised: there were too many.");
  return counter;
}

Hash128 key_of(std::string_view tenant, const Shipment& shipment) {
  char bytes[sizeof shipment.stream];
  std::memcpy(bytes, &shipment.stream, sizeof bytes);
  return hash128({bytes, sizeof bytes}, hash64(tenant));
}

}  // namespace

bool Shipments::is_durable(std::string_view tenant, const Shipment& shipment) const {
  const auto found = streams_.find(key_of(tenant, shipment));
  if (found == streams_.end()) return false;
  return shipment.number < found->second.oldest || found->second.beyond.contains(shipment.number);
}

Shipments::Stream& Shipments::use(const Hash128& key, UnixNanos now) {
  const auto [found, is_new] = streams_.try_emplace(key);
  Stream& stream = found->second;
  if (is_new)
    stream.place = by_use_.insert(by_use_.end(), key);
  else
    by_use_.splice(by_use_.end(), by_use_, stream.place);
  stream.used_at = std::max(stream.used_at, now);
  if (streams_.size() > max_) {
    streams_.erase(by_use_.front());
    by_use_.pop_front();
    forgotten().add();
  }
  return stream;
}

void Shipments::merge(Stream& stream, uint64_t oldest) {
  stream.oldest = std::max(stream.oldest, oldest);
  stream.beyond.erase(stream.beyond.begin(), stream.beyond.lower_bound(stream.oldest));
}

void Shipments::add(std::string_view tenant, const Shipment& shipment, UnixNanos now) {
  Stream& stream = use(key_of(tenant, shipment), now);
  stream.beyond.insert(shipment.number);
  merge(stream, shipment.oldest);
}

// Longest ago first, so that restoring keeps the order.
std::string Shipments::snapshot() const {
  archive::Writer out;
  for (Hash128 key : by_use_) {
    const Stream& stream = streams_.at(key);
    std::vector<uint64_t> beyond(stream.beyond.begin(), stream.beyond.end());
    uint64_t oldest = stream.oldest;
    UnixNanos used_at = stream.used_at;
    archive::all(out, key.high, key.low, used_at, oldest, beyond);
  }
  return std::move(out.out);
}

// Knowledge only grows: what a snapshot tells is added to what is known.
void Shipments::restore(std::string_view snapshot) {
  archive::Reader in(snapshot);
  while (!in.done()) {
    Hash128 key;
    UnixNanos used_at = 0;
    uint64_t oldest = 0;
    std::vector<uint64_t> beyond;
    archive::all(in, key.high, key.low, used_at, oldest, beyond);
    if (!in.good()) return;
    Stream& stream = use(key, used_at);
    stream.beyond.insert(beyond.begin(), beyond.end());
    merge(stream, oldest);
  }
}

}  // namespace hs::ingest
