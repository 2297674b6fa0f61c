#include "promql/store/series_cache.h"

namespace hs::promql::store {

void SeriesCache::at_generation(uint64_t generation) {
  if (generation <= generation_) return;
  entries_.clear();
  series_ = 0;
  generation_ = generation;
}

SeriesCache::Entry SeriesCache::find(const std::string& key, uint64_t generation) {
  const std::lock_guard lock(mutex_);
  at_generation(generation);
  if (generation != generation_) return nullptr;
  const auto at = entries_.find(key);
  return at == entries_.end() ? nullptr : at->second;
}

void SeriesCache::put(const std::string& key, uint64_t generation, Entry entry) {
  const std::lock_guard lock(mutex_);
  at_generation(generation);
  if (generation != generation_ || entry->all.size() > series_max) return;
  if (series_ + entry->all.size() + 1 > series_max) {
    entries_.clear();
    series_ = 0;
  }
  series_ += entry->all.size() + 1;  // one that found nothing takes room too
  entries_[key] = std::move(entry);
}

}  // namespace hs::promql::store
