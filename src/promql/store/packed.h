#pragma once
// Samples of one series in few bytes, appended in the order of time and read as a whole.
//
// A sample is a control byte and what it says follows: how the distance in time changed (nothing when it did not), and
// how the value did (nothing when it did not; else the difference of two integers, or the XOR of two floats' bits, with
// as many bytes as it takes). Counters take 2-3 bytes a sample, floats of all digits 9. Exact for every bit pattern.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "promql/source.h"

namespace hs::promql::store {

// What packed samples say of themselves. Their bytes are also on disk (docs/formats/store.md): a change of how they are
// packed is a change of the store's format.
struct PackedView {
  std::string_view bytes;
  uint32_t samples = 0;
  int64_t first_ms = 0;
};
// Appends the samples in [start_ms, end_ms] to `out`. False when the bytes are not those of so many samples: then what
// was appended is worth nothing. Never reads beyond them.
bool unpack(const PackedView& packed, int64_t start_ms, int64_t end_ms, std::vector<FloatPoint>& out);

class Packed {
 public:
  using Point = FloatPoint;
  static constexpr uint32_t run_samples = 120;  // half an hour of 15 s; a reader unpacks whole runs

  void add(const FloatPoint& point) { add(point.t_ms, point.v); }
  // `t_ms` is later than last_ms().
  void add(int64_t t_ms, double v);
  // Appends the samples in [start_ms, end_ms] to `out`.
  void read(int64_t start_ms, int64_t end_ms, std::vector<FloatPoint>& out) const;
  PackedView view() const { return {bytes_, size_, first_ms_}; }
  void shrink() { bytes_.shrink_to_fit(); }  // nothing more will come

  uint32_t size() const { return size_; }
  int64_t first_ms() const { return first_ms_; }
  int64_t last_ms() const { return last_ms_; }
  uint64_t last_bits() const { return last_bits_; }
  size_t memory_bytes() const { return sizeof(Packed) + bytes_.capacity(); }

 private:
  std::string bytes_;
  uint32_t size_ = 0;
  int64_t first_ms_ = 0, last_ms_ = 0, distance_ms_ = 0;
  uint64_t last_bits_ = 0;
};

}  // namespace hs::promql::store
