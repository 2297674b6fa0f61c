#pragma once
// Literals of PromQL into values, with the error texts of Go's strconv and of Prometheus' durations.

#include <string>
#include <string_view>

#include "base/error.h"

namespace hs::promql {

Result<std::string> unquote(std::string_view literal);     // "..", '..' or `..`
Result<double> parse_go_number(std::string_view text);     // decimal, hexadecimal, octal, Inf, NaN; underscores
Result<int64_t> parse_duration_ms(std::string_view text);  // 1h30m: y w d h m s ms, each once, in that order

}  // namespace hs::promql
