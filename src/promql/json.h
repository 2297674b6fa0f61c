#pragma once
// Results as the JSON of Prometheus' HTTP API.

#include <string>

#include "promql/value.h"

namespace hs::promql {

// Shortest decimal text that reads back as `v`, without exponent (Go's strconv 'f', -1): "NaN", "+Inf", "-Inf".
std::string format_float(double v);

// Each appends to `out`.
void write_json_string(std::string& out, std::string_view text);  // quoted, escaped; invalid UTF-8 becomes U+FFFD
void write_json_time(std::string& out, int64_t t_ms);             // 1435781451.781
void write_json_float(std::string& out, double v);                // "1.5", quoted; 1e-7 and 1e+21 with exponent
void write_json_histogram(std::string& out, const Histogram& h);  // {"count":..,"sum":..,"buckets":[[3,"-1","1","2"]]}
void write_json_labels(std::string& out, const Labels& labels);   // {"a":"b"}
void write_json_data(std::string& out, const Value& value);       // "resultType":"vector","result":[...]  (no braces)

}  // namespace hs::promql
