#pragma once
// One block in ClickHouse's Native format: for each column its name, its type, and its values one after the other.
// https://clickhouse.com/docs/interfaces/specs/native-protocol/columns describes the columns.
//
// LowCardinality, also inside Array and Map: version 1, then flags and width of the indices, the words, the indices.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace hs::store {

static_assert(std::endian::native == std::endian::little, "values are copied as they lie in memory");

// Short texts are most of what is copied and compared: a call to memcpy or memcmp costs more than the work itself.
inline void copy_text(char* to, std::string_view from) {
  const size_t size = from.size();
  if (size > 16) {
    std::memcpy(to, from.data(), size);
  } else if (size >= 8) {
    uint64_t head = 0, tail = 0;
    std::memcpy(&head, from.data(), 8);
    std::memcpy(&tail, from.data() + size - 8, 8);
    std::memcpy(to, &head, 8);
    std::memcpy(to + size - 8, &tail, 8);
  } else {
    for (size_t i = 0; i < size; ++i) to[i] = from[i];
  }
}
inline bool equal_text(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const auto differ = [&]<class T>(T x, size_t at) {
    T y{};
    std::memcpy(&x, a.data() + at, sizeof x);
    std::memcpy(&y, b.data() + at, sizeof y);
    return static_cast<uint64_t>(x ^ y);
  };
  const size_t size = a.size();
  if (size > 32 || size < 4) return a == b;
  if (size < 8) return (differ(uint32_t{}, 0) | differ(uint32_t{}, size - 4)) == 0;
  const uint64_t ends = differ(uint64_t{}, 0) | differ(uint64_t{}, size - 8);
  return size <= 16 ? ends == 0 : (ends | differ(uint64_t{}, 8) | differ(uint64_t{}, size - 16)) == 0;
}

// Bytes that grow. Writing through a pointer, because millions of short appends are what encoding costs.
class Out {
 public:
  // Address space for what is expected; only what is used is touched.
  void expect(size_t size) { bytes_.reserve(size); }
  char* room(size_t size) {
    if (size_ + size > bytes_.size()) grow(size);
    return bytes_.data() + size_;
  }
  void used(size_t size) { size_ += size; }
  void put(const void* data, size_t size) {
    std::memcpy(room(size), data, size);
    used(size);
  }
  template <class T>
  void value(T v) {
    put(&v, sizeof v);
  }
  void varint(uint64_t v);
  void text(std::string_view v) {  // with its length before it
    if (v.size() < 128) {
      char* to = room(v.size() + 1);
      *to = static_cast<char>(v.size());
      copy_text(to + 1, v);
      return used(v.size() + 1);
    }
    varint(v.size());
    put(v.data(), v.size());
  }
  size_t size() const { return size_; }
  std::string take() {
    bytes_.resize(size_);
    size_ = 0;
    return std::move(bytes_);
  }
  char* at(size_t offset) { return bytes_.data() + offset; }

 private:
  void grow(size_t size);
  std::string bytes_;
  size_t size_ = 0;
};

// Different texts in the order of their first use. Views must outlive it.
class Words {
 public:
  Words();
  uint32_t index(std::string_view word);
  // The same for a word that does not outlive the call: `keep` makes a copy that does, when the word is new.
  template <class Keep>
  uint32_t index_of_passing(std::string_view word, Keep keep) {
    const size_t before = words_.size();
    const uint32_t found = index(word);
    if (words_.size() != before) words_.back() = keep(word);
    return found;
  }
  const std::vector<std::string_view>& all() const { return words_; }

 private:
  void rehash();
  std::vector<std::string_view> words_;
  std::vector<uint32_t> slots_;  // index + 1; a power of two, at most half full
};

class NativeBlock {
 public:
  explicit NativeBlock(size_t rows, size_t bytes_expected = 0);

  // Starts a column; its values follow through the calls below or out().
  void column(std::string_view name, std::string_view type);
  Out& out() { return out_; }

  // A whole column of fixed width: value(i) for each row.
  template <class T, class F>
  void fixed(std::string_view name, std::string_view type, F value) {
    column(name, type);
    values<T>(rows_, value);
  }
  template <class F>
  void text(std::string_view name, F value) {
    column(name, "String");
    for (size_t i = 0; i < rows_; ++i) out_.text(value(i));
  }
  template <class F>
  void low_cardinality(std::string_view name, F value) {
    column(name, "LowCardinality(String)");
    words_prefix();
    Words words;
    indices_.clear();
    indices_.reserve(rows_);
    std::string_view last;  // rows of one batch share texts: the very same bytes are the same word
    for (size_t i = 0; i < rows_; ++i) {
      const std::string_view word = value(i);
      const bool same = i != 0 && word.data() == last.data() && word.size() == last.size();
      indices_.push_back(same ? indices_.back() : words.index(word));
      last = word;
    }
    words_and_indices(words, indices_);
  }
  template <class T, class F>
  void values(size_t count, F value) {
    char* to = out_.room(count * sizeof(T));
    for (size_t i = 0; i < count; ++i, to += sizeof(T)) {
      const T v = value(i);
      std::memcpy(to, &v, sizeof v);
    }
    out_.used(count * sizeof(T));
  }

  // The parts of a LowCardinality column: its prefix stands before any array offsets; nothing else is written for
  // zero values.
  void words_prefix() { out_.value<uint64_t>(1); }
  void words_and_indices(const Words& words, const std::vector<uint32_t>& indices);

  size_t rows() const { return rows_; }
  std::string finish();

 private:
  size_t rows_;
  uint64_t columns_ = 0;
  Out out_;
  std::vector<uint32_t> indices_;
};

}  // namespace hs::store
