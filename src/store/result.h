#pragma once
// What a query answers: blocks of columns, decoded from ClickHouse's Native format.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace hs::store {

// A column of one block. Accessors assert on a row out of range and on a type that does not fit; the SQL is ours, so a
// mismatch is a programmer error. Views live as long as the column.
class ResultColumn {
 public:
  std::string name;
  std::string type;  // as the engine names it: "LowCardinality(String)"

  // Integers, Bool, Enum, Date and DateTime of any width; DateTime64 as its ticks.
  uint64_t u64(size_t row) const;
  int64_t i64(size_t row) const;
  double f64(size_t row) const;             // also from integers
  std::string_view text(size_t row) const;  // String, FixedString, LowCardinality of them
  bool null(size_t row) const;              // Nullable only; false for others

  // Array and Map: row r holds elements [begin(r), end(r)) of items(), or of keys() and values(). Tuple: items(i).
  size_t begin(size_t row) const { return row == 0 ? 0 : ends.at(row - 1); }
  size_t end(size_t row) const { return ends.at(row); }
  const ResultColumn& items(size_t member = 0) const { return *nested.at(member); }
  const ResultColumn& keys() const { return *nested.at(0); }
  const ResultColumn& values() const { return *nested.at(1); }

  // What the decoder fills in.
  enum class Form : uint8_t { fixed, text, dictionary, array, tuple };
  Form form = Form::fixed;
  uint32_t width = 0;           // fixed: bytes a value
  bool is_signed = false;       // fixed
  bool is_float = false;        // fixed
  std::string bytes;            // fixed: values; text: characters; dictionary: characters of its words
  std::vector<uint64_t> ends;   // text: ends in `bytes`; dictionary: ends of its words; array: ends in items
  std::vector<uint64_t> index;  // dictionary: word of each row
  std::string nulls;            // Nullable: one byte a row, 1 = null; else empty
  std::vector<std::unique_ptr<ResultColumn>> nested;
};

struct ResultBlock {
  size_t rows = 0;
  std::vector<ResultColumn> columns;
  // By name, nullptr when there is none.
  const ResultColumn* find(std::string_view name) const;
};

// A whole block: the columns that are `wanted`, or all of them.
Result<ResultBlock> read_native(std::string_view bytes, std::span<const std::string_view> wanted = {});

// Takes Native bytes in pieces of any size and gives whole blocks. Bounded: a block that does not fit into
// `block_bytes_max` is an error, as is anything that is not Native (Code::internal: the other side is broken).
class NativeReader {
 public:
  explicit NativeReader(size_t block_bytes_max = 256 * 1024 * 1024) : block_bytes_max_(block_bytes_max) {}
  Status feed(std::string_view bytes, std::vector<ResultBlock>& out);
  // At the end: gives what is left; an error when a block is unfinished.
  Status finish(std::vector<ResultBlock>& out);

 private:
  Status decode(std::vector<ResultBlock>& out);
  size_t block_bytes_max_;
  std::string pending_;
  size_t try_at_ = 1;  // bytes at which another try may succeed: doubles, so that pieces cost no square
};

}  // namespace hs::store
