#pragma once
// Span metrics: how many spans of each service, name, kind and status there were and how long they took, as counters
// under the names and labels of Tempo's metrics-generator, which Grafana's Tempo data source asks for. Counts are exact
// over the spans that arrived, each weighted by its sampling probability. A restart begins at 0.

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/time.h"
#include "model/batch.h"
#include "stream/counted.h"

namespace hs::stream {

class SpanMetrics {
 public:
  // Each combination of labels is 18 series. Beyond the bounds spans are counted under metric_overflow="true": with
  // their service, and beyond the second without one.
  static constexpr size_t per_service_max = 500;
  static constexpr size_t combinations_max = 4'000;
  static constexpr size_t name_bytes_max = 256;  // longer names are cut

  void add(const model::Batch& batch, UnixNanos now);
  // Calls `each` with every series, and forgets those that have been idle.
  void collect(UnixNanos now, const EachSeries& each);
  uint64_t overflowed() const { return overflowed_; }  // spans counted under metric_overflow, since the start

 private:
  static constexpr size_t bounds = 14;
  struct Combination {
    std::string service, name;
    uint8_t kind = 0, status = 0;
    bool overflow = false, told = false;
    UnixNanos seen = 0;
    double calls = 0;
    Counted<bounds> latency;
  };
  Combination& combination(std::string_view service, std::string_view name, uint8_t kind, uint8_t status);
  Combination& overflow(std::string_view service);
  void tell(Combination& combination, const EachSeries& each) const;

  std::unordered_map<uint64_t, Combination> combinations_;
  std::unordered_map<uint64_t, size_t> of_service_;  // combinations of each, by the hash of its name
  uint64_t overflowed_ = 0;
};

}  // namespace hs::stream
