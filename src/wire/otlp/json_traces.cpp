// Field names: opentelemetry-proto, trace/v1/trace.proto, in lowerCamelCase.

#include "wire/otlp/json.h"

namespace hs::wire::otlp {
namespace {

using Key = std::string_view;

void read_event(JsonReader& r, SpanRow& span, Element e) {
  if (!r.b.room_for_event(span)) return;
  EventRow row;
  AttributeList list{r.b.batch.spans.events.attributes.items};
  r.fields(e, "events", [&](Key key, Element value) {
    if (key == "timeUnixNano")
      row.time = r.u64(value, key);
    else if (key == "name")
      row.name = r.b.name(r.kept(value, key));
    else if (key == "attributes")
      r.attributes(value, key, list);
    else if (key == "droppedAttributesCount")
      row.dropped_attributes = r.u32(value, key);
  });
  row.dropped_attributes += list.dropped;
  r.b.push(row);
}

void read_link(JsonReader& r, SpanRow& span, Element e) {
  if (!r.b.room_for_link(span)) return;
  LinkRow row;
  AttributeList list{r.b.batch.spans.links.attributes.items};
  r.fields(e, "links", [&](Key key, Element value) {
    if (key == "traceId")
      row.context.ok &= r.id(value, key, row.context.trace_id);
    else if (key == "spanId")
      row.context.ok &= r.id(value, key, row.context.span_id);
    else if (key == "traceState")
      row.trace_state = r.b.message(r.kept(value, key));
    else if (key == "attributes")
      r.attributes(value, key, list);
    else if (key == "droppedAttributesCount")
      row.dropped_attributes = r.u32(value, key);
    else if (key == "flags")
      row.flags = r.u32(value, key);
  });
  row.dropped_attributes += list.dropped;
  r.b.push(row, span);
}

void read_status(JsonReader& r, SpanRow& span, Element e) {
  r.fields(e, "status", [&](Key key, Element value) {
    if (key == "message")
      span.status_message = r.b.message(r.kept(value, key));
    else if (key == "code")
      span.status = static_cast<uint64_t>(r.enumeration(value, key));
  });
}

// The fields that need more than one value. False: not one of them.
bool read_part(JsonReader& r, SpanRow& row, AttributeList& list, Key key, Element value) {
  if (key == "attributes")
    r.attributes(value, key, list);
  else if (key == "events")
    r.each(value, key, [&](Element e) { read_event(r, row, e); });
  else if (key == "links")
    r.each(value, key, [&](Element e) { read_link(r, row, e); });
  else if (key == "status")
    read_status(r, row, value);
  else
    return false;
  return true;
}

void read_span(JsonReader& r, Element e, uint32_t resource, uint32_t scope) {
  SpanRow row;
  row.resource = resource;
  row.scope = scope;
  bool trace_ok = false, span_ok = false;
  AttributeList list{r.b.batch.spans.attributes.items};
  r.fields(e, "spans", [&](Key key, Element value) {
    if (key == "traceId")
      trace_ok = r.id(value, key, row.trace_id);
    else if (key == "spanId")
      span_ok = r.id(value, key, row.span_id);
    else if (key == "traceState")
      row.trace_state = r.b.message(r.kept(value, key));
    else if (key == "parentSpanId")
      row.parent_ok = r.id(value, key, row.parent_id);
    else if (key == "name")
      row.name = r.b.name(r.kept(value, key));
    else if (key == "kind")
      row.kind = static_cast<uint64_t>(r.enumeration(value, key));
    else if (key == "startTimeUnixNano")
      row.start = r.u64(value, key);
    else if (key == "endTimeUnixNano")
      row.end = r.u64(value, key);
    else if (key == "droppedAttributesCount")
      row.dropped_attributes = r.u32(value, key);
    else if (key == "droppedEventsCount")
      row.dropped_events += r.u32(value, key);
    else if (key == "droppedLinksCount")
      row.dropped_links += r.u32(value, key);
    else if (key == "flags")
      row.flags = r.u32(value, key);
    else
      read_part(r, row, list, key, value);
  });
  row.dropped_attributes += list.dropped;
  row.ids_ok = trace_ok && span_ok && row.trace_id != model::TraceId{} && row.span_id != 0;
  r.b.push(row);
}

}  // namespace

void read_traces(JsonReader& r, Element root) {
  r.for_each_item(root, {"resourceSpans", "scopeSpans", "spans"},
                  [&](Element e, uint32_t resource, uint32_t scope) { read_span(r, e, resource, scope); });
}

}  // namespace hs::wire::otlp
