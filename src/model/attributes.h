#pragma once
// Attributes and the memory that their text lives in.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hs::model {

// Owns text for as long as a batch lives. Views into it stay valid until it is destroyed, also after a move.
class Arena {
 public:
  std::string_view copy(std::string_view text);
  // Takes a whole buffer (a request's body), so that views into it need no copy.
  std::string_view adopt(std::string buffer);
  // Room for `size` bytes that the caller fills at once.
  char* allocate(size_t size);
  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t chunk_bytes = 16 * 1024;  // a request's formatted numbers fit in one or two
  std::vector<std::unique_ptr<char[]>> chunks_;
  std::vector<std::unique_ptr<std::string>> adopted_;
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t bytes_ = 0;
};

// The type of an OTLP AnyValue, as one character: stored beside the text, so an int stays an int.
// Persistent: do not change the letters.
enum class ValueType : char {
  empty = 'e',    // text ""
  string = 's',   // the text itself
  boolean = 'b',  // "true" or "false"
  integer = 'i',  // decimal, signed 64 bit
  real = 'd',     // shortest text that reads back equal; "NaN", "Infinity", "-Infinity"
  bytes = 'y',    // base64
  array = 'a',    // ArrayValue as compact OTLP/JSON: [{"intValue":"1"},{"stringValue":"x"}]
  map = 'm',      // KeyValueList as compact OTLP/JSON: [{"key":"k","value":{"boolValue":true}}]
};

struct Attribute {
  std::string_view key;
  std::string_view value;  // canonical text of `type`
  ValueType type = ValueType::string;
};

// Row i owns items [ends[i-1], ends[i]); the usual form of nested columns.
struct AttributeColumn {
  std::vector<uint32_t> ends;
  std::vector<Attribute> items;

  void push(const Attribute& a) { items.push_back(a); }
  void end_row() { ends.push_back(static_cast<uint32_t>(items.size())); }
  size_t rows() const { return ends.size(); }
  uint32_t begin_of(size_t row) const { return row == 0 ? 0 : ends[row - 1]; }
  const Attribute* begin(size_t row) const { return items.data() + begin_of(row); }
  const Attribute* end(size_t row) const { return items.data() + ends[row]; }
  // The value of `key` in `row`, or nullptr. Linear: rows have few attributes.
  const Attribute* find(size_t row, std::string_view key) const;
};

using TraceId = std::array<uint8_t, 16>;  // all zero: absent
using SpanId = uint64_t;                  // the 8 bytes read big-endian, so hex(id) is the usual text; 0: absent

std::string to_hex(const TraceId& id);
std::string span_id_to_hex(SpanId id);

}  // namespace hs::model
