// Field names: opentelemetry-proto, logs/v1/logs.proto, in lowerCamelCase.

#include "wire/otlp/json.h"

namespace hs::wire::otlp {
namespace {

void read_record(JsonReader& r, Element e, uint32_t resource, uint32_t scope) {
  LogRow row;
  row.resource = resource;
  row.scope = scope;
  AttributeList list{r.b.batch.logs.attributes.items};
  r.fields(e, "logRecords", [&](std::string_view key, Element value) {
    if (key == "timeUnixNano")
      row.time = r.u64(value, key);
    else if (key == "observedTimeUnixNano")
      row.observed_time = r.u64(value, key);
    else if (key == "severityNumber")
      row.severity = r.enumeration(value, key);
    else if (key == "severityText")
      row.severity_text = r.b.name(r.kept(value, key));
    else if (key == "body")
      row.body = r.value(value, key, r.b.body_value());
    else if (key == "attributes")
      r.attributes(value, key, list);
    else if (key == "droppedAttributesCount")
      row.dropped_attributes = r.u32(value, key);
    else if (key == "flags")
      row.flags = r.u32(value, key);
    else if (key == "traceId")
      row.context.ok &= r.id(value, key, row.context.trace_id);
    else if (key == "spanId")
      row.context.ok &= r.id(value, key, row.context.span_id);
    else if (key == "eventName")
      row.event_name = r.b.name(r.kept(value, key));
  });
  row.dropped_attributes += list.dropped;
  r.b.push(row);
}

}  // namespace

void read_logs(JsonReader& r, Element root) {
  r.for_each_item(root, {"resourceLogs", "scopeLogs", "logRecords"},
                  [&](Element e, uint32_t resource, uint32_t scope) { read_record(r, e, resource, scope); });
}

}  // namespace hs::wire::otlp
