#pragma once
// Sampled spans: which of a batch are kept, and what a span says of its sampling. Consistent probability sampling as
// OpenTelemetry defines it (specification/trace/tracestate-probability-sampling): a span is kept when its randomness is
// not below a threshold, both of 56 bits; it then stands for 1 / (1 - threshold / 2^56) spans.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/batch.h"

namespace hs::model {

inline constexpr uint64_t threshold_end = 1ULL << 56;  // thresholds are below it; 0 keeps everything

// The threshold that keeps `probability` of all, at least one of 10,000: nothing may stand for more.
uint64_t threshold_for(double probability);
double probability_of(uint64_t threshold);

// What a tracestate says: "ot=th:<hex>;rv:<14 hex>". Nothing when it does not, or not well.
std::optional<uint64_t> stated_threshold(std::string_view trace_state);
std::optional<uint64_t> stated_randomness(std::string_view trace_state);
// The last 56 bits of a trace id: its randomness, when nothing else is stated.
uint64_t random_bits(const TraceId& id);

// `trace_state` with this threshold, unless a higher one is stated already; other members stay as they are.
std::string with_threshold(std::string_view trace_state, uint64_t threshold);

// Which spans of a batch are stored.
struct Kept {
  static constexpr uint8_t dropped = 0, whole = 1, first_threshold = 2;
  std::span<const uint8_t> codes;  // one a span: dropped, whole, or first_threshold + index; empty: all are whole
  std::span<const uint64_t> thresholds;

  bool has(size_t row) const { return codes.empty() || codes[row] != dropped; }
  // 0: it is stored as it came.
  uint64_t threshold(size_t row) const {
    return codes.empty() || codes[row] < first_threshold ? 0 : thresholds[codes[row] - first_threshold];
  }
};

}  // namespace hs::model
