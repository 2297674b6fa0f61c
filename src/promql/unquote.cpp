#include "promql/unquote.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "promql/quote.h"
#include "promql/utf8.h"

namespace hs::promql {
namespace {

// The value of the escape at `at` (after the backslash), which is moved past it; raw bytes are appended as they are.
bool append_escape(std::string_view text, size_t& at, std::string& out) {
  static constexpr std::string_view letters = "abfnrtv\\'\"";
  static constexpr std::string_view values = "\a\b\f\n\r\t\v\\'\"";
  if (at >= text.size()) return false;
  const char c = text[at++];
  if (const size_t i = letters.find(c); i != std::string_view::npos) {
    out += values[i];
    return true;
  }
  const bool octal = c >= '0' && c <= '7';
  const size_t digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  const size_t first = octal ? at - 1 : at;
  if (digits == 0 || first + digits > text.size()) return false;
  uint32_t value = 0;
  const char* begin = text.data() + first;
  if (std::from_chars(begin, begin + digits, value, octal ? 8 : 16).ptr != begin + digits) return false;
  at = first + digits;
  if (c == 'u' || c == 'U') {
    append_rune(out, value);
  } else {
    out += static_cast<char>(value);
  }
  return true;
}

// Underscores stand only between digits (or after the base's prefix).
bool strip_underscores(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const bool before = i > 0 && std::isxdigit(static_cast<unsigned char>(text[i - 1]));
    const bool prefix = i == 2 && (text[1] == 'x' || text[1] == 'X');
    const bool after = i + 1 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1]));
    if (!(before || prefix) || !after) return false;
  }
  return true;
}

bool parse_integer(std::string_view digits, double& out) {
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    base = digits[1] == 'x' || digits[1] == 'X' ? 16 : 8;
    digits.remove_prefix(base == 16 ? 2 : 1);
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return false;
  out = static_cast<double>(value);
  return true;
}

}  // namespace

Result<std::string> unquote(std::string_view literal) {
  const auto wrong = [] { return fail(Code::invalid_argument, "invalid syntax"); };
  if (literal.size() < 2 || literal.front() != literal.back()) return wrong();
  const char mark = literal.front();
  const std::string_view inside = literal.substr(1, literal.size() - 2);
  if (mark == '`') return std::string(inside);
  std::string out;
  for (size_t at = 0; at < inside.size();) {
    const char c = inside[at++];
    if (c == '\n' || c == mark) return wrong();
    if (c != '\\') {
      out += c;
    } else if (at < inside.size() && (inside[at] == '"' || inside[at] == '\'') && inside[at] != mark) {
      return wrong();
    } else if (!append_escape(inside, at, out)) {
      return wrong();
    }
  }
  return out;
}

Result<double> parse_go_number(std::string_view text) {
  const auto problem = [&](std::string_view what) {
    return fail(Code::invalid_argument, fmt::format("strconv.ParseFloat: parsing {}: {}", quote(text), what));
  };
  std::string word(text);
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  const bool negative = word.starts_with('-'), has_sign = negative || word.starts_with('+');
  const std::string_view size = std::string_view(word).substr(has_sign ? 1 : 0);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (size == "inf" || size == "infinity") return negative ? -infinity : infinity;
  if (size == "nan" && has_sign) return problem("invalid syntax");
  if (size == "nan") return std::numeric_limits<double>::quiet_NaN();
  std::string digits;
  if (!strip_underscores(text, digits)) return problem("invalid syntax");
  double value = 0;
  if (parse_integer(digits, value)) return value;
  if (digits.size() > 1 && (digits[1] == 'x' || digits[1] == 'X')) return problem("invalid syntax");
  char* end = nullptr;
  value = std::strtod(digits.c_str(), &end);
  if (digits.empty() || *end != '\0') return problem("invalid syntax");
  if (std::isinf(value)) return problem("value out of range");
  return value;
}

Result<int64_t> parse_duration_ms(std::string_view text) {
  struct Unit {
    std::string_view name;
    int64_t ms;
  };
  static constexpr Unit units[] = {{"y", 365LL * 86'400'000},
                                   {"w", 7LL * 86'400'000},
                                   {"d", 86'400'000},
                                   {"h", 3'600'000},
                                   {"m", 60'000},
                                   {"s", 1000},
                                   {"ms", 1}};
  constexpr double max_ms = 9223372036854.775807;  // 64 bits of nanoseconds
  const auto wrong = [&] { return fail(Code::invalid_argument, "not a valid duration string: " + quote(text)); };
  double total = 0;
  size_t unit = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const size_t end = std::min(rest.find_first_of("0123456789", digits), rest.size());
    const std::string_view name = rest.substr(digits, end - digits);
    if (digits == 0 || digits > 19 || name.empty()) return wrong();
    const auto known = std::find_if(std::begin(units), std::end(units), [&](const Unit& u) { return u.name == name; });
    if (known == std::end(units)) {
      return fail(Code::invalid_argument, fmt::format("unknown unit {} in duration {}", quote(name), quote(text)));
    }
    const auto index = static_cast<size_t>(known - std::begin(units));
    if (index < unit) return wrong();
    unit = index + 1;
    total += std::strtod(std::string(rest.substr(0, digits)).c_str(), nullptr) * static_cast<double>(known->ms);
    if (total > max_ms) return fail(Code::invalid_argument, "duration out of range");
    rest.remove_prefix(end);
  }
  return static_cast<int64_t>(total);
}

}  // namespace hs::promql
