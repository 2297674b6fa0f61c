#pragma once
// Payloads for the tests: protobuf written by hand, the same content as literal JSON.

#include <string>
#include <string_view>

#include <protozero/pbf_writer.hpp>

namespace hs::wire::otlp::test {

// A message under construction: Message().text(1, "k").message(2, ...).bytes
struct Message {
  std::string bytes;

  Message& text(uint32_t tag, std::string_view v) {
    return put([&](auto& w) { w.add_bytes(tag, v.data(), v.size()); });
  }
  Message& message(uint32_t tag, const Message& m) { return text(tag, m.bytes); }
  Message& varint(uint32_t tag, uint64_t v) {
    return put([&](auto& w) { w.add_uint64(tag, v); });
  }
  Message& sint(uint32_t tag, int32_t v) {
    return put([&](auto& w) { w.add_sint32(tag, v); });
  }
  Message& fixed64(uint32_t tag, uint64_t v) {
    return put([&](auto& w) { w.add_fixed64(tag, v); });
  }
  Message& fixed32(uint32_t tag, uint32_t v) {
    return put([&](auto& w) { w.add_fixed32(tag, v); });
  }
  Message& real(uint32_t tag, double v) {
    return put([&](auto& w) { w.add_double(tag, v); });
  }

 private:
  template <class F>
  Message& put(F f) {
    protozero::pbf_writer writer(bytes);
    f(writer);
    return *this;
  }
};

inline Message string_value(std::string_view v) { return Message().text(1, v); }
inline Message int_value(int64_t v) { return Message().varint(3, static_cast<uint64_t>(v)); }
inline Message attribute(std::string_view key, const Message& value) {
  return Message().text(1, key).message(2, value);
}

inline const std::string trace_id("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10", 16);
inline const std::string span_id("\x11\x12\x13\x14\x15\x16\x17\x18", 8);
inline constexpr std::string_view trace_hex = "0102030405060708090a0b0c0d0e0f10";
inline constexpr std::string_view span_hex = "1112131415161718";

inline Message resource_message() { return Message().message(1, attribute("service.name", string_value("shop"))); }

// A request with one resource, one scope "lib" and the given items.
inline std::string request(std::initializer_list<Message> items) {
  Message scoped;
  scoped.message(1, Message().text(1, "lib"));
  for (const Message& item : items) scoped.message(2, item);
  return Message().message(1, Message().message(1, resource_message()).message(2, scoped)).bytes;
}

inline std::string json_request(std::string_view by_resource, std::string_view by_scope, std::string_view items,
                                std::string_view list) {
  std::string out = "{\"";
  out += by_resource;
  out += R"(":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},")";
  out += by_scope;
  out += R"(":[{"scope":{"name":"lib"},")";
  out += items;
  out += "\":[";
  out += list;
  return out + "]}]}]}";
}
inline std::string json_spans(std::string_view list) {
  return json_request("resourceSpans", "scopeSpans", "spans", list);
}
inline std::string json_logs(std::string_view list) {
  return json_request("resourceLogs", "scopeLogs", "logRecords", list);
}
inline std::string json_metrics(std::string_view list) {
  return json_request("resourceMetrics", "scopeMetrics", "metrics", list);
}

inline Message minimal_span() { return Message().text(1, trace_id).text(2, span_id).text(5, "op"); }
inline std::string minimal_span_json(std::string_view more = "") {
  std::string out = R"({"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718","name":"op")";
  return out + std::string(more) + "}";
}

}  // namespace hs::wire::otlp::test
