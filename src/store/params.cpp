#include "store/params.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hs::store {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

template <class List>
std::string quoted_list(const List& values) {
  std::string list;
  for (const auto& value : values) list += (list.empty() ? "" : ",") + quoted(value);
  return "[" + list + "]";
}

}  // namespace

// The engine reads a String parameter as a field of tab-separated text.
std::string param_text(std::string_view value) {
  constexpr std::string_view from("\\\t\n\r\0\b\f", 7), to = "\\tnr0bf";
  std::string out;
  for (const char c : value) {
    const size_t at = from.find(c);
    if (at != from.npos) out += '\\';
    out += at == from.npos ? c : to[at];
  }
  return out;
}

std::string param_list(std::span<const std::string> values) { return quoted_list(values); }
std::string param_list(std::span<const std::string_view> values) { return quoted_list(values); }
std::string param_list(std::span<const uint64_t> values) { return fmt::format("[{}]", fmt::join(values, ",")); }

}  // namespace hs::store
