// Field numbers: opentelemetry-proto, trace/v1/trace.proto.

#include "wire/otlp/protobuf.h"

namespace hs::wire::otlp {
namespace {

void read_event(Builder& b, SpanRow& span, pbf_reader r) {
  if (!b.room_for_event(span)) return;
  EventRow row;
  AttributeList list{b.batch.spans.events.attributes.items};
  while (r.next()) {
    switch (r.tag_and_type()) {
      case fixed64(1):
        row.time = r.get_fixed64();
        break;
      case bytes(2):
        row.name = b.name(view_of(r));
        break;
      case bytes(3):
        read_attribute(b, list, view_of(r));
        break;
      case varint(4):
        row.dropped_attributes = r.get_uint32();
        break;
      default:
        r.skip();
    }
  }
  row.dropped_attributes += list.dropped;
  b.push(row);
}

void read_link(Builder& b, SpanRow& span, pbf_reader r) {
  if (!b.room_for_link(span)) return;
  LinkRow row;
  AttributeList list{b.batch.spans.links.attributes.items};
  while (r.next()) {
    switch (r.tag_and_type()) {
      case bytes(1):
        row.context.ok &= read_id(view_of(r), row.context.trace_id);
        break;
      case bytes(2):
        row.context.ok &= read_id(view_of(r), row.context.span_id);
        break;
      case bytes(3):
        row.trace_state = b.message(view_of(r));
        break;
      case bytes(4):
        read_attribute(b, list, view_of(r));
        break;
      case varint(5):
        row.dropped_attributes = r.get_uint32();
        break;
      case fixed32(6):
        row.flags = r.get_fixed32();
        break;
      default:
        r.skip();
    }
  }
  row.dropped_attributes += list.dropped;
  b.push(row, span);
}

void read_status(Builder& b, SpanRow& span, pbf_reader r) {
  while (r.next()) {
    switch (r.tag_and_type()) {
      case bytes(2):
        span.status_message = b.message(view_of(r));
        break;
      case varint(3):
        span.status = r.get_uint64();
        break;
      default:
        r.skip();
    }
  }
}

void read_span(Builder& b, pbf_reader r, uint32_t resource, uint32_t scope) {
  SpanRow row;
  row.resource = resource;
  row.scope = scope;
  bool trace_ok = false, span_ok = false;
  AttributeList list{b.batch.spans.attributes.items};
  while (r.next()) {
    switch (r.tag_and_type()) {
      case bytes(1):
        trace_ok = read_id(view_of(r), row.trace_id);
        break;
      case bytes(2):
        span_ok = read_id(view_of(r), row.span_id);
        break;
      case bytes(3):
        row.trace_state = b.message(view_of(r));
        break;
      case bytes(4):
        row.parent_ok = read_id(view_of(r), row.parent_id);
        break;
      case bytes(5):
        row.name = b.name(view_of(r));
        break;
      case varint(6):
        row.kind = r.get_uint64();
        break;
      case fixed64(7):
        row.start = r.get_fixed64();
        break;
      case fixed64(8):
        row.end = r.get_fixed64();
        break;
      case bytes(9):
        read_attribute(b, list, view_of(r));
        break;
      case varint(10):
        row.dropped_attributes = r.get_uint32();
        break;
      case bytes(11):
        read_event(b, row, r.get_message());
        break;
      case varint(12):
        row.dropped_events += r.get_uint32();
        break;
      case bytes(13):
        read_link(b, row, r.get_message());
        break;
      case varint(14):
        row.dropped_links += r.get_uint32();
        break;
      case bytes(15):
        read_status(b, row, r.get_message());
        break;
      case fixed32(16):
        row.flags = r.get_fixed32();
        break;
      default:
        r.skip();
    }
  }
  row.dropped_attributes += list.dropped;
  row.ids_ok = trace_ok && span_ok && row.trace_id != model::TraceId{} && row.span_id != 0;
  b.push(row);
}

}  // namespace

void read_traces(Builder& b, std::string_view request) {
  for_each_item(
      b, request, [&](size_t items) { b.reserve_spans(items, request.size()); },
      [&](pbf_reader r, uint32_t resource, uint32_t scope) { read_span(b, r, resource, scope); });
}

}  // namespace hs::wire::otlp
