#pragma once
// The budget of memory for what comes in (ingest.memory_max): a batch counts from its admission until the last of the
// journal, the senders, the stream and the sampler has let go of it; a block until the engine has it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "model/batch.h"

namespace hs::ingest {

// Thread-safe. Outlives its shares.
class Memory {
 public:
  explicit Memory(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // Bytes of the budget, given back when it is destroyed.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept { *this = std::move(other); }
    Share& operator=(Share&& other) noexcept {
      std::swap(memory_, other.memory_);
      std::swap(bytes_, other.bytes_);
      std::swap(delivery_, other.delivery_);
      return *this;
    }
    ~Share() {
      if (memory_ != nullptr) memory_->give_back(bytes_, delivery_);
    }
    uint64_t bytes() const { return bytes_; }
    void resize(uint64_t bytes);

   private:
    friend class Memory;
    Share(Memory& memory, uint64_t bytes, bool delivery) : memory_(&memory), bytes_(bytes), delivery_(delivery) {}
    Memory* memory_ = nullptr;
    uint64_t bytes_ = 0;
    bool delivery_ = false;
  };

  // Without asking for room: whoever comes in has asked has_room() before.
  Share take(uint64_t bytes);
  // For a cut that is decoded again, or encoded. Nothing when there is no room in five sixteenths, unless no other
  // delivery is under way: one must always go on, or nothing would ever be given back.
  std::optional<Share> take_for_delivery(uint64_t bytes);

  // May a request of so many bytes come in? Deliveries have room of their own, so that an engine that is behind is no
  // reason to refuse.
  bool has_room(uint64_t bytes) const { return batches_.load() + bytes <= bytes_max_ / 16 * 11; }
  uint64_t used() const { return batches_.load() + deliveries_.load(); }

 private:
  std::atomic<uint64_t>& pool(bool delivery) { return delivery ? deliveries_ : batches_; }
  void change(std::atomic<uint64_t>& pool, uint64_t from, uint64_t to);
  void give_back(uint64_t bytes, bool delivery);

  const uint64_t bytes_max_;
  std::mutex mutex_;  // one delivery at a time decides
  uint64_t under_way_ = 0;
  std::atomic<uint64_t> batches_{0}, deliveries_{0};  // bytes
};

// The batch, which holds its share as long as anybody has it.
std::shared_ptr<const model::Batch> share_batch(model::Batch batch, Memory::Share share);

}  // namespace hs::ingest
