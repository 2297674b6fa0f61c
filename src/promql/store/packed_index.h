#pragma once
// Which slots of two hours are packed: there the samples of a series lie together (table `packed_samples`), so that few
// series over a long time need not be picked from among all series of each hour. `samples` stays the truth: a slot that
// got rows after it was packed is read from there until it is packed again. Only for a store that nobody else writes
// to.

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "promql/store/packed_cache.h"
#include "promql/store/reader.h"

namespace hs::promql::store {

// Thread-safe. As many slots as have samples: a few tens of bytes for two hours.
class PackedIndex {
 public:
  static constexpr int64_t slot_s = 7'200;
  static constexpr int64_t slot_ms = slot_s * 1'000;
  static int64_t slot_of(int64_t ts_ns);  // its first Unix second

  // A slot that is packed, and which of its packings stands. Generations are never used twice.
  struct Packing {
    int64_t slot = 0;
    uint64_t generation = 0;
    bool operator==(const Packing&) const = default;
  };

  // The engine has these rows of `samples` or `distributions`.
  void changed(const db::ResultBlock& rows, int64_t now_ms);
  // At the start: a slot has rows, and this packing (0: none), which is `complete` when it has all of them.
  void loaded(const Packing& packing, bool complete);

  // Packed slots that overlap the window, ascending. Who has read them asks holds() afterwards: when a packing was
  // replaced meanwhile, its rows may have been gone before they were read.
  std::vector<Packing> covering(const Window& window) const;
  bool holds(std::span<const Packing> packings) const;

  // The newest slot that is to be packed: it ended, and got its last row, `quiet_ms` ago or earlier.
  struct Due {
    int64_t slot = 0;
    uint64_t version = 0;
    uint64_t generation = 0;  // of its packing until now
  };
  std::optional<Due> due(int64_t now_ms, int64_t quiet_ms) const;
  // All rows that the slot had are in `generation`. False when more came meanwhile: it is due again.
  bool packed(const Due& due, uint64_t generation);
  // Nothing but `samples` can tell this slot, until it gets more rows.
  void leave(const Due& due);

  struct Counts {
    size_t packed = 0, waiting = 0;
  };
  Counts counts() const;
  PackedCache& cache() const { return cache_; }

 private:
  struct Slot {
    uint64_t generation = 0;
    uint64_t version = 0;  // how often rows came
    int64_t changed_ms = 0;
    enum class State : uint8_t { waiting, packed, left } state = State::waiting;
  };
  mutable std::mutex mutex_;
  std::map<int64_t, Slot> slots_;
  mutable PackedCache cache_;
};

}  // namespace hs::promql::store
