#pragma once
// About how many different values were there? Exact up to 64, then HyperLogLog (Flajolet et al. 2007) with 512
// registers: a standard error of 4.6 %. At most 512 bytes.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hs::limits {

class Sketch {
 public:
  void add(uint64_t hash);
  void merge(const Sketch& other);
  double estimate() const;

 private:
  static constexpr int index_bits = 9;
  static constexpr size_t registers = 1 << index_bits;
  static constexpr size_t exact_max = registers / sizeof(uint64_t);
  void add_register(uint64_t hash);
  void spread();

  std::vector<uint64_t> exact_;     // until there are more
  std::vector<uint8_t> registers_;  // then these
};

// Different values lately: of this period and the one before, so that what ended is forgotten.
class Distinct {
 public:
  void add(uint64_t hash, uint64_t period) {
    turn(period);
    now_.add(hash);
  }
  double estimate(uint64_t period) const;

 private:
  void turn(uint64_t period);
  Sketch now_, before_;
  uint64_t period_ = 0;
};

// Events of the last hour, by five minutes.
class LastHour {
 public:
  void add(uint64_t minute);
  uint64_t count(uint64_t minute) const;

 private:
  static constexpr uint64_t bins = 12, minutes = 5;
  uint32_t count_[bins] = {};
  uint64_t bin_[bins] = {};  // which five minutes `count_` is of
};

}  // namespace hs::limits
