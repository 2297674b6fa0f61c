// printf and the humanize functions.

#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

#include <fmt/format.h>

#include "base/text.h"
#include "promql/quote.h"
#include "rules/template_value.h"

namespace hs::rules {
namespace {

constexpr int width_max = 1000;  // of a verb; nobody's columns are wider

struct Verb {
  std::string flags;  // of " +-#0"
  int width = -1, precision = -1;
  char letter = 0;
};

// `number` as C's printf understands the verb, with `letter` instead of its own.
template <class T>
std::string c_printf(const Verb& verb, const char* length, char letter, T number) {
  std::string format = "%" + verb.flags;
  if (verb.width >= 0) format += std::to_string(verb.width);
  if (verb.precision >= 0) format += "." + std::to_string(verb.precision);
  format += length;
  format += letter;
  std::array<char, 2048> buffer{};
  const int n = std::snprintf(buffer.data(), buffer.size(), format.c_str(), number);
  return {buffer.data(), n < 0 ? 0 : std::min(static_cast<size_t>(n), buffer.size() - 1)};
}

std::string padded(const Verb& verb, std::string text) {
  if (verb.width < 0) return text;
  size_t characters = 0;
  for (const char c : text) characters += (c & 0xc0) != 0x80 ? 1 : 0;
  if (characters >= static_cast<size_t>(verb.width)) return text;
  const std::string blanks(static_cast<size_t>(verb.width) - characters, ' ');
  return verb.flags.find('-') == std::string::npos ? blanks + text : text + blanks;
}

std::string wrong_verb(const Verb& verb, const Value& value) {
  return fmt::format("%!{}({}={})", verb.letter, type_name(value), print(value));
}

std::string print_int(const Verb& verb, int64_t n, const Value& value) {
  switch (verb.letter) {
    case 'v':
    case 'd':
      return c_printf(verb, "ll", 'd', static_cast<long long>(n));
    case 'x':
    case 'X':
    case 'o':
      return c_printf(verb, "ll", verb.letter, static_cast<long long>(n));
    case 'c':
      return n > 0 && n < 128 ? padded(verb, std::string(1, static_cast<char>(n))) : padded(verb, "\xef\xbf\xbd");
    default:
      return wrong_verb(verb, value);
  }
}

std::string print_float(const Verb& verb, double d, const Value& value) {
  if (verb.letter == 0 || std::string_view("vfFeEgG").find(verb.letter) == std::string_view::npos)
    return wrong_verb(verb, value);
  if (!std::isfinite(d)) return padded(verb, promql::format_g(d));
  if ((verb.letter == 'v' || verb.letter == 'g') && verb.precision < 0) return padded(verb, promql::format_g(d));
  return c_printf(verb, "", verb.letter == 'v' ? 'g' : verb.letter, d);
}

std::string print_text(const Verb& verb, const std::string& text, const Value& value) {
  switch (verb.letter) {
    case 'v':
    case 's':
      return padded(verb,
                    verb.precision < 0 ? text : std::string(utf8_prefix(text, static_cast<size_t>(verb.precision))));
    case 'q':
      return padded(verb, promql::quote(text));
    case 'x':
      return padded(verb, to_hex(text));
    default:
      return wrong_verb(verb, value);
  }
}

std::string print_one(const Verb& verb, const Value& value) {
  if (const auto* n = value.get<int64_t>()) return print_int(verb, *n, value);
  if (const auto* d = value.get<double>()) return print_float(verb, *d, value);
  if (const auto* text = value.get<std::string>()) return print_text(verb, *text, value);
  const bool any = verb.letter == 'v' || (verb.letter == 't' && value.get<bool>() != nullptr) ||
                   (verb.letter == 's' && value.get<bool>() == nullptr);
  return any ? padded(verb, print(value)) : wrong_verb(verb, value);
}

int read_number(std::string_view format, size_t& at) {
  int out = -1;
  while (at < format.size() && format[at] >= '0' && format[at] <= '9')
    out = std::min(std::max(out, 0) * 10 + (format[at++] - '0'), width_max);
  return out;
}

Verb read_verb(std::string_view format, size_t& at) {
  Verb verb;
  while (at < format.size() && std::string_view(" +-#0").find(format[at]) != std::string_view::npos)
    verb.flags += format[at++];
  verb.width = read_number(format, at);
  if (at < format.size() && format[at] == '.') verb.precision = std::max(read_number(format, ++at), 0);
  if (at < format.size()) verb.letter = format[at++];
  return verb;
}

constexpr std::array<std::string_view, 8> small = {"m", "u", "n", "p", "f", "a", "z", "y"};

std::string scaled(double v, std::span<const std::string_view> prefixes, double factor) {
  std::string_view prefix;
  for (const std::string_view p : prefixes) {
    if (std::abs(v) < factor) break;
    prefix = p;
    v /= factor;
  }
  return promql::format_g(v, 4) + std::string(prefix);
}

std::string scaled_up(double v) {
  std::string_view prefix;
  for (const std::string_view p : small) {
    if (std::abs(v) >= 1) break;
    prefix = p;
    v *= 1000;
  }
  return promql::format_g(v, 4) + std::string(prefix);
}

}  // namespace

std::string print_formatted(std::string_view format, const std::vector<Value>& values) {
  std::string out;
  size_t next = 0;
  for (size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      out += format[at++];
      continue;
    }
    const Verb verb = read_verb(format, ++at);
    if (verb.letter == '%')
      out += '%';
    else if (verb.letter == 0)
      out += "%!(NOVERB)";
    else if (next >= values.size())
      out += fmt::format("%!{}(MISSING)", verb.letter);
    else
      out += print_one(verb, values[next++]);
  }
  if (next < values.size()) {
    out += "%!(EXTRA ";
    for (size_t i = next; i < values.size(); ++i)
      out += fmt::format("{}{}={}", i > next ? ", " : "", type_name(values[i]), print(values[i]));
    out += ')';
  }
  return out;
}

