#include "base/time.h"

#include <array>
#include <charconv>
#include <ctime>

#include <fmt/format.h>

namespace hs {
namespace {

struct Unit {
  std::string_view suffix;
  int64_t ms;
};
constexpr std::array<Unit, 6> units = {
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}, {"w", 604'800'000}}};

}  // namespace

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
