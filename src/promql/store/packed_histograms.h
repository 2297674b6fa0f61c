#pragma once
// Native histograms of one series in few bytes, appended in the order of time and read as a whole.
//
// A histogram is its distance in time, its buckets' layout when that is another one than before, and how each of its
// numbers changed, as packed samples have it (packed_code.h). Exact for every bit pattern. The bytes are also on disk
// (docs/formats/store.md): a change of how they are packed is a change of the store's format.

#include <string>
#include <vector>

#include "promql/store/packed.h"

namespace hs::promql::store {

// As of packed samples.
bool unpack(const PackedView& packed, int64_t start_ms, int64_t end_ms, std::vector<HistogramPoint>& out);

class PackedHistograms {
 public:
  using Point = HistogramPoint;
  static constexpr uint32_t run_samples = 60;  // some 60 bytes each; a reader unpacks whole runs

  // Later than last_ms().
  void add(const HistogramPoint& point);
  // Appends the histograms in [start_ms, end_ms] to `out`.
  void read(int64_t start_ms, int64_t end_ms, std::vector<HistogramPoint>& out) const;
  PackedView view() const { return {bytes_, size_, first_ms_}; }
  void shrink();  // nothing more will come

  uint32_t size() const { return size_; }
  int64_t first_ms() const { return first_ms_; }
  int64_t last_ms() const { return last_ms_; }
  size_t memory_bytes() const;

 private:
  std::string bytes_;
  uint32_t size_ = 0;
  int64_t first_ms_ = 0, last_ms_ = 0;
  HistogramPtr last_;  // what the next one is compared with; none after shrink()
};

}  // namespace hs::promql::store
