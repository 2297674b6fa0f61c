#include "promql/natural.h"

#include <algorithm>

namespace hs::promql {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

// Takes the next run of digits, or of anything else.
std::string_view take_chunk(std::string_view& text) {
  const bool number = digit(text[0]);
  const auto end = std::find_if(text.begin(), text.end(), [&](char c) { return digit(c) != number; });
  const auto size = static_cast<size_t>(end - text.begin());
  const std::string_view chunk = text.substr(0, size);
  text.remove_prefix(size);
  return chunk;
}

std::string_view without_zeros(std::string_view number) {
  return number.substr(std::min(number.find_first_not_of('0'), number.size()));
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const std::string_view x = take_chunk(a);
    const std::string_view y = take_chunk(b);
    if (digit(x[0]) && digit(y[0])) {
      const std::string_view m = without_zeros(x);
      const std::string_view n = without_zeros(y);
      if (m.size() != n.size()) return m.size() < n.size();
      if (m != n) return m < n;
      if (x.size() != y.size()) return x.size() < y.size();
    } else if (x != y) {
      return x < y;
    }
  }
  return a.empty() && !b.empty();
}

}  // namespace hs::promql
