#pragma once
// Which series a selector found, so that the next panel that asks the same need not look again. Exact: an entry is good
// for as long as nothing new was described (store::IngestSink::series_generation). Thread-safe.

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "promql/store/finder.h"

namespace hs::promql::store {

class SeriesCache {
 public:
  using Entry = std::shared_ptr<const FoundSeries>;
  // All entries together; a series takes some 1 KB. Beyond it everything is forgotten.
  static constexpr size_t series_max = 200'000;

  Entry find(const std::string& key, uint64_t generation);
  // `generation` is what it was before the series were read.
  void put(const std::string& key, uint64_t generation, Entry entry);

 private:
  void at_generation(uint64_t generation);
  std::mutex mutex_;
  uint64_t generation_ = 0;
  size_t series_ = 0;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace hs::promql::store
