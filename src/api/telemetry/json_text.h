#pragma once
// Answers as JSON text, written straight from result columns: answers are large, documents in memory would be larger.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "store/result.h"

namespace hs::api::telemetry {

// Objects and arrays in order; commas are put where they belong.
class JsonText {
 public:
  JsonText& open(char bracket);   // '{' or '['
  JsonText& close(char bracket);  // '}' or ']'
  JsonText& key(std::string_view name);

  JsonText& text(std::string_view value);
  JsonText& raw(std::string_view json);  // a value that is JSON already
  // A JSON number when every reader can hold it exactly (up to 2^53 - 1), else a string of digits.
  JsonText& integer(int64_t value);
  JsonText& count(uint64_t value);
  // Always a string: Unix nanoseconds, 64-bit counts.
  JsonText& digits(int64_t value);
  JsonText& digits(uint64_t value);
  // Always with a fraction or an exponent; "NaN", "Infinity" and "-Infinity" are strings.
  JsonText& real(double value);
  JsonText& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonText& hex(uint64_t id);                 // 16 digits
  JsonText& hex_bytes(std::string_view raw);  // of FixedString(16)

  size_t size() const { return out_.size(); }
  std::string take() { return std::move(out_); }

 private:
  void separate();
  std::string out_;
  bool first_ = true;
};

// The value of an attribute by its type's letter (model::ValueType):
//   {"key": "k", "type": "int", "value": 5}; see docs/api/telemetry.md
void write_value(JsonText& out, char type, std::string_view text);
// The attributes of row `row` of a Map column and its column of type letters.
void write_attributes(JsonText& out, const store::ResultColumn& map, const store::ResultColumn& types, size_t row);

// The time that the sender gave: the stored one, unless that was clamped (store/block.h).
int64_t time_sent(int64_t stored, int64_t ts_sent);

}  // namespace hs::api::telemetry
