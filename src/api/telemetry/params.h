#pragma once
// The parameters of a request, checked. Every error names the parameter and says what it may be.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_message.h"
#include "base/time.h"

namespace hs::api::telemetry {

// attr.KEY=VALUE and the like.
struct Matches {
  std::vector<std::string> keys, values;
};

class Params {
 public:
  static constexpr size_t matches_max = 16;  // each is a test on every row that is looked at

  // Refuses parameters that are neither in `known` nor begin with one of `prefixes`, and repeated ones.
  static Result<Params> read(const http::Request& request, std::span<const std::string_view> known,
                             std::span<const std::string_view> prefixes = {});

  // "" when absent.
  std::string_view text(std::string_view name) const;
  bool has(std::string_view name) const { return !text(name).empty(); }
  Result<uint64_t> number(std::string_view name, uint64_t fallback, uint64_t least, uint64_t most) const;
  Result<UnixNanos> time(std::string_view name, UnixNanos fallback) const;
  Result<std::optional<uint64_t>> duration_ns(std::string_view name) const;
  // The index of the value in `choices`; nothing when the parameter is absent.
  Result<std::optional<size_t>> choice(std::string_view name, std::span<const std::string_view> choices) const;
  // As checked_trace_id(); "" when absent.
  Result<std::string> trace_id(std::string_view name) const;
  Matches matches(std::string_view prefix) const;

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

// Up to 32 hex digits, either case, as they are bound in queries: 32 of them, in lower case.
Result<std::string> checked_trace_id(std::string_view text, std::string_view what);

// The time that a request is about; [start, end].
struct Window {
  UnixNanos start = 0, end = 0;
};
// From `start` and `end`; by default the last `default_ns` up to `now` (and a minute ahead: clocks differ).
Result<Window> read_window(const Params& params, UnixNanos now, int64_t default_ns = 3600 * nanos_per_s);

// Where the next page of a list begins. Lists are ordered by time and then by cut, falling; rows of one cut and one
// nanosecond came in at one blow and never change, so counting them is stable: what is stored meanwhile neither repeats
// nor hides a row.
struct Cursor {
  UnixNanos start = 0;        // of the first page's window
  UnixNanos at = 0;           // rows at this time ...
  uint64_t cut = UINT64_MAX;  // ... and of this cut ...
  uint64_t skip = 0;          // ... of which so many were given already
};
std::string to_text(const Cursor& cursor);
Result<Cursor> parse_cursor(std::string_view text);
// The parameter `cursor`, or the beginning of the window. Who asks for a trace gets all of it by default.
Result<Cursor> read_cursor(const Params& params, UnixNanos now);

}  // namespace hs::api::telemetry
