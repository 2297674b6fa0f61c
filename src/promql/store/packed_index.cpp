#include "promql/store/packed_index.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace hs::promql::store {

int64_t PackedIndex::slot_of(int64_t ts_ns) {
  constexpr int64_t slot_ns = slot_s * nanos_per_s;
  return (ts_ns >= 0 ? ts_ns / slot_ns : -((slot_ns - 1 - ts_ns) / slot_ns)) * slot_s;
}

void PackedIndex::changed(const db::ResultBlock& rows, int64_t now_ms) {
  const char* times = column(rows, "ts").bytes.data();
  std::set<int64_t> slots;
  int64_t last = INT64_MIN;
  for (size_t row = 0; row < rows.rows; ++row) {
    int64_t ts = 0;
    std::memcpy(&ts, times + row * 8, 8);
    if (const int64_t slot = slot_of(ts); slot != last) slots.insert(last = slot);
  }
  const std::lock_guard lock(mutex_);
  for (const int64_t start : slots) {
    Slot& slot = slots_[start];
    ++slot.version;
    slot.changed_ms = now_ms;
    slot.state = Slot::State::waiting;
  }
}

void PackedIndex::loaded(const Packing& packing, bool complete) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[packing.slot];
  slot.generation = packing.generation;
  // Rows that came since then may be in what was counted, or not.
  if (complete && slot.version == 0) slot.state = Slot::State::packed;
}

std::vector<PackedIndex::Packing> PackedIndex::covering(const Window& window) const {
  std::vector<Packing> out;
  if (window.end_ms < window.start_ms) return out;
  const std::lock_guard lock(mutex_);
  const int64_t start_s = std::max<int64_t>(window.start_ms, 0) / slot_ms * slot_s;
  for (auto at = slots_.lower_bound(start_s); at != slots_.end() && at->first * 1'000 <= window.end_ms; ++at)
    if (at->second.state == Slot::State::packed) out.push_back({at->first, at->second.generation});
  return out;
}

bool PackedIndex::holds(std::span<const Packing> packings) const {
  const std::lock_guard lock(mutex_);
  return std::all_of(packings.begin(), packings.end(), [&](const Packing& packing) {
    const auto at = slots_.find(packing.slot);
    return at != slots_.end() && at->second.generation == packing.generation;
  });
}

std::optional<PackedIndex::Due> PackedIndex::due(int64_t now_ms, int64_t quiet_ms) const {
  const std::lock_guard lock(mutex_);
  for (auto at = slots_.rbegin(); at != slots_.rend(); ++at) {
    const auto& [start, slot] = *at;
    const int64_t since = std::max(start * 1'000 + slot_ms, slot.changed_ms);
    if (slot.state == Slot::State::waiting && since + quiet_ms <= now_ms)
      return Due{.slot = start, .version = slot.version, .generation = slot.generation};
  }
  return std::nullopt;
}

bool PackedIndex::packed(const Due& due, uint64_t generation) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[due.slot];
  slot.generation = generation;
  if (slot.version != due.version) return false;
  slot.state = Slot::State::packed;
  return true;
}

void PackedIndex::leave(const Due& due) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[due.slot];
  if (slot.version == due.version) slot.state = Slot::State::left;
}

PackedIndex::Counts PackedIndex::counts() const {
  const std::lock_guard lock(mutex_);
  Counts out;
  for (const auto& [start, slot] : slots_) {
    out.packed += slot.state == Slot::State::packed ? 1 : 0;
    out.waiting += slot.state == Slot::State::waiting ? 1 : 0;
  }
  return out;
}

}  // namespace hs::promql::store
