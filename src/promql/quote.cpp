#include "promql/quote.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <ctime>

#include "promql/json.h"
#include "promql/utf8.h"

namespace hs::promql {
namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

bool plain(std::string_view name, bool colons) {
  if (name.empty() || digit(name[0])) return false;
  for (const char c : name) {
    if (!letter(c) && !digit(c) && !(colons && c == ':')) return false;
  }
  return true;
}

void append_escaped(std::string& out, char32_t c, std::string_view bytes) {
  switch (c) {
    case '\a':
      out += "\\a";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\v':
      out += "\\v";
      return;
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    default:
      break;
  }
  if (c < 0x20 || c == 0x7f) {
    out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
  } else if (c == 0xad || (c >= 0x80 && c < 0xa1) || c == 0xfeff || c == 0x2028 || c == 0x2029) {
    out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  } else {
    out += bytes;
  }
}

// Splits shortest scientific digits into mantissa digits (without point) and exponent.
std::pair<std::string, int> digits_of(double v, int precision) {
  const std::string text = precision < 0 ? fmt::format("{:e}", 0.0) : fmt::format("{:.{}e}", v, precision - 1);
  char buffer[64];
  std::string_view from = text;
  if (precision < 0) {
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific).ptr;
    from = {buffer, static_cast<size_t>(end - buffer)};
  }
  const size_t e = from.find('e');
  std::string digits;
  for (const char c : from.substr(0, e)) {
    if (digit(c)) digits += c;
  }
  int exponent = 0;
  const char* first = from.data() + e + (from[e + 1] == '+' ? 2 : 1);
  std::from_chars(first, from.data() + from.size(), exponent);
  return {digits, exponent};
}

std::string special(double v) { return std::isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf"; }

std::string scientific(const std::string& digits, int exponent) {
  std::string out = digits.substr(0, 1);
  if (digits.size() > 1) out += "." + digits.substr(1);
  return out + fmt::format("e{}{:02d}", exponent < 0 ? '-' : '+', std::abs(exponent));
}

std::string fixed(const std::string& digits, int exponent) {
  const int n = static_cast<int>(digits.size());
  if (exponent < 0) return "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (n <= exponent + 1) return digits + std::string(static_cast<size_t>(exponent + 1 - n), '0');
  return digits.substr(0, static_cast<size_t>(exponent + 1)) + "." + digits.substr(static_cast<size_t>(exponent + 1));
}

std::string general(double v, int precision) {
  if (!std::isfinite(v)) return special(v);
  auto [digits, exponent] = digits_of(std::abs(v), precision);
  if (precision >= 0) {
    while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  }
  const std::string sign = std::signbit(v) ? "-" : "";
  const int limit = precision < 0 ? 6 : std::max(precision, static_cast<int>(digits.size()));
  return sign + (exponent < -4 || exponent >= limit ? scientific(digits, exponent) : fixed(digits, exponent));
}

}  // namespace

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const Rune rune = decode_rune(text.substr(at));
    if (!rune.valid) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
    } else {
      append_escaped(out, rune.code, text.substr(at, rune.size));
    }
    at += rune.size;
  }
  return out + "\"";
}

bool plain_label_name(std::string_view name) { return plain(name, false); }
bool plain_metric_name(std::string_view name) { return plain(name, true); }

std::string format_g(double v) { return general(v, -1); }
std::string format_g(double v, int precision) { return general(v, precision); }

std::string format_exponent(double v) {
  if (!std::isfinite(v)) return special(v);
  const auto [digits, exponent] = digits_of(std::abs(v), -1);
  return (std::signbit(v) ? "-" : "") + scientific(digits, exponent);
}

std::string format_float(double v) {
  if (!std::isfinite(v)) return special(v);
  const auto [digits, exponent] = digits_of(std::abs(v), -1);
  return (std::signbit(v) ? "-" : "") + fixed(digits, exponent);
}

std::string format_duration(int64_t duration_ms) {
  if (duration_ms == 0) return "0s";
  std::string out;
  int64_t rest = duration_ms;
  const auto unit = [&](const char* name, int64_t size_ms, bool only_whole) {
    if (only_whole && rest % size_ms != 0) return;
    if (const int64_t n = rest / size_ms; n > 0) {
      out += fmt::format("{}{}", n, name);
      rest -= n * size_ms;
    }
  };
  unit("y", 365LL * 86'400'000, true);
  unit("w", 7LL * 86'400'000, true);
  unit("d", 86'400'000, false);
  unit("h", 3'600'000, false);
  unit("m", 60'000, false);
  unit("s", 1000, false);
  unit("ms", 1, false);
  return out;
}

std::string rfc3339(int64_t t_ms) {
  const std::time_t seconds = t_ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace hs::promql
