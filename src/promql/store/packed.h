#pragma once
// Samples of one series in few bytes, appended in the order of time and read as a whole.
//
// A sample is a control byte and what it says follows: how the distance in time changed (nothing when it did not), and
// how the value did (nothing when it did not; else the difference of two integers, or the XOR of two floats' bits, with
// as many bytes as it takes). Counters take 2-3 bytes a sample, floats of all digits 9. Exact for every bit pattern.

#include <cstdint>
#include <string>
#include <vector>

#include "promql/source.h"

namespace hs::promql::store {

class Packed {
 public:
  // `t_ms` is later than last_ms().
  void add(int64_t t_ms, double v);
  // Appends the samples in [start_ms, end_ms] to `out`.
  void read(int64_t start_ms, int64_t end_ms, std::vector<FloatPoint>& out) const;
  void shrink() { bytes_.shrink_to_fit(); }  // nothing more will come

  uint32_t size() const { return size_; }
  int64_t first_ms() const { return first_ms_; }
  int64_t last_ms() const { return last_ms_; }
  uint64_t last_bits() const { return last_bits_; }
  size_t memory_bytes() const { return sizeof(Packed) + bytes_.capacity(); }

 private:
  void put(uint64_t value, unsigned bytes);
  unsigned put_value(uint64_t bits);

  std::string bytes_;
  uint32_t size_ = 0;
  int64_t first_ms_ = 0, last_ms_ = 0, distance_ms_ = 0;
  uint64_t last_bits_ = 0;
};

}  // namespace hs::promql::store
