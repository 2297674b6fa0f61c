#include "wire/otlp/schema.h"

namespace hs::wire::otlp {
namespace {

constexpr Field text(uint32_t number, std::string_view name) { return {number, name, Kind::text}; }
constexpr Field free_text(uint32_t number, std::string_view name) {
  return {.number = number, .name = name, .kind = Kind::text, .free_text = true};
}
constexpr Field one(uint32_t number, std::string_view name, Kind kind) { return {number, name, kind}; }
constexpr Field many(uint32_t number, std::string_view name, Kind kind) {
  return {.number = number, .name = name, .kind = kind, .repeated = true};
}
constexpr Field one(uint32_t number, std::string_view name, const Message& message) {
  return {number, name, Kind::message, &message};
}
constexpr Field many(uint32_t number, std::string_view name, const Message& message) {
  return {number, name, Kind::message, &message, true};
}

extern const Message any_value, key_value;

constexpr Field array_fields[] = {many(1, "values", any_value)};
constexpr Message array_value{array_fields};
constexpr Field map_fields[] = {many(1, "values", key_value)};
constexpr Message map_value{map_fields};
constexpr Field any_fields[] = {
    free_text(1, "stringValue"),
    one(2, "boolValue", Kind::boolean),
    one(3, "intValue", Kind::integer),
    one(4, "doubleValue", Kind::real),
    one(5, "arrayValue", array_value),
    one(6, "kvlistValue", map_value),
    {.number = 7, .name = "bytesValue", .kind = Kind::bytes, .free_text = true},
};
const Message any_value{any_fields};
constexpr Field key_value_fields[] = {text(1, "key"), one(2, "value", any_value)};
const Message key_value{key_value_fields, Role::key_value};

constexpr Field scope_fields[] = {text(1, "name"), text(2, "version"), many(3, "attributes", key_value),
                                  one(4, "droppedAttributesCount", Kind::count)};
constexpr Message scope{scope_fields};
constexpr Field entity_fields[] = {text(1, "schemaUrl"), text(2, "type"), many(3, "idKeys", Kind::text),
                                   many(4, "descriptionKeys", Kind::text)};
constexpr Message entity{entity_fields};
constexpr Field resource_fields[] = {many(1, "attributes", key_value), one(2, "droppedAttributesCount", Kind::count),
                                     many(3, "entityRefs", entity)};
constexpr Message resource{resource_fields};

constexpr Field event_fields[] = {one(1, "timeUnixNano", Kind::fixed64), free_text(2, "name"),
                                  many(3, "attributes", key_value), one(4, "droppedAttributesCount", Kind::count)};
constexpr Message event{event_fields};
constexpr Field link_fields[] = {one(1, "traceId", Kind::id),
                                 one(2, "spanId", Kind::id),
                                 text(3, "traceState"),
                                 many(4, "attributes", key_value),
                                 one(5, "droppedAttributesCount", Kind::count),
                                 one(6, "flags", Kind::fixed32)};
constexpr Message link{link_fields};
constexpr Field status_fields[] = {free_text(2, "message"), one(3, "code", Kind::integer)};
constexpr Message status{status_fields};
constexpr Field span_fields[] = {one(1, "traceId", Kind::id),
                                 one(2, "spanId", Kind::id),
                                 text(3, "traceState"),
                                 one(4, "parentSpanId", Kind::id),
                                 free_text(5, "name"),
                                 one(6, "kind", Kind::integer),
                                 one(7, "startTimeUnixNano", Kind::fixed64),
                                 one(8, "endTimeUnixNano", Kind::fixed64),
                                 many(9, "attributes", key_value),
                                 one(10, "droppedAttributesCount", Kind::count),
                                 many(11, "events", event),
                                 one(12, "droppedEventsCount", Kind::count),
                                 many(13, "links", link),
                                 one(14, "droppedLinksCount", Kind::count),
                                 one(15, "status", status),
                                 one(16, "flags", Kind::fixed32)};
constexpr Message span{span_fields, Role::span};
constexpr Field scope_spans_fields[] = {one(1, "scope", scope), many(2, "spans", span), text(3, "schemaUrl")};
constexpr Message scope_spans{scope_spans_fields};
constexpr Field resource_spans_fields[] = {one(1, "resource", resource), many(2, "scopeSpans", scope_spans),
                                           text(3, "schemaUrl")};
constexpr Message resource_spans{resource_spans_fields};
constexpr Field traces_fields[] = {many(1, "resourceSpans", resource_spans)};
constexpr Message traces{traces_fields};

constexpr Field record_fields[] = {one(1, "timeUnixNano", Kind::fixed64),
                                   one(2, "severityNumber", Kind::integer),
                                   free_text(3, "severityText"),
                                   one(5, "body", any_value),
                                   many(6, "attributes", key_value),
                                   one(7, "droppedAttributesCount", Kind::count),
                                   one(8, "flags", Kind::fixed32),
                                   one(9, "traceId", Kind::id),
                                   one(10, "spanId", Kind::id),
                                   one(11, "observedTimeUnixNano", Kind::fixed64),
                                   free_text(12, "eventName")};
constexpr Message record{record_fields};
constexpr Field scope_logs_fields[] = {one(1, "scope", scope), many(2, "logRecords", record), text(3, "schemaUrl")};
constexpr Message scope_logs{scope_logs_fields};
constexpr Field resource_logs_fields[] = {one(1, "resource", resource), many(2, "scopeLogs", scope_logs),
                                          text(3, "schemaUrl")};
constexpr Message resource_logs{resource_logs_fields};
constexpr Field logs_fields[] = {many(1, "resourceLogs", resource_logs)};
constexpr Message logs{logs_fields};

constexpr Field exemplar_fields[] = {
    one(2, "timeUnixNano", Kind::fixed64), one(3, "asDouble", Kind::real),  one(4, "spanId", Kind::id),
    one(5, "traceId", Kind::id),           one(6, "asInt", Kind::signed64), many(7, "filteredAttributes", key_value)};
constexpr Message exemplar{exemplar_fields};
constexpr Field number_point_fields[] = {one(2, "startTimeUnixNano", Kind::fixed64),
                                         one(3, "timeUnixNano", Kind::fixed64),
                                         one(4, "asDouble", Kind::real),
                                         many(5, "exemplars", exemplar),
                                         one(6, "asInt", Kind::signed64),
                                         many(7, "attributes", key_value),
                                         one(8, "flags", Kind::count)};
constexpr Message number_point{number_point_fields};
constexpr Field histogram_point_fields[] = {one(2, "startTimeUnixNano", Kind::fixed64),
                                            one(3, "timeUnixNano", Kind::fixed64),
                                            one(4, "count", Kind::fixed64),
                                            one(5, "sum", Kind::real),
                                            many(6, "bucketCounts", Kind::fixed64),
                                            many(7, "explicitBounds", Kind::real),
                                            many(8, "exemplars", exemplar),
                                            many(9, "attributes", key_value),
                                            one(10, "flags", Kind::count),
                                            one(11, "min", Kind::real),
                                            one(12, "max", Kind::real)};
constexpr Message histogram_point{histogram_point_fields};
constexpr Field buckets_fields[] = {one(1, "offset", Kind::zigzag), many(2, "bucketCounts", Kind::count)};
constexpr Message buckets{buckets_fields};
constexpr Field exponential_point_fields[] = {many(1, "attributes", key_value),
                                              one(2, "startTimeUnixNano", Kind::fixed64),
                                              one(3, "timeUnixNano", Kind::fixed64),
                                              one(4, "count", Kind::fixed64),
                                              one(5, "sum", Kind::real),
                                              one(6, "scale", Kind::zigzag),
                                              one(7, "zeroCount", Kind::fixed64),
                                              one(8, "positive", buckets),
                                              one(9, "negative", buckets),
                                              one(10, "flags", Kind::count),
                                              many(11, "exemplars", exemplar),
                                              one(12, "min", Kind::real),
                                              one(13, "max", Kind::real),
                                              one(14, "zeroThreshold", Kind::real)};
constexpr Message exponential_point{exponential_point_fields};
constexpr Field quantile_fields[] = {one(1, "quantile", Kind::real), one(2, "value", Kind::real)};
constexpr Message quantile{quantile_fields};
constexpr Field summary_point_fields[] = {one(2, "startTimeUnixNano", Kind::fixed64),
                                          one(3, "timeUnixNano", Kind::fixed64),
                                          one(4, "count", Kind::fixed64),
                                          one(5, "sum", Kind::real),
                                          many(6, "quantileValues", quantile),
                                          many(7, "attributes", key_value),
                                          one(8, "flags", Kind::count)};
constexpr Message summary_point{summary_point_fields};

constexpr Field gauge_fields[] = {many(1, "dataPoints", number_point)};
constexpr Message gauge{gauge_fields};
constexpr Field sum_fields[] = {many(1, "dataPoints", number_point), one(2, "aggregationTemporality", Kind::integer),
                                one(3, "isMonotonic", Kind::boolean)};
constexpr Message sum{sum_fields};
constexpr Field histogram_fields[] = {many(1, "dataPoints", histogram_point),
                                      one(2, "aggregationTemporality", Kind::integer)};
constexpr Message histogram{histogram_fields};
constexpr Field exponential_fields[] = {many(1, "dataPoints", exponential_point),
                                        one(2, "aggregationTemporality", Kind::integer)};
constexpr Message exponential{exponential_fields};
constexpr Field summary_fields[] = {many(1, "dataPoints", summary_point)};
constexpr Message summary{summary_fields};
constexpr Field metric_fields[] = {text(1, "name"),
                                   text(2, "description"),
                                   text(3, "unit"),
                                   one(5, "gauge", gauge),
                                   one(7, "sum", sum),
                                   one(9, "histogram", histogram),
                                   one(10, "exponentialHistogram", exponential),
                                   one(11, "summary", summary),
                                   many(12, "metadata", key_value)};
constexpr Message metric{metric_fields};
constexpr Field scope_metrics_fields[] = {one(1, "scope", scope), many(2, "metrics", metric), text(3, "schemaUrl")};
constexpr Message scope_metrics{scope_metrics_fields};
constexpr Field resource_metrics_fields[] = {one(1, "resource", resource), many(2, "scopeMetrics", scope_metrics),
                                             text(3, "schemaUrl")};
constexpr Message resource_metrics{resource_metrics_fields};
constexpr Field metrics_fields[] = {many(1, "resourceMetrics", resource_metrics)};
constexpr Message metrics{metrics_fields};

}  // namespace

const Field* Message::find(uint32_t number) const {
  for (const Field& field : fields)
    if (field.number == number) return &field;
  return nullptr;
}

const Field* Message::find(std::string_view name) const {
  for (const Field& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

const Message& request_message(model::Signal signal) {
  return signal == model::Signal::traces ? traces : signal == model::Signal::metrics ? metrics : logs;
}

}  // namespace hs::wire::otlp
