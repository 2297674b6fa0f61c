#pragma once
// Rows of packed samples that were read lately: what a panel of few series over a long time asks for at each refresh.
// A question about them costs the engine the same some twenty milliseconds each time, most of it before a row is read.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "promql/store/packed.h"

namespace hs::promql::store {

// What a row of packed_samples has (its column `histograms`).
enum class PackedRow : uint8_t {
  samples,
  samples_beside_others,  // the series has distributions in the slot that only `distributions` tells; maybe no samples
  histograms,             // native ones
};

// Thread-safe. Exact, because the rows of a packing never change; what retention drops is forgotten within two lives.
class PackedCache {
 public:
  static constexpr size_t bytes_max = 32 << 20;          // 20 panels of 20 series over 3 days
  static constexpr size_t question_max = bytes_max / 8;  // one question shall not drive out all others
  static constexpr int64_t life_ms = 600'000;

  struct Row {
    PackedRow kind = PackedRow::samples;
    uint32_t samples = 0;
    int64_t first_ms = 0;
    std::string bytes;
    PackedView view() const { return {bytes, samples, first_ms}; }
  };
  using Rows = std::vector<Row>;  // of a series in a packing: all of them, or none
  struct Key {
    std::string tenant;
    uint64_t series = 0, generation = 0;
    bool operator==(const Key&) const = default;
  };

  std::shared_ptr<const Rows> find(const Key& key) const;  // nullptr: not known
  void put(Key key, std::shared_ptr<const Rows> rows);
  // Whatever was put before the last two lives goes.
  void age(int64_t now_ms);

 private:
  struct Hash {
    size_t operator()(const Key& key) const {
      return std::hash<std::string>()(key.tenant) ^ (key.series + key.generation * 0x9e3779b97f4a7c15ULL);
    }
  };
  using Half = std::unordered_map<Key, std::shared_ptr<const Rows>, Hash>;
  void turn();

  mutable std::mutex mutex_;
  Half young_, old_;  // the older one goes when the younger is full, or lived long enough
  size_t bytes_ = 0;  // of the younger
  int64_t turned_ms_ = 0;
};

}  // namespace hs::promql::store
