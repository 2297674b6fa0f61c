// Decodes ClickHouse's Native format (see native_writer.h for its form).

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "base/assert.h"
#include "store/result.h"

namespace hs::store {
namespace {

constexpr size_t columns_max = 1000;
constexpr size_t type_depth_max = 16;
constexpr uint64_t index_width_mask = 0xFF;

// Reads forward; at the end of the input it is `short_of`, and everything it gives from then on means nothing.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : left_(bytes) {}
  std::string_view take(uint64_t size) {
    if (size > left_.size()) {
      short_ = true;
      return {};
    }
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }
  uint64_t varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::string_view byte = take(1);
      if (short_) return 0;
      const auto b = static_cast<uint8_t>(byte[0]);
      v |= static_cast<uint64_t>(b & 127) << shift;
      if (b < 128) return v;
    }
    bad_ = true;
    return 0;
  }
  uint64_t u64() {
    const std::string_view bytes = take(8);
    uint64_t v = 0;
    if (!short_) std::memcpy(&v, bytes.data(), 8);
    return v;
  }
  void spoil() { bad_ = bad_ || !short_; }  // what is cut off may still become right
  bool stuck() const { return short_ || bad_; }
  bool is_short() const { return short_ && !bad_; }
  size_t left() const { return left_.size(); }

 private:
  std::string_view left_;
  bool short_ = false, bad_ = false;
};

struct Fixed {
  std::string_view name;
  uint32_t width;
  bool is_signed, is_float;
};
constexpr std::array<Fixed, 26> fixed_types = {{
    {"UInt8", 1, false, false},     {"UInt16", 2, false, false},   {"UInt32", 4, false, false},
    {"UInt64", 8, false, false},    {"UInt128", 16, false, false}, {"UInt256", 32, false, false},
    {"Int8", 1, true, false},       {"Int16", 2, true, false},     {"Int32", 4, true, false},
    {"Int64", 8, true, false},      {"Int128", 16, true, false},   {"Int256", 32, true, false},
    {"Float32", 4, true, true},     {"Float64", 8, true, true},    {"Bool", 1, false, false},
    {"Date", 2, false, false},      {"Date32", 4, true, false},    {"DateTime", 4, false, false},
    {"DateTime64", 8, true, false}, {"Enum8", 1, true, false},     {"Enum16", 2, true, false},
    {"UUID", 16, false, false},     {"IPv4", 4, false, false},     {"IPv6", 16, false, false},
    {"Decimal64", 8, true, false},  {"Nothing", 1, false, false},
}};

// "Map(A, B(C, D))" -> name "Map", arguments "A", "B(C, D)".
struct TypeText {
  std::string_view name;
  std::vector<std::string_view> arguments;
};

TypeText split_type(std::string_view type) {
  const size_t open = type.find('(');
  if (open == std::string_view::npos || type.back() != ')') return {type, {}};
  TypeText split{type.substr(0, open), {}};
  const std::string_view inside = type.substr(open + 1, type.size() - open - 2);
  int depth = 0;
  bool quoted = false;
  size_t start = 0;
  for (size_t i = 0; i <= inside.size(); ++i) {
    if (i == inside.size() || (inside[i] == ',' && depth == 0 && !quoted)) {
      std::string_view argument = inside.substr(start, i - start);
      while (argument.starts_with(' ')) argument.remove_prefix(1);
      split.arguments.push_back(argument);
      start = i + 1;
      continue;
    }
    if (inside[i] == '\'') quoted = !quoted;
    if (quoted) continue;
    if (inside[i] == '(') ++depth;
    if (inside[i] == ')') --depth;
  }
  return split;
}

using Column = ResultColumn;

bool shape(Column& column, std::string_view type, size_t depth);

bool shape_nested(Column& column, Column::Form form, const std::vector<std::string_view>& types, size_t depth) {
  column.form = form;
  for (const std::string_view type : types) {
    column.nested.push_back(std::make_unique<Column>());
    if (!shape(*column.nested.back(), type, depth + 1)) return false;
  }
  return !types.empty();
}