std::string humanize(double v) {
  constexpr std::array<std::string_view, 8> large = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
  if (v == 0 || !std::isfinite(v)) return promql::format_g(v, 4);
  return std::abs(v) >= 1 ? scaled(v, large, 1000) : scaled_up(v);
}

std::string humanize_1024(double v) {
  constexpr std::array<std::string_view, 8> large = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
  if (std::abs(v) <= 1 || !std::isfinite(v)) return promql::format_g(v, 4);
  return scaled(v, large, 1024);
}

std::string humanize_duration(double v) {
  if (!std::isfinite(v)) return promql::format_g(v, 4);
  if (std::abs(v) < 1) return (v == 0 ? promql::format_g(v, 4) : scaled_up(v)) + "s";
  const std::string_view sign = v < 0 ? "-" : "";
  v = std::abs(v);
  const auto whole = static_cast<int64_t>(std::min(v, 9e18));
  const int64_t seconds = whole % 60, minutes = whole / 60 % 60, hours = whole / 3600 % 24, days = whole / 86'400;
  if (days != 0) return fmt::format("{}{}d {}h {}m {}s", sign, days, hours, minutes, seconds);
  if (hours != 0) return fmt::format("{}{}h {}m {}s", sign, hours, minutes, seconds);
  if (minutes != 0) return fmt::format("{}{}m {}s", sign, minutes, seconds);
  return fmt::format("{}{}s", sign, promql::format_g(v, 4));
}

std::string humanize_percentage(double ratio) { return promql::format_g(ratio * 100, 4) + "%"; }

Result<std::string> humanize_timestamp(double seconds) {
  if (!std::isfinite(seconds)) return promql::format_g(seconds, 4);
  if (std::abs(seconds) > 9.2e9)
    return fail(Code::invalid_argument,
                fmt::format("{} is no time within the range of int64 nanoseconds", promql::format_g(seconds)));
  return moment_text(static_cast<int64_t>(seconds * 1e9));
}

std::string moment_text(int64_t unix_ns) {
  int64_t seconds = unix_ns / 1'000'000'000, ns = unix_ns % 1'000'000'000;
  if (ns < 0) --seconds, ns += 1'000'000'000;
  const auto at = static_cast<time_t>(seconds);
  std::tm utc{};
  gmtime_r(&at, &utc);
  std::string fraction;
  if (ns != 0) {
    fraction = fmt::format(".{:09}", ns);
    fraction.resize(fraction.find_last_not_of('0') + 1);
  }
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}{} +0000 UTC", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, fraction);
}

std::string span_text(int64_t ns) {
  if (ns == 0) return "0s";
  const std::string_view sign = ns < 0 ? "-" : "";
  const double abs_ns = std::abs(static_cast<double>(ns));
  if (abs_ns < 1e3) return fmt::format("{}{}ns", sign, abs_ns);
  if (abs_ns < 1e6) return fmt::format("{}{}\xc2\xb5s", sign, abs_ns / 1e3);
  if (abs_ns < 1e9) return fmt::format("{}{}ms", sign, abs_ns / 1e6);
  const auto whole = static_cast<int64_t>(abs_ns / 1e9);
  const double rest = static_cast<double>(whole % 60) + (abs_ns / 1e9 - static_cast<double>(whole));
  std::string out(sign);
  if (whole >= 3600) out += fmt::format("{}h", whole / 3600);
  if (whole >= 60) out += fmt::format("{}m", whole / 60 % 60);
  return out + fmt::format("{:.9g}s", rest);
}

}  // namespace hs::rules
