#include "sampling/operations.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hs::sampling {

size_t Durations::bucket_of(uint64_t ns) {
  if (ns < first_ns) return 0;
  const auto octave = static_cast<size_t>(std::bit_width(ns) - std::bit_width(first_ns));
  if (octave >= octaves) return per_octave * octaves;
  const size_t eighth = ns >> (std::bit_width(ns) - 4) & (per_octave - 1);  // the three bits after the first
  return octave * per_octave + eighth;
}

void Durations::add(uint64_t ns) {
  ++counts_[bucket_of(ns)];
  if (++total_ < most) return;
  for (float& count : counts_) count /= 2;
  total_ /= 2;
}

uint64_t Durations::quantile(double q) const {
  if (total_ < least) return UINT64_MAX;
  const auto rank = static_cast<float>(q) * total_;
  float below = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    below += counts_[i];
    if (below >= rank && i + 1 < counts_.size())
      return (first_ns << i / per_octave) / per_octave * (per_octave + i % per_octave + 1);
  }
  return UINT64_MAX;
}

Operations::Operation* Operations::find(uint64_t service, uint64_t name, UnixNanos now) {
  const uint64_t key = service * 0x9E3779B97F4A7C15ULL ^ name;
  auto found = operations_.find(key);
  if (found == operations_.end()) {
    size_t& of_service = of_service_[service];
    if (of_service >= per_service_max || operations_.size() >= operations_max) {
      if (of_service == 0) of_service_.erase(service);
      return nullptr;
    }
    ++of_service;
    found = operations_.try_emplace(key).first;
    found->second.service = service;
    found->second.hour = now;
  }
  found->second.seen = now;
  return &found->second;
}

void Operations::refresh(double quantile) {
  for (auto& [key, operation] : operations_)
    operation.slower_than = quantile > 0 ? operation.durations.quantile(quantile) : UINT64_MAX;
}

void Operations::forget_idle(UnixNanos now) {
  std::erase_if(operations_, [&](const auto& entry) {
    if (now - entry.second.seen < idle_s * nanos_per_s) return false;
    const auto of_service = of_service_.find(entry.second.service);
    if (--of_service->second == 0) of_service_.erase(of_service);
    return true;
  });
}

}  // namespace hs::sampling
