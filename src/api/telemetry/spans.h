#pragma once
// One span as JSON, for /v1/traces and /v1/spans. Internal to api/telemetry.

#include "api/telemetry/reader.h"

namespace hs::api::telemetry {

// The columns that write_span needs.
inline constexpr Literal span_columns =
    "SELECT ts, ts_sent, cut, trace_id, span_id, parent_id, service, name, kind, status, status_message, trace_state,"
    " flags, duration, resource_id, scope_id, attrs, attr_types, dropped_attributes, dropped_events, dropped_links,"
    " events.ts, events.name, events.attrs, events.attr_types, events.dropped,"
    " links.trace_id, links.span_id, links.trace_state, links.flags, links.attrs, links.attr_types, links.dropped";

void write_span(JsonText& out, const store::ResultBlock& block, size_t row, Contexts& contexts);

}  // namespace hs::api::telemetry
