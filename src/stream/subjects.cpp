#include "stream/subjects.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hs::stream {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool hex(char c) { return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Length of a dotted quad at the start of `text`, 0 when there is none.
size_t quad(std::string_view text) {
  size_t at = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0 && (at >= text.size() || text[at++] != '.')) return 0;
    size_t digits = 0;
    int value = 0;
    while (at < text.size() && digit(text[at]) && digits < 3) value = value * 10 + (text[at++] - '0'), ++digits;
    if (digits == 0 || value > 255) return 0;
  }
  return at < text.size() && (digit(text[at]) || text[at] == '.') ? 0 : at;
}

// Length of an IPv6 address at the start: hexadecimal groups and at least two colons, one "::" or eight groups.
size_t groups(std::string_view text) {
  size_t at = 0, colons = 0;
  while (at < text.size() && (hex(text[at]) || text[at] == ':') && at < 39) colons += text[at++] == ':';
  const std::string_view found = text.substr(0, at);
  return colons >= 2 && (colons == 7 || found.find("::") != std::string_view::npos) && at > 2 ? at : 0;
}

}  // namespace

void Subjects::add(uint64_t hash) { bits_[(hash >> 6) & 15] |= 1ull << (hash & 63); }

uint32_t Subjects::count() const {
  int set = 0;
  for (const uint64_t word : bits_) set += std::popcount(word);
  if (set == 0) return 0;
  if (set >= 1020) return count_max;
  return static_cast<uint32_t>(std::lround(-1024 * std::log(1 - set / 1024.0)));
}

std::string_view address_in(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const bool starts = i == 0 || !(hex(text[i - 1]) || text[i - 1] == '.' || text[i - 1] == ':');
    if (!starts || !(hex(text[i]) || text[i] == ':')) continue;
    const std::string_view rest = text.substr(i);
    if (const size_t n = quad(rest)) return rest.substr(0, n);
    if (const size_t n = groups(rest)) return rest.substr(0, n);
  }
  return {};
}

}  // namespace hs::stream
