#include "base/time.h"

#include <array>
#include <charconv>
#include <chrono>
#include <ctime>
#include <limits>
#include <optional>

#include <fmt/format.h>

namespace hs {
namespace {

struct Unit {
  std::string_view suffix;
  int64_t ms;
};
constexpr std::array<Unit, 6> units = {
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}, {"w", 604'800'000}}};

// Takes exactly `digits` decimal digits off the front. -1: there are none.
int take_digits(std::string_view& text, size_t digits) {
  int value = 0;
  if (text.size() < digits) return -1;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == any_of.npos) return false;
  text.remove_prefix(1);
  return true;
}

// ".123" -> 123'000'000; nothing is 0. Digits after the ninth are dropped. -1: malformed.
int64_t take_fraction_ns(std::string_view& text) {
  if (!take(text, ".")) return 0;
  int64_t value = 0, unit = nanos_per_s;
  const size_t before = text.size();
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    unit /= 10;
    value += (text[0] - '0') * unit;
    text.remove_prefix(1);
  }
  return text.size() == before ? -1 : value;
}

// "Z" or "+hh:mm" as seconds east of UTC.
std::optional<int> take_offset_s(std::string_view& text) {
  if (take(text, "Zz")) return 0;
  const bool west = !text.empty() && text[0] == '-';
  if (!take(text, "+-")) return std::nullopt;
  const int hours = take_digits(text, 2);
  const bool colon = take(text, ":");
  const int minutes = take_digits(text, 2);
  if (hours < 0 || hours > 23 || !colon || minutes < 0 || minutes > 59) return std::nullopt;
  return (west ? -1 : 1) * (hours * 3600 + minutes * 60);
}

std::optional<UnixNanos> parse_rfc3339(std::string_view text) {
  const int year = take_digits(text, 4);
  const bool dash = take(text, "-");
  const int month = take_digits(text, 2);
  const bool second_dash = take(text, "-");
  const int day = take_digits(text, 2);
  const bool separated = take(text, "Tt ");
  const int hour = take_digits(text, 2);
  const bool colon = take(text, ":");
  const int minute = take_digits(text, 2);
  const bool second_colon = take(text, ":");
  const int second = take_digits(text, 2);
  const int64_t fraction = take_fraction_ns(text);
  const auto offset = take_offset_s(text);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  const bool punctuated = dash && second_dash && separated && colon && second_colon && text.empty();
  if (!punctuated || !offset || year < 1678 || year > 2261 || month < 0 || day < 0 || !date.ok()) return std::nullopt;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || fraction < 0)
    return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return (days * 86'400 + hour * 3600 + minute * 60 + second - *offset) * nanos_per_s + fraction;
}

}  // namespace

Result<UnixNanos> parse_time(std::string_view text) {
  UnixNanos nanos = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), nanos);
  if (ec == std::errc() && end == text.data() + text.size() && nanos >= 0) return nanos;
  if (const auto time = parse_rfc3339(text)) return *time;
  return fail(Code::invalid_argument,
              fmt::format("'{}' is not a time; write RFC 3339 (2026-01-02T03:04:05Z) or Unix nanoseconds", text));
}

Result<int64_t> parse_duration_ns(std::string_view text) {
  const auto scaled = [&](std::string_view suffix, double unit_ns) -> std::optional<int64_t> {
    double number = 0;
    if (!text.ends_with(suffix)) return std::nullopt;
    const char* stop = text.data() + text.size() - suffix.size();
    const auto [end, ec] = std::from_chars(text.data(), stop, number);
    if (ec != std::errc() || end != stop || !(number >= 0 && number * unit_ns < 9e18)) return std::nullopt;
    return static_cast<int64_t>(number * unit_ns);
  };
  if (const auto ns = scaled("ns", 1)) return *ns;
  if (const auto us = scaled("us", 1e3)) return *us;
  if (const auto ms = scaled("ms", 1e6)) return *ms;
  HS_ASSIGN(const int64_t ms, parse_duration_ms(text));
  if (ms > std::numeric_limits<int64_t>::max() / nanos_per_ms)
    return fail(Code::invalid_argument, fmt::format("the duration '{}' is too long", text));
  return ms * nanos_per_ms;
}

Result<int64_t> parse_duration_ms(std::string_view text) {
  if (text == "0") return 0;
  double number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view suffix(end, static_cast<size_t>(text.data() + text.size() - end));
  if (ec == std::errc() && number >= 0)
    for (const Unit& unit : units)
      if (suffix == unit.suffix && number * static_cast<double>(unit.ms) < 9e15)
        return static_cast<int64_t>(number * static_cast<double>(unit.ms));
  return fail(
      Code::invalid_argument,
      fmt::format("'{}' is not a duration; write a number and a unit, such as 500ms, 10s, 5m, 6h or 30d", text));
}

std::string format_duration_ms(int64_t ms) {
  if (ms == 0) return "0s";
  const Unit* best = &units[0];
  for (size_t i = 0; i < 5; ++i)
    if (ms % units[i].ms == 0) best = &units[i];
  return fmt::format("{}{}", ms / best->ms, best->suffix);
}

std::string format_rfc3339(UnixNanos t) {
  const int64_t ms = t >= 0 ? t / nanos_per_ms : (t - nanos_per_ms + 1) / nanos_per_ms;
  const int64_t in_second = ((ms % 1000) + 1000) % 1000;
  const std::time_t seconds = (ms - in_second) / 1000;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                     tm.tm_hour, tm.tm_min, tm.tm_sec, in_second);
}

}  // namespace hs
