#pragma once
// Go's text forms that appear in PromQL's messages and printed queries: quoted strings, numbers, durations.

#include <cstdint>
#include <string>
#include <string_view>

namespace hs::promql {

std::string quote(std::string_view text);          // Go's strconv.Quote
bool plain_label_name(std::string_view name);      // [a-zA-Z_][a-zA-Z0-9_]*
bool plain_metric_name(std::string_view name);     // and colons
std::string format_g(double v);                    // Go's %g / %v of a float64
std::string format_g(double v, int precision);     // Go's %.{precision}g
std::string format_exponent(double v);             // Go's strconv 'e', -1
std::string format_duration(int64_t duration_ms);  // 1h30m: Prometheus' model.Duration, of a value >= 0
std::string rfc3339(int64_t t_ms);                 // of whole seconds, UTC

}  // namespace hs::promql
