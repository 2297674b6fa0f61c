#include "api/telemetry/params.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"

namespace hs::api::telemetry {
namespace {

constexpr std::string_view cursor_version = "1";

tl::unexpected<Error> wrong(std::string_view name, std::string_view value, std::string_view wanted) {
  return fail(Code::invalid_argument,
              fmt::format("parameter '{}': '{}' must be {}", name, printable(value, 100), wanted));
}

// The error of `result`, told about this parameter.
template <class T>
tl::unexpected<Error> in_parameter(std::string_view name, const Result<T>& result) {
  return fail(result.error().code, fmt::format("parameter '{}': {}", name, printable(result.error().message, 300)));
}

template <class T>
bool parse_whole(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool begins_with_any(std::string_view name, std::span<const std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view p) { return name.size() > p.size() && name.starts_with(p); });
}

Error unknown(std::string_view name, std::span<const std::string_view> known,
              std::span<const std::string_view> prefixes) {
  std::string may = fmt::format("{}", fmt::join(known, ", "));
  for (const std::string_view prefix : prefixes) may += fmt::format(", {}KEY", prefix);
  const std::string_view near = nearest(name, known);
  const std::string hint = near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near);
  return {Code::invalid_argument, fmt::format("unknown parameter '{}'{}; known: {}", printable(name, 100), hint, may)};
}

}  // namespace

Result<Params> Params::read(const http::Request& request, std::span<const std::string_view> known,
                            std::span<const std::string_view> prefixes) {
  Params params;
  size_t matches = 0;
  for (const auto& [name, value] : request.query) {
    if (begins_with_any(name, prefixes)) {
      if (++matches > matches_max)
        return fail(Code::invalid_argument, fmt::format("at most {} attributes can be matched at once", matches_max));
    } else if (std::find(known.begin(), known.end(), name) == known.end()) {
      return tl::unexpected(unknown(name, known, prefixes));
    } else if (params.has(name)) {
      return fail(Code::invalid_argument, fmt::format("parameter '{}' is given twice", name));
    }
    params.all_.emplace_back(name, value);
  }
  return params;
}

std::string_view Params::text(std::string_view name) const {
  for (const auto& [key, value] : all_)
    if (key == name) return value;
  return {};
}

Result<uint64_t> Params::number(std::string_view name, uint64_t fallback, uint64_t least, uint64_t most) const {
  uint64_t value = fallback;
  if (has(name) && (!parse_whole(text(name), value) || value < least || value > most))
    return wrong(name, text(name), fmt::format("a number from {} to {}", least, most));
  return value;
}

Result<UnixNanos> Params::time(std::string_view name, UnixNanos fallback) const {
  if (!has(name)) return fallback;
  const auto value = parse_time(text(name));
  if (!value) return in_parameter(name, value);
  return *value;
}

Result<std::optional<uint64_t>> Params::duration_ns(std::string_view name) const {
  if (!has(name)) return std::nullopt;
  const auto value = parse_duration_ns(text(name));
  if (!value) return in_parameter(name, value);
  return static_cast<uint64_t>(*value);
}

Result<std::optional<size_t>> Params::choice(std::string_view name, std::span<const std::string_view> choices) const {
  if (!has(name)) return std::nullopt;
  const auto at = std::find(choices.begin(), choices.end(), text(name));
  if (at == choices.end()) return wrong(name, text(name), fmt::format("one of {}", fmt::join(choices, ", ")));
  return static_cast<size_t>(at - choices.begin());
}

Result<std::string> Params::trace_id(std::string_view name) const {
  if (!has(name)) return std::string();
  return checked_trace_id(text(name), fmt::format("parameter '{}'", name));
}

Matches Params::matches(std::string_view prefix) const {
  Matches out;
  for (const auto& [name, value] : all_) {
    if (name.size() <= prefix.size() || !name.starts_with(prefix)) continue;
    out.keys.push_back(name.substr(prefix.size()));
    out.values.push_back(value);
  }
  return out;
}

Result<std::string> checked_trace_id(std::string_view text, std::string_view what) {
  constexpr size_t digits = 32;
  const bool fits = !text.empty() && text.size() <= digits;
  const auto raw =
      fits ? from_hex(std::string(digits - text.size(), '0').append(text)) : fail(Code::invalid_argument, "");
  if (!raw)
    return fail(Code::invalid_argument,
                fmt::format("{}: a trace id is 32 hex digits; of shorter ones the left is zeros", what));
  return to_hex(*raw);
}

Result<Window> read_window(const Params& params, UnixNanos now, int64_t default_ns) {
  Window window;
  HS_ASSIGN(window.end, params.time("end", now + 60 * nanos_per_s));
  HS_ASSIGN(window.start, params.time("start", std::max<UnixNanos>(0, std::min(window.end, now) - default_ns)));
  if (window.start > window.end) return fail(Code::invalid_argument, "parameter 'start' must not be after 'end'");
  return window;
}

std::string to_text(const Cursor& cursor) {
  return fmt::format("{}.{}.{}.{}.{}", cursor_version, cursor.start, cursor.at, cursor.cut, cursor.skip);
}

Result<Cursor> parse_cursor(std::string_view text) {
  std::array<std::string_view, 5> parts;
  for (std::string_view& part : parts) {
    const size_t dot = text.find('.');
    part = text.substr(0, dot);
    text.remove_prefix(dot == text.npos ? text.size() : dot + 1);
  }
  Cursor cursor;
  const bool read = parse_whole(parts[1], cursor.start) && parse_whole(parts[2], cursor.at) &&
                    parse_whole(parts[3], cursor.cut) && parse_whole(parts[4], cursor.skip);
  constexpr uint64_t skip_max = 10'000'000;  // rows of one cut are far fewer
  if (!read || !text.empty() || parts[0] != cursor_version || cursor.skip > skip_max || cursor.start > cursor.at ||
      cursor.start < 0)
    return fail(Code::invalid_argument, "parameter 'cursor' is not one that an answer's next_cursor gave");
  return cursor;
}

Result<Cursor> read_cursor(const Params& params, UnixNanos now) {
  if (params.has("cursor")) return parse_cursor(params.text("cursor"));
  constexpr int64_t usual_ns = 3600 * nanos_per_s;
  HS_ASSIGN(const Window window, read_window(params, now, params.has("trace_id") ? now : usual_ns));
  return Cursor{.start = window.start, .at = window.end};
}

}  // namespace hs::api::telemetry
