#pragma once
// Parts of OTLP/protobuf that all three signals have. Internal to wire/otlp. Throws protozero::exception on bytes that
// are not protobuf; decode_protobuf() catches it. Fields with an unexpected wire type are skipped, as unknown ones are.
// Field numbers: opentelemetry-proto, common/v1/common.proto and resource/v1/resource.proto.

#include "base/protobuf.h"
#include "wire/otlp/build.h"

namespace hs::wire::otlp {

using protobuf::bytes;
using protobuf::fixed32;
using protobuf::fixed64;
using protobuf::varint;
using protobuf::view_of;
using pbf_reader = protobuf::Reader;

// Ids: false when the length is wrong. Empty and all zero are "absent": true, and the id is zero.
bool read_id(std::string_view raw, model::TraceId& id);
bool read_id(std::string_view raw, model::SpanId& id);

// One KeyValue into the list.
void read_attribute(Builder& b, AttributeList& list, std::string_view key_value);
Value read_value(Builder& b, pbf_reader any, const ValueLimits& limits);

// One Resource{Spans,Logs,Metrics} or Scope{Spans,Logs,Metrics}: they share their field numbers. Schema URLs may come
// after the items, so the context is read in a first pass.
struct Group {
  std::string_view context, schema_url;
  size_t items = 0;  // sub-messages with tag 2
};
Group read_group(std::string_view message);
uint32_t read_resource(Builder& b, const Group& group);
uint32_t read_scope(Builder& b, const Group& group);

// Calls item(pbf_reader, resource, scope) for each item of the request, and before(count) once. Stops when the budget
// is spent.
template <class Before, class Item>
void for_each_item(Builder& b, std::string_view request, Before before, Item item);

// The three signals.
void read_traces(Builder& b, std::string_view request);
void read_logs(Builder& b, std::string_view request);
void read_metrics(Builder& b, std::string_view request);

template <class F>
void for_each_message(std::string_view message, uint32_t tag, F f) {
  pbf_reader r(message.data(), message.size());
  while (r.next()) {
    if (r.tag_and_type() == bytes(tag))
      f(view_of(r));
    else
      r.skip();
  }
}

template <class Before, class Item>
void for_each_item(Builder& b, std::string_view request, Before before, Item item) {
  size_t items = 0;
  for_each_message(request, 1, [&](std::string_view by_resource) {
    for_each_message(by_resource, 2, [&](std::string_view by_scope) { items += read_group(by_scope).items; });
  });
  before(items);
  for_each_message(request, 1, [&](std::string_view by_resource) {
    const Group resources = read_group(by_resource);
    if (resources.items == 0) return;
    const uint32_t resource = read_resource(b, resources);
    for_each_message(by_resource, 2, [&](std::string_view by_scope) {
      const Group scopes = read_group(by_scope);
      if (scopes.items == 0) return;
      const uint32_t scope = read_scope(b, scopes);
      for_each_message(by_scope, 2, [&](std::string_view one) {
        if (b.within_budget()) item(pbf_reader(one.data(), one.size()), resource, scope);
      });
    });
  });
}

}  // namespace hs::wire::otlp
