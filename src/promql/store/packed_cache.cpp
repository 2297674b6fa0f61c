#include "promql/store/packed_cache.h"

#include <utility>

namespace hs::promql::store {
namespace {

constexpr size_t entry_bytes = 160;  // the map's node and slot

size_t bytes_of(const PackedCache::Rows& rows) {
  size_t bytes = entry_bytes;
  for (const PackedCache::Row& row : rows) bytes += sizeof row + row.bytes.capacity();
  return bytes;
}

}  // namespace

std::shared_ptr<const PackedCache::Rows> PackedCache::find(const Key& key) const {
  const std::lock_guard lock(mutex_);
  for (const Half* half : {&young_, &old_})
    if (const auto at = half->find(key); at != half->end()) return at->second;
  return nullptr;
}

void PackedCache::put(Key key, std::shared_ptr<const Rows> rows) {
  const size_t bytes = bytes_of(*rows) + key.tenant.size();
  const std::lock_guard lock(mutex_);
  if (bytes_ + bytes > bytes_max / 2) turn();
  if (young_.try_emplace(std::move(key), std::move(rows)).second) bytes_ += bytes;
}

void PackedCache::age(int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (now_ms - turned_ms_ < life_ms) return;
  turned_ms_ = now_ms;
  turn();
}

void PackedCache::turn() {
  old_ = std::exchange(young_, {});
  bytes_ = 0;
}

}  // namespace hs::promql::store
