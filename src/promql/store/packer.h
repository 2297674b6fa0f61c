#pragma once
// Packs slots: reads their rows of `samples`, writes each series' together into `packed_samples`, then the slot's row
// in `packed_slots`, which alone makes a packing count. A crash in between leaves rows that nobody reads, and that go
// at the next start.

#include <functional>
#include <string_view>

#include "io/clock.h"
#include "promql/store/packed_index.h"
#include "store/client.h"

namespace hs::promql::store {

inline constexpr int64_t packer_timeout_ms = 120'000;              // two hours of all series, on a busy machine
inline constexpr uint64_t packer_engine_bytes_max = 512ULL << 20;  // as any query of ours
// Of packed_slots. 0: native histograms were not packed.
inline constexpr uint8_t packed_revision = 1;

// One thread uses it.
class Packer {
 public:
  Packer(PackedIndex& index, db::Client& client, io::Clock& clock) : index_(index), client_(client), clock_(clock) {}

  // Once, before the first step: finds out what is packed, and which slots have rows that are not.
  Status load(const std::stop_token& stop);
  // Packs one slot that is due; false when there is none.
  Result<bool> step(int64_t quiet_ms, const std::stop_token& stop);

 private:
  struct Work;
  struct Gathered;
  struct Loading;
  Status pack(const PackedIndex::Due& due, const std::stop_token& stop);
  Status count(Work& work) const;
  Status read_some(const Work& work, const Gathered& rows, std::string_view select,
                   const std::function<bool(const db::ResultBlock&)>& take) const;
  Result<bool> read_samples(Work& work, Gathered& rows) const;
  Result<bool> read_natives(Work& work, Gathered& rows) const;
  Status pack_some(Work& work, size_t begin, size_t end);
  Status remove(const PackedIndex::Packing& packing, const std::stop_token& stop);
  Status merge(int64_t slot, const std::stop_token& stop);

  PackedIndex& index_;
  db::Client& client_;
  io::Clock& clock_;
  uint64_t last_generation_ = 0;
};

}  // namespace hs::promql::store
