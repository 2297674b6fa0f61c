#pragma once
// Parts of OTLP/JSON that all three signals have. Internal to wire/otlp. The document is parsed whole; reading it then
// cannot fail except by a known field of a wrong type: the first such error is kept, and the request refused.
// Null is the default value of any field; unknown fields are ignored (proto3 JSON mapping).

#include <simdjson.h>

#include "wire/otlp/build.h"

namespace hs::wire::otlp {

using Element = simdjson::dom::element;

Result<model::Batch> decode_json(Builder& b, std::string body);
Result<std::string> transcode_json(Builder& b, std::string body);

class JsonReader {
 public:
  explicit JsonReader(Builder& builder) : b(builder) {}

  Builder& b;

  bool failed() const { return !error_.empty(); }
  const std::string& error() const { return error_; }
  void wrong(std::string_view field, std::string_view wanted);

  // Scalars of a field; the default after an error.
  std::string_view text(Element e, std::string_view field);  // of the document
  std::string_view kept(Element e, std::string_view field);  // of the batch's arena
  std::string bytes(Element e, std::string_view field);      // base64
  uint64_t u64(Element e, std::string_view field);
  int64_t i64(Element e, std::string_view field);
  uint32_t u32(Element e, std::string_view field);
  int32_t i32(Element e, std::string_view field);
  double real(Element e, std::string_view field);
  bool boolean(Element e, std::string_view field);
  int64_t enumeration(Element e, std::string_view field);
  // Hex, either case. False when it is not the id's length in hex digits; empty is "absent".
  bool id(Element e, std::string_view field, model::TraceId& id);
  bool id(Element e, std::string_view field, model::SpanId& id);

  // f(element) for each element of an array.
  template <class F>
  void each(Element e, std::string_view field, F f) {
    if (e.is_null()) return;
    simdjson::dom::array array;
    if (e.get(array) != simdjson::SUCCESS) return wrong(field, "an array");
    for (const Element item : array) f(item);
  }
  // f(key, value) for each field of an object that is not null.
  template <class F>
  void fields(Element e, std::string_view field, F f) {
    if (e.is_null()) return;
    simdjson::dom::object object;
    if (e.get(object) != simdjson::SUCCESS) return wrong(field, "an object");
    for (const auto [key, value] : object)
      if (!value.is_null()) f(key, value);
  }

  void attributes(Element e, std::string_view field, AttributeList& list);
  Value value(Element e, std::string_view field, const ValueLimits& limits);

  struct Keys {
    std::string_view by_resource, by_scope, items;  // "resourceSpans", "scopeSpans", "spans"
  };
  // item(element, resource, scope) for each item of the request. Stops at an error and when the budget is spent.
  template <class Item>
  void for_each_item(Element root, const Keys& keys, Item item) {
    child(root, "request", keys.by_resource, [&](Element by_resource) {
      uint32_t resource = 0;
      bool known = false;  // a resource without items is not needed
      child(by_resource, keys.by_resource, keys.by_scope, [&](Element by_scope) {
        if (!known) resource = add_resource(by_resource);
        known = true;
        bool scope_known = false;
        uint32_t scope = 0;
        child(by_scope, keys.by_scope, keys.items, [&](Element one) {
          if (!scope_known) scope = add_scope(by_scope);
          scope_known = true;
          if (!failed() && b.within_budget()) item(one, resource, scope);
        });
      });
    });
  }

 private:
  // f(element) for each element of the array `key` of the object `e`.
  template <class F>
  void child(Element e, std::string_view field, std::string_view key, F f) {
    fields(e, field, [&](std::string_view k, Element value) {
      if (k == key) each(value, key, f);
    });
  }
  uint32_t add_resource(Element by_resource);
  uint32_t add_scope(Element by_scope);

  std::string error_;
};

// The request as protobuf (schema.h).
std::string transcode(JsonReader& r, Element root);

void read_traces(JsonReader& r, Element root);
void read_logs(JsonReader& r, Element root);
void read_metrics(JsonReader& r, Element root);

}  // namespace hs::wire::otlp
