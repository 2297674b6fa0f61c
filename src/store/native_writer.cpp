#include "store/native_writer.h"

#include <algorithm>

#include "base/assert.h"

namespace hs::store {
namespace {

constexpr size_t step_bytes = 64 * 1024;
constexpr uint64_t has_words = 1ULL << 9, renew_words = 1ULL << 10;  // flags of a LowCardinality column in Native

// Telemetry's words differ in length, beginning or end; equal hashes only cost a comparison.
uint64_t hash_of(std::string_view word) {
  uint64_t head = 0, tail = 0;
  const size_t size = word.size();
  if (size >= 8) {
    std::memcpy(&head, word.data(), 8);
    std::memcpy(&tail, word.data() + size - 8, 8);
    if (size > 16) {
      uint64_t middle = 0;
      std::memcpy(&middle, word.data() + size / 2, std::min<size_t>(8, size - size / 2));
      head ^= middle * 0x9E3779B97F4A7C15ULL;
    }
  } else if (size > 0) {
    std::memcpy(&head, word.data(), size);
  }
  uint64_t h = (head ^ (tail * 0xC2B2AE3D27D4EB4FULL) ^ size) * 0x9E3779B97F4A7C15ULL;
  h ^= h >> 29;
  return h * 0xBF58476D1CE4E5B9ULL >> 16;
}

template <class T>
void write_narrow(Out& out, const std::vector<uint32_t>& indices) {
  char* to = out.room(indices.size() * sizeof(T));
  for (const uint32_t index : indices) {
    const T narrow = static_cast<T>(index);
    std::memcpy(to, &narrow, sizeof narrow);
    to += sizeof narrow;
  }
  out.used(indices.size() * sizeof(T));
}

}  // namespace

void Out::varint(uint64_t v) {
  char* to = room(10);
  size_t n = 0;
  for (; v >= 128; v >>= 7) to[n++] = static_cast<char>(v | 128);
  to[n++] = static_cast<char>(v);
  used(n);
}

// Within the capacity it grows in steps, so that the zeroes that resize() writes are still in the cache when they are
// overwritten; beyond it grows by half.
void Out::grow(size_t size) {
  const size_t step = std::min(bytes_.capacity(), bytes_.size() + step_bytes);
  bytes_.resize(std::max(step > bytes_.size() ? step : bytes_.size() / 2 * 3 + step_bytes, size_ + size));
}

Words::Words() : slots_(64) {}

uint32_t Words::index(std::string_view word) {
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash_of(word) & mask;; at = (at + 1) & mask) {
    const uint32_t slot = slots_[at];
    if (slot == 0) {
      words_.push_back(word);
      slots_[at] = static_cast<uint32_t>(words_.size());
      if (words_.size() * 2 > slots_.size()) rehash();
      return static_cast<uint32_t>(words_.size() - 1);
    }
    if (equal_text(words_[slot - 1], word)) return slot - 1;
  }
}

void Words::rehash() {
  slots_.assign(slots_.size() * 4, 0);
  const size_t mask = slots_.size() - 1;
  for (uint32_t i = 0; i < words_.size(); ++i) {
    size_t at = hash_of(words_[i]) & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = i + 1;
  }
}

// The number of columns is known at the end; a varint may be written longer than needed, so two bytes are kept for it.
NativeBlock::NativeBlock(size_t rows, size_t bytes_expected) : rows_(rows) {
  out_.expect(bytes_expected);
  out_.value<uint16_t>(0);
  out_.varint(rows);
}

void NativeBlock::column(std::string_view name, std::string_view type) {
  ++columns_;
  out_.text(name);
  out_.text(type);
}

void NativeBlock::words_and_indices(const Words& words, const std::vector<uint32_t>& indices) {
  if (indices.empty()) return;
  const size_t count = words.all().size();
  const uint64_t width = count <= UINT8_MAX + 1ULL ? 0 : count <= UINT16_MAX + 1ULL ? 1 : 2;
  out_.value<uint64_t>(width | has_words | renew_words);
  out_.value<uint64_t>(count);
  for (const std::string_view word : words.all()) out_.text(word);
  out_.value<uint64_t>(indices.size());
  if (width == 0) write_narrow<uint8_t>(out_, indices);
  if (width == 1) write_narrow<uint16_t>(out_, indices);
  if (width == 2) write_narrow<uint32_t>(out_, indices);
}

std::string NativeBlock::finish() {
  HS_ASSERT(columns_ < 128 * 128, "two bytes hold the number of columns");
  *out_.at(0) = static_cast<char>((columns_ & 127) | 128);
  *out_.at(1) = static_cast<char>(columns_ >> 7);
  return out_.take();
}

}  // namespace hs::store
