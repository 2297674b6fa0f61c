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

void Memory::add(uint64_t bytes) { used_gauge().set(static_cast<int64_t>(used_.fetch_add(bytes) + bytes)); }

void Memory::subtract(uint64_t bytes) {
  const uint64_t before = used_.fetch_sub(bytes);
  HS_ASSERT(before >= bytes, "more memory is given back than was taken");
  used_gauge().set(static_cast<int64_t>(before - bytes));
}

Memory::Share Memory::take(uint64_t bytes) {
  add(bytes);
  return {*this, bytes, false};
}

std::optional<Memory::Share> Memory::take_for_delivery(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (deliveries_ > 0 && used() + bytes > bytes_max_) return std::nullopt;
  ++deliveries_;
  Share share = take(bytes);
  share.delivery_ = true;
  return share;
}

void Memory::give_back(uint64_t bytes, bool delivery) {
  subtract(bytes);
  if (!delivery) return;
  const std::lock_guard lock(mutex_);
  --deliveries_;
}

void Memory::Share::resize(uint64_t bytes) {
  if (memory_ == nullptr) return;
  if (bytes > bytes_) memory_->add(bytes - bytes_);
  if (bytes < bytes_) memory_->subtract(bytes_ - bytes);
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