bool shape_words(Column& column, std::string_view of) {
  column.form = Column::Form::dictionary;
  const TypeText words = split_type(of);
  if (words.name != "Nullable") return shape_nested(column, column.form, {of}, 0);
  column.nulls = "?";  // index 0 is null; replaced by one byte a row
  return words.arguments.size() == 1 && shape_nested(column, column.form, words.arguments, 0);
}

// Sets up the column's form from its type; false when it is not known here.
bool shape(Column& column, std::string_view type, size_t depth) {
  if (depth > type_depth_max || type.empty()) return false;
  column.type = type;
  const TypeText split = split_type(type);
  const auto& arguments = split.arguments;
  if (split.name == "String") {
    column.form = Column::Form::text;
    return true;
  }
  if (split.name == "FixedString" && arguments.size() == 1) {
    const std::string_view digits = arguments[0];
    return std::from_chars(digits.data(), digits.data() + digits.size(), column.width).ec == std::errc();
  }
  if (split.name == "LowCardinality" && arguments.size() == 1) return shape_words(column, arguments[0]);
  if (split.name == "Array" && arguments.size() == 1) {
    return shape_nested(column, Column::Form::array, arguments, depth);
  }
  if (split.name == "Map" && arguments.size() == 2) return shape_nested(column, Column::Form::array, arguments, depth);
  if (split.name == "Nullable" && arguments.size() == 1) {
    column.nulls = "?";
    const bool known = shape(column, arguments[0], depth + 1);
    column.type = type;
    return known;
  }
  if (split.name == "SimpleAggregateFunction" && arguments.size() == 2) return shape(column, arguments[1], depth + 1);
  if (split.name == "Tuple") {
    std::vector<std::string_view> types = arguments;
    for (std::string_view& t : types) {  // elements may be named: "a UInt8"
      const size_t blank = t.find(' ');
      if (blank != std::string_view::npos && blank < t.find('(')) t.remove_prefix(blank + 1);
    }
    return shape_nested(column, Column::Form::tuple, types, depth);
  }
  const auto* found =
      std::find_if(fixed_types.begin(), fixed_types.end(), [&](const Fixed& f) { return f.name == split.name; });
  if (found == fixed_types.end()) return false;
  column.width = found->width;
  column.is_signed = found->is_signed;
  column.is_float = found->is_float;
  return true;
}

void read_prefix(Cursor& in, Column& column) {
  if (column.form == Column::Form::dictionary && in.u64() != 1) in.spoil();
  if (column.form == Column::Form::dictionary) return;
  for (auto& nested : column.nested) read_prefix(in, *nested);
}

void read_text(Cursor& in, Column& column, size_t rows) {
  column.ends.reserve(std::min(rows, in.left()));
  for (size_t i = 0; i < rows && !in.stuck(); ++i) {
    column.bytes += in.take(in.varint());
    column.ends.push_back(column.bytes.size());
  }
}

void read_data(Cursor& in, Column& column, size_t rows);

void read_dictionary(Cursor& in, Column& column, size_t rows) {
  if (rows == 0) return;
  const uint64_t flags = in.u64();
  read_data(in, *column.nested[0], in.u64());
  const uint64_t count = in.u64();
  if (in.stuck()) return;
  if ((flags & index_width_mask) > 3 || count != rows) return in.spoil();
  const size_t width = 1ULL << (flags & index_width_mask);
  const std::string_view indices = in.take(rows * width);
  if (in.stuck()) return;
  const bool has_null = !column.nulls.empty();
  column.nulls.assign(has_null ? rows : 0, '\0');
  column.index.resize(rows);
  for (size_t i = 0; i < rows; ++i) {
    std::memcpy(&column.index[i], indices.data() + i * width, width);
    if (has_null) column.nulls[i] = column.index[i] == 0 ? '\1' : '\0';
  }
}

