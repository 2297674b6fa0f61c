#pragma once
// Times are plain integers with their unit in the name; these are the two kinds and the text forms.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace hs {

using UnixNanos = int64_t;  // wall clock, nanoseconds since 1970 (OTLP's unit)
using MonoNanos = int64_t;  // CLOCK_MONOTONIC: never jumps, shared by all processes of one boot

inline constexpr int64_t nanos_per_ms = 1'000'000;
inline constexpr int64_t nanos_per_s = 1'000'000'000;

// "150ms", "10s", "5m", "6h", "30d", "0" -> milliseconds. Units: ms s m h d w.
Result<int64_t> parse_duration_ms(std::string_view text);
// The shortest of these forms that is exact: 90'000 -> "90s", 60'000 -> "1m".
std::string format_duration_ms(int64_t ms);
// RFC 3339 in UTC with milliseconds: "2026-01-02T03:04:05.678Z".
std::string format_rfc3339(UnixNanos t);
// RFC 3339 ("2026-01-02T03:04:05.678901234Z", any offset), or Unix nanoseconds in decimal.
Result<UnixNanos> parse_time(std::string_view text);
// As parse_duration_ms, also "ns" and "us", and fractions: "1.5ms" -> 1'500'000.
Result<int64_t> parse_duration_ns(std::string_view text);

}  // namespace hs
