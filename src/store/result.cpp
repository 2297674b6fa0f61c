#include "store/result.h"

#include <cstring>

#include "base/assert.h"

namespace hs::store {
namespace {

template <class T>
T read(const char* at) {
  T v;
  std::memcpy(&v, at, sizeof v);
  return v;
}

}  // namespace

uint64_t ResultColumn::u64(size_t row) const {
  HS_ASSERT(form == Form::fixed && width <= 8 && !is_float, "an integer column");
  HS_ASSERT((row + 1) * width <= bytes.size(), "a row of the block");
  uint64_t v = 0;
  std::memcpy(&v, bytes.data() + row * width, width);
  return v;
}

int64_t ResultColumn::i64(size_t row) const {
  const uint64_t raw = u64(row);
  if (!is_signed || width == 8) return static_cast<int64_t>(raw);
  const unsigned unused = 64 - width * 8;
  return static_cast<int64_t>(raw << unused) >> unused;
}

double ResultColumn::f64(size_t row) const {
  HS_ASSERT(form == Form::fixed, "a number column");
  if (!is_float) return is_signed ? static_cast<double>(i64(row)) : static_cast<double>(u64(row));
  HS_ASSERT((row + 1) * width <= bytes.size(), "a row of the block");
  const char* at = bytes.data() + row * width;
  return width == 4 ? static_cast<double>(read<float>(at)) : read<double>(at);
}

std::string_view ResultColumn::text(size_t row) const {
  if (form == Form::dictionary) return nested[0]->text(index.at(row));
  if (form == Form::fixed) {
    HS_ASSERT((row + 1) * width <= bytes.size(), "a row of the block");
    return std::string_view(bytes).substr(row * width, width);
  }
  HS_ASSERT(form == Form::text, "a text column");
  const size_t from = row == 0 ? 0 : ends.at(row - 1);
  return std::string_view(bytes).substr(from, ends.at(row) - from);
}

bool ResultColumn::null(size_t row) const { return row < nulls.size() && nulls[row] != 0; }

const ResultColumn* ResultBlock::find(std::string_view name) const {
  for (const ResultColumn& column : columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

}  // namespace hs::store
