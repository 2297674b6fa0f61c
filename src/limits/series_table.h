#pragma once
// The active series of a tenant: 16 bytes each, open addressing. Series that end are swept out together.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace hs::limits {

struct Series {
  uint64_t id = 0;
  uint32_t metric = 0;   // index into Census
  uint16_t service = 0;  // the same
  uint16_t seen = 0;     // minute of its last point, modulo 2^16
};

class SeriesTable {
 public:
  // nullptr: not there. Valid until the next add() or sweep().
  Series* find(uint64_t id) {
    if (slots_.empty()) return nullptr;
    Series& slot = slots_[place(named(id))];
    return slot.id == 0 ? nullptr : &slot;
  }
  // `series` must not be there yet.
  void add(Series series) {
    if ((size_ + 1) * 4 > slots_.size() * 3) resize(slots_.empty() ? 64 : slots_.size() * 2);
    series.id = named(series.id);
    slots_[place(series.id)] = series;
    ++size_;
  }
  // Those for which `ended(series)` go; each is told once.
  template <class Ended>
  void sweep(Ended ended) {
    std::vector<Series> old = std::exchange(slots_, {});
    std::erase_if(old, [&](const Series& s) { return s.id == 0 || ended(s); });
    size_ = old.size();
    size_t room = 64;
    while (room * 3 < (size_ + 1) * 4) room *= 2;
    slots_.assign(room, Series{});
    for (const Series& s : old) slots_[place(s.id)] = s;
  }
  size_t size() const { return size_; }
  size_t bytes() const { return slots_.size() * sizeof(Series); }

 private:
  static uint64_t named(uint64_t id) { return id == 0 ? 1 : id; }  // 0 marks an empty slot
  size_t place(uint64_t id) const {
    const size_t mask = slots_.size() - 1;
    size_t at = (id * 0x9E3779B97F4A7C15ULL >> 20) & mask;
    while (slots_[at].id != 0 && slots_[at].id != id) at = (at + 1) & mask;
    return at;
  }
  void resize(size_t room) {
    std::vector<Series> old = std::exchange(slots_, std::vector<Series>(room));
    for (const Series& s : old)
      if (s.id != 0) slots_[place(s.id)] = s;
  }
  std::vector<Series> slots_;
  size_t size_ = 0;
};

}  // namespace hs::limits
