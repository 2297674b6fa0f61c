#pragma once
// A hash table from 64-bit hashes to small values: open addressing, no erase, cleared whole. For tables that live for
// some seconds and are touched for every span or point. 0 and 1 are the same hash.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hs {

struct Nothing {};

template <class V>
class FlatTable {
 public:
  V* find(uint64_t key) {
    if (slots_.empty()) return nullptr;
    Slot& slot = slots_[place(key)];
    return slot.key == 0 ? nullptr : &slot.value;
  }
  // The value of `key`, made if it is new. References are valid until the next insert.
  V& at(uint64_t key) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = slots_[place(key)];
    if (slot.key == 0) {
      slot.key = named(key);
      ++size_;
    }
    return slot.value;
  }
  // True when it is new: for sets (FlatTable<Nothing>).
  bool insert(uint64_t key) {
    const size_t before = size_;
    at(key);
    return size_ != before;
  }
  size_t size() const { return size_; }
  void clear() {
    const size_t wanted = room_for(size_);
    slots_.assign(wanted, Slot{});  // follows the last use, so that one flood is not paid for ever
    size_ = 0;
  }
  template <class F>
  void each(F&& f) {
    for (Slot& slot : slots_)
      if (slot.key != 0) f(slot.key, slot.value);
  }
  template <class F>
  void each(F&& f) const {
    for (const Slot& slot : slots_)
      if (slot.key != 0) f(slot.key, slot.value);
  }

 private:
  struct Slot {
    uint64_t key = 0;
    [[no_unique_address]] V value{};
  };
  static uint64_t named(uint64_t key) { return key == 0 ? 1 : key; }  // 0 marks an empty slot
  static size_t room_for(size_t items) {
    size_t room = 64;
    while (room < items * 2 + 2) room *= 2;
    return room;
  }
  size_t place(uint64_t key) const {
    const size_t mask = slots_.size() - 1;
    size_t at = (named(key) * 0x9E3779B97F4A7C15ull >> 20) & mask;
    while (slots_[at].key != 0 && slots_[at].key != named(key)) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old)
      if (slot.key != 0) slots_[place(slot.key)] = std::move(slot);
  }
  std::vector<Slot> slots_;
  size_t size_ = 0;
};

// Mixes two hashes into one; order matters.
inline uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t h = a * 0x9E3779B97F4A7C15ULL + b;
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93ULL;
  return h ^ (h >> 29);
}

}  // namespace hs
