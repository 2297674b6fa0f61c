// Field numbers: opentelemetry-proto, logs/v1/logs.proto.

#include "wire/otlp/protobuf.h"

namespace hs::wire::otlp {
namespace {

void read_record(Builder& b, pbf_reader r, uint32_t resource, uint32_t scope) {
  LogRow row;
  row.resource = resource;
  row.scope = scope;
  AttributeList list{b.batch.logs.attributes.items};
  while (r.next()) {
    switch (r.tag_and_type()) {
      case fixed64(1):
        row.time = r.get_fixed64();
        break;
      case varint(2):
        row.severity = r.get_int64();
        break;
      case bytes(3):
        row.severity_text = b.name(view_of(r));
        break;
      case bytes(5):
        row.body = read_value(b, r.get_message(), b.body_value());
        break;
      case bytes(6):
        read_attribute(b, list, view_of(r));
        break;
      case varint(7):
        row.dropped_attributes = r.get_uint32();
        break;
      case fixed32(8):
        row.flags = r.get_fixed32();
        break;
      case bytes(9):
        row.context.ok &= read_id(view_of(r), row.context.trace_id);
        break;
      case bytes(10):
        row.context.ok &= read_id(view_of(r), row.context.span_id);
        break;
      case fixed64(11):
        row.observed_time = r.get_fixed64();
        break;
      case bytes(12):
        row.event_name = b.name(view_of(r));
        break;
      default:
        r.skip();
    }
  }
  row.dropped_attributes += list.dropped;
  b.push(row);
}

}  // namespace

void read_logs(Builder& b, std::string_view request) {
  for_each_item(
      b, request, [&](size_t items) { b.reserve_logs(items, request.size()); },
      [&](pbf_reader r, uint32_t resource, uint32_t scope) { read_record(b, r, resource, scope); });
}

}  // namespace hs::wire::otlp
