#include "ingest/memory.h"

#include "base/assert.h"
#include "base/metrics.h"

namespace hs::ingest {
namespace {

metrics::Gauge& used_gauge() {
  static metrics::Gauge gauge("homeostat_ingest_memory_bytes",
                              "Batches and blocks in memory, of ingest.memory_max at most.");
  return gauge;
}

}  // namespace

void Memory::change(std::atomic<uint64_t>& pool, uint64_t from, uint64_t to) {
  const uint64_t before = pool.fetch_add(to - from);
  HS_ASSERT(before >= from, "more memory is given back than was taken");
  used_gauge().set(static_cast<int64_t>(used()));
}

Memory::Share Memory::take(uint64_t bytes) {
  change(batches_, 0, bytes);
  return {*this, bytes, false};
}

std::optional<Memory::Share> Memory::take_for_delivery(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (under_way_ > 0 && deliveries_ + bytes > bytes_max_ / 16 * 5) return std::nullopt;
  ++under_way_;
  change(deliveries_, 0, bytes);
  return Share(*this, bytes, true);
}

void Memory::give_back(uint64_t bytes, bool delivery) {
  change(pool(delivery), bytes, 0);
  if (!delivery) return;
  const std::lock_guard lock(mutex_);
  --under_way_;
}

void Memory::Share::resize(uint64_t bytes) {
  if (memory_ != nullptr) memory_->change(memory_->pool(delivery_), bytes_, bytes);
  bytes_ = bytes;
}

std::shared_ptr<const model::Batch> share_batch(model::Batch batch, Memory::Share share) {
  struct Shared {
    Memory::Share share;  // goes after the batch
    model::Batch batch;
  };
  const auto shared = std::make_shared<Shared>(Shared{std::move(share), std::move(batch)});
  return {shared, &shared->batch};
}

}  // namespace hs::ingest
