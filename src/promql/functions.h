#pragma once
// Functions of one sample.

#include <string_view>

#include "promql/source.h"

namespace hs::promql {

using FloatFunction = double (*)(double);
using HistogramFunction = double (*)(const Histogram&);
using DateFunction = double (*)(int64_t seconds);

// nullptr when `name` is none.
FloatFunction find_float_function(std::string_view name);
HistogramFunction find_histogram_function(std::string_view name);
DateFunction find_date_function(std::string_view name);

int64_t whole_seconds(double v);  // NaN and what is out of range: the largest

// Does it look at when what its points count began?
bool uses_starts(std::string_view function);

// The series with the time of each point (or of its start) in seconds as its value; stale markers stay.
Series times_of(const Series& series, bool starts);

}  // namespace hs::promql
