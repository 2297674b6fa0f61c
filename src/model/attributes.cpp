#include "model/attributes.h"

#include <cstring>

#include <fmt/format.h>

#include "base/text.h"

namespace hs::model {

char* Arena::allocate(size_t size) {
  if (size > left_) {
    const size_t room = size > chunk_bytes ? size : chunk_bytes;
    chunks_.push_back(std::make_unique<char[]>(room));
    next_ = chunks_.back().get();
    left_ = room;
    bytes_ += room;
  }
  char* out = next_;
  next_ += size;
  left_ -= size;
  return out;
}

std::string_view Arena::copy(std::string_view text) {
  if (text.empty()) return {};
  char* out = allocate(text.size());
  std::memcpy(out, text.data(), text.size());
  return {out, text.size()};
}

std::string_view Arena::adopt(std::string buffer) {
  bytes_ += buffer.size();
  adopted_.push_back(std::make_unique<std::string>(std::move(buffer)));
  return *adopted_.back();
}

const Attribute* AttributeColumn::find(size_t row, std::string_view key) const {
  for (const Attribute* a = begin(row); a != end(row); ++a)
    if (a->key == key) return a;
  return nullptr;
}

std::string to_hex(const TraceId& id) { return hs::to_hex({reinterpret_cast<const char*>(id.data()), id.size()}); }

std::string span_id_to_hex(SpanId id) { return fmt::format("{:016x}", id); }

}  // namespace hs::model