void read_array(Cursor& in, Column& column, size_t rows) {
  const std::string_view ends = in.take(rows * sizeof(uint64_t));
  if (in.stuck()) return;
  column.ends.resize(rows);
  if (rows > 0) std::memcpy(column.ends.data(), ends.data(), ends.size());
  if (!std::is_sorted(column.ends.begin(), column.ends.end())) return in.spoil();
  const size_t elements = rows == 0 ? 0 : column.ends.back();
  for (auto& nested : column.nested) {
    if (elements > 0) read_data(in, *nested, elements);
  }
}

void read_data(Cursor& in, Column& column, size_t rows) {
  if (in.stuck()) return;
  if (rows > in.left() && column.form != Column::Form::dictionary) return void(in.take(rows));  // >= a byte a row
  if (!column.nulls.empty() && column.form != Column::Form::dictionary) column.nulls = in.take(rows);
  switch (column.form) {
    case Column::Form::fixed:
      column.bytes = in.take(rows * column.width);
      return;
    case Column::Form::text:
      return read_text(in, column, rows);
    case Column::Form::dictionary:
      return read_dictionary(in, column, rows);
    case Column::Form::array:
      return read_array(in, column, rows);
    case Column::Form::tuple:
      for (auto& nested : column.nested) read_data(in, *nested, rows);
  }
}

// Goes past a column that nobody wants, without a copy; false when it is of a form that must be read for that.
bool pass(Cursor& in, const Column& column, size_t rows) {
  if (column.form != Column::Form::fixed || !column.nulls.empty()) return false;
  in.take(rows * column.width);
  return true;
}

std::optional<std::string> read_block(Cursor& in, ResultBlock& block, std::span<const std::string_view> wanted = {}) {
  const uint64_t columns = in.varint();
  block.rows = in.varint();
  if (in.stuck()) return std::nullopt;
  if (columns > columns_max) return "too many columns";
  for (uint64_t c = 0; c < columns && !in.stuck(); ++c) {
    Column column;
    column.name = in.take(in.varint());
    const std::string type(in.take(in.varint()));
    if (in.stuck()) break;
    if (!shape(column, type, 0))
      return fmt::format("column {} has the type {}, which is not known here", column.name, type);
    const bool skip = !wanted.empty() && std::find(wanted.begin(), wanted.end(), column.name) == wanted.end();
    if (skip && pass(in, column, block.rows)) continue;
    if (block.rows > 0) {
      read_prefix(in, column);
      read_data(in, column, block.rows);
    }
    if (skip) continue;
    block.columns.push_back(std::move(column));
  }
  return std::nullopt;
}

}  // namespace

Result<ResultBlock> read_native(std::string_view bytes, std::span<const std::string_view> wanted) {
  Cursor in(bytes);
  ResultBlock block;
  if (auto unknown = read_block(in, block, wanted)) return fail(Code::internal, std::move(*unknown));
  if (in.stuck() || in.left() != 0)
    return fail(Code::internal, "these bytes are no block of ClickHouse's Native format");
  return block;
}

Status NativeReader::feed(std::string_view bytes, std::vector<ResultBlock>& out) {
  pending_ += bytes;
  if (pending_.size() < try_at_) return {};
  return decode(out);
}

Status NativeReader::decode(std::vector<ResultBlock>& out) {
  size_t done = 0;
  while (done < pending_.size()) {
    Cursor in(std::string_view(pending_).substr(done));
    ResultBlock block;
    if (auto unknown = read_block(in, block))
      return fail(Code::internal, "the store answers what cannot be read: " + *unknown);
    if (in.is_short()) break;
    if (in.stuck()) return fail(Code::internal, "the store answers what is not ClickHouse's Native format");
    done = pending_.size() - in.left();
    if (!block.columns.empty()) out.push_back(std::move(block));
  }
  pending_.erase(0, done);
  if (pending_.size() > block_bytes_max_) {
    return fail(Code::too_large, fmt::format("a block of the result exceeds {} bytes", block_bytes_max_));
  }
  try_at_ = pending_.size() * 2;
  return {};
}

Status NativeReader::finish(std::vector<ResultBlock>& out) {
  HS_TRY(decode(out));
  if (!pending_.empty()) return fail(Code::unavailable, "the store's answer ends in the middle of a block");
  return {};
}

}  // namespace hs::store
