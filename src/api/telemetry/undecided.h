#pragma once
// A trace that tail sampling has not decided on is in memory alone: its spans, as a query would answer them.

#include "api/telemetry/reader.h"

namespace hs::api::telemetry {

struct Undecided {
  Blocks spans;  // all columns of span_columns
  Described described;
};

// Of the tenant whose data the request is about. `trace_id`: 32 hex digits.
Result<Undecided> undecided_trace(const Reader& reader, const http::Request& request, std::string_view trace_id);

}  // namespace hs::api::telemetry
