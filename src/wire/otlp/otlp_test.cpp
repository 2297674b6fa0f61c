// The same content in both formats gives the same canonical batch, and every field arrives.

#include "wire/otlp/otlp.h"

#include <gtest/gtest.h>
#include <protozero/pbf_reader.hpp>

#include "model/canonical.h"
#include "wire/otlp/rewrite.h"
#include "wire/otlp/test_payloads.h"

namespace hs::wire::otlp {
namespace {

using namespace test;
using model::Signal;

// Checks that both are taken, equal, and that the text is `want` (from the first item on).
void expect_same(Signal signal, const std::string& pb, const std::string& json, std::string_view want) {
  const auto a = decode(signal, Format::protobuf, pb);
  const auto b = decode(signal, Format::json, json);
  ASSERT_TRUE(a) << a.error().message;
  ASSERT_TRUE(b) << b.error().message;
  const std::string text = describe(*a);
  EXPECT_EQ(text, describe(*b));
  const auto transcoded = protobuf_of_json(signal, json);
  ASSERT_TRUE(transcoded) << transcoded.error().message;
  const auto c = decode(signal, Format::protobuf, *transcoded);
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(text, describe(*c));
  const size_t at = text.find("\nscope ");
  ASSERT_NE(at, text.npos) << text;
  EXPECT_EQ(text.substr(text.find('\n', at + 1) + 1), want);
}

Message all_values() {
  const Message nested = Message().message(1, int_value(-1)).message(1, Message()).message(1, Message().real(4, 0.5));
  const Message map = Message().message(1, attribute("k\"", Message().message(5, nested)));
  return Message()
      .message(1, attribute("s", string_value("caf\xC3\xA9")))
      .message(1, attribute("b", Message().varint(2, 1)))
      .message(1, attribute("i", int_value(INT64_MIN)))
      .message(1, attribute("d", Message().real(4, 1e-300)))
      .message(1, attribute("n", Message().real(4, std::numeric_limits<double>::quiet_NaN())))
      .message(1, attribute("a", Message().message(5, nested)))
      .message(1, attribute("m", Message().message(6, map)))
      .message(1, attribute("y", Message().text(7, std::string("\0\1\2\xFF", 4))))
      .message(1, attribute("e", Message()));
}
constexpr std::string_view nested_json = R"({"values":[{"intValue":-1},{},{"doubleValue":0.5}]})";

std::string all_values_json() {
  return R"([{"key":"s","value":{"stringValue":"caf\u00e9"}},{"value":{"boolValue":true},"key":"b"},
    {"key":"i","value":{"intValue":"-9223372036854775808"}},{"key":"d","value":{"doubleValue":1e-300}},
    {"key":"n","value":{"doubleValue":"NaN"}},{"key":"a","value":{"arrayValue":)" +
         std::string(nested_json) +
         R"(}},{"key":"m","value":{"kvlistValue":{"values":[{"key":"k\"","value":{"arrayValue":)" +
         std::string(nested_json) + R"(}}]}}},{"key":"y","value":{"bytesValue":"AAEC/w=="}},{"key":"e","value":{}}])";
}

const std::string all_values_text =
    R"({"s":s="café" "b":b="true" "i":i="-9223372036854775808" "d":d="1e-300" "n":d="NaN")"
    R"( "a":a="[{\"intValue\":\"-1\"},{},{\"doubleValue\":0.5}]")"
    R"( "m":m="[{\"key\":\"k\\\"\",\"value\":{\"arrayValue\":{\"values\":)"
    R"([{\"intValue\":\"-1\"},{},{\"doubleValue\":0.5}]}}}]")"
    R"( "y":y="AAEC/w==" "e":e=""})";

// The attributes of `all_values()` with another tag.
Message with_all_values(Message m, uint32_t tag) {
  const std::string kept = all_values().bytes;
  protozero::pbf_reader r(kept);
  while (r.next(1)) {
    const auto view = r.get_view();
    m.text(tag, {view.data(), view.size()});
  }
  return m;
}

TEST(Otlp, SpansWithEverything) {
  const Message event = Message().fixed64(1, 150).text(2, "boom").message(3, attribute("x", int_value(7))).varint(4, 2);
  const Message link = Message()
                           .text(1, trace_id)
                           .text(2, span_id)
                           .text(3, "l=1")
                           .message(4, attribute("x", Message().varint(2, 0)))
                           .varint(5, 3)
                           .fixed32(6, 257);
  Message span = minimal_span();
  span.text(3, "a=b").text(4, std::string("\0\0\0\0\0\0\0\x01", 8)).varint(6, 3).fixed64(7, 100).fixed64(8, 350);
  span = with_all_values(span, 9);
  span.varint(10, 4).message(11, event).varint(12, 5).message(13, link).varint(14, 6);
  span.message(15, Message().text(2, "bad").varint(3, 2)).fixed32(16, 256);
  const std::string json = minimal_span_json(
      R"(,"traceState":"a=b","parentSpanId":"0000000000000001","kind":3,"startTimeUnixNano":"100","endTimeUnixNano":350,
      "droppedAttributesCount":4,"droppedEventsCount":5,"droppedLinksCount":6,"flags":256,
      "status":{"message":"bad","code":2},
      "events":[{"timeUnixNano":"150","name":"boom","attributes":[{"key":"x","value":{"intValue":7}}],
        "droppedAttributesCount":2}],
      "links":[{"traceId":"0102030405060708090A0B0C0D0E0F10","spanId":"1112131415161718","traceState":"l=1","flags":257,
        "attributes":[{"key":"x","value":{"boolValue":false}}],"droppedAttributesCount":3}],
      "attributes":)" +
      all_values_json());
  expect_same(
      Signal::traces, request({span}), json_spans(json),
      R"(span "op" r0 s0 trace=0102030405060708090a0b0c0d0e0f10 span=1112131415161718 parent=0000000000000001)"
      R"( start=100 duration=250 kind=3 status=2 message="bad" state="a=b" flags=256 dropped=4 dropped_events=5)"
      R"( dropped_links=6 )" +
          all_values_text +
          "\n  event \"boom\" time=150 dropped=2 {\"x\":i=\"7\"}"
          "\n  link trace=0102030405060708090a0b0c0d0e0f10 span=1112131415161718 state=\"l=1\" flags=257 dropped=3"
          " {\"x\":b=\"false\"}\n");
}

TEST(Otlp, LogsWithEverything) {
  Message log = Message().fixed64(1, 10).varint(2, 17).text(3, "ERROR").message(5, string_value("it \"broke\""));
  log = with_all_values(log, 6);
  log.varint(7, 1).fixed32(8, 1).text(9, trace_id).text(10, span_id).fixed64(11, 11).text(12, "app.broke");
  const std::string json =
      R"({"timeUnixNano":"10","observedTimeUnixNano":11,"severityNumber":17,"severityText":"ERROR","flags":1,
      "body":{"stringValue":"it \"broke\""},"droppedAttributesCount":1,"eventName":"app.broke",
      "traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718","attributes":)" +
      all_values_json() + "}";
  expect_same(Signal::logs, request({log}), json_logs(json),
              R"(log s:"it \"broke\"" r0 s0 time=10 observed=11 severity=17 severity_text="ERROR" event="app.broke")"
              R"( trace=0102030405060708090a0b0c0d0e0f10 span=1112131415161718 flags=1 dropped=1 )" +
                  all_values_text + "\n");
}

TEST(Otlp, LogBodiesOfEveryType) {
  std::string pb, json;
  const std::string kept = all_values().bytes;
  protozero::pbf_reader r(kept);
  Message scoped;
  scoped.message(1, Message().text(1, "lib"));
  while (r.next(1)) {  // each attribute's value as a body
    auto kv = r.get_message();
    kv.next(2);
    const auto value = kv.get_view();
    scoped.message(2, Message().text(5, {value.data(), value.size()}));
  }
  scoped.message(2, Message());
  pb = Message().message(1, Message().message(1, resource_message()).message(2, scoped)).bytes;
  json = json_logs(R"({"body":{"stringValue":"café"}},{"body":{"boolValue":true}},
    {"body":{"intValue":"-9223372036854775808"}},{"body":{"doubleValue":1e-300}},{"body":{"doubleValue":"NaN"}},
    {"body":{"arrayValue":)" +
                   std::string(nested_json) +
                   R"(}},{"body":{"kvlistValue":{"values":[{"key":"k\"","value":{"arrayValue":)" +
                   std::string(nested_json) + R"(}}]}}},{"body":{"bytesValue":"AAEC_w"}},{"body":{}},{"body":null})");
  const auto a = decode(Signal::logs, Format::protobuf, pb);
  const auto b = decode(Signal::logs, Format::json, json);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(describe(*a), describe(*b));
  std::string types;
  for (const auto type : a->logs.body_type) types += static_cast<char>(type);
  EXPECT_EQ(types, "sbiddamyee");
}

Message exemplar_message() {
  return Message()
      .fixed64(2, 5)
      .real(3, 2.5)
      .text(4, span_id)
      .text(5, trace_id)
      .message(7, attribute("u", int_value(1)));
}
constexpr std::string_view exemplar_json =
    R"([{"timeUnixNano":"5","asDouble":2.5,"spanId":"1112131415161718","traceId":"0102030405060708090a0b0c0d0e0f10",
    "filteredAttributes":[{"key":"u","value":{"intValue":"1"}}]}])";
constexpr std::string_view exemplar_text =
    "\n  exemplar time=5 value=2.5 trace=0102030405060708090a0b0c0d0e0f10 span=1112131415161718 {\"u\":i=\"1\"}";

TEST(Otlp, NumberPoints) {
  const Message gauge_point = Message()
                                  .fixed64(3, 20)
                                  .real(4, -0.5)
                                  .message(5, exemplar_message())
                                  .message(7, attribute("k", string_value("v")));
  const Message sum_point = Message().fixed64(2, 1).fixed64(3, 20).fixed64(6, 9007199254740993);
  const Message empty_point = Message().fixed64(3, 21).varint(8, 1);
  const Message gauge =
      Message().text(1, "g").text(2, "about").text(3, "By").message(5, Message().message(1, gauge_point));
  const Message sum = Message()
                          .text(1, "s")
                          .message(7, Message().message(1, sum_point).message(1, empty_point).varint(2, 1).varint(3, 1))
                          .message(12, attribute("meta", string_value("x")));
  expect_same(Signal::metrics, request({gauge, sum}),
              json_metrics(R"({"name":"g","description":"about","unit":"By","gauge":{"dataPoints":[{"timeUnixNano":"20",
                "asDouble":-0.5,"attributes":[{"key":"k","value":{"stringValue":"v"}}],"exemplars":)" +
                           std::string(exemplar_json) +
                           R"(}]}},{"name":"s","metadata":[{"key":"meta","value":{"stringValue":"x"}}],
                "sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[
                  {"startTimeUnixNano":"1","timeUnixNano":"20","asInt":9007199254740993},
                  {"timeUnixNano":"21","flags":1}]}})"),
              R"(metric m0 "g" kind=1 r0 s0 unit="By" description="about")"
              "\n"
              R"(metric m1 "s" kind=2 r0 s0 temporality=1 monotonic=true {"meta":s="x"})"
              "\n"
              R"(point m0 time=20 start=0 value=-0.5 {"k":s="v"})" +
                  std::string(exemplar_text) +
                  "\npoint m1 time=20 start=1 int=9007199254740993 value=9007199254740992 {}"
                  "\npoint m1 time=21 start=0 flags=1 value=0 {}\n");
}

std::string packed(std::initializer_list<uint64_t> values) {
  std::string out;
  for (const uint64_t v : values) out.append(reinterpret_cast<const char*>(&v), sizeof(v));
  return out;
}
std::string packed_reals(std::initializer_list<double> values) {
  std::string out;
  for (const double v : values) out.append(reinterpret_cast<const char*>(&v), sizeof(v));
  return out;
}

TEST(Otlp, Histograms) {
  const Message point = Message()
                            .fixed64(2, 1)
                            .fixed64(3, 2)
                            .fixed64(4, 6)
                            .real(5, 9.5)
                            .text(6, packed({1, 2, 3}))
                            .text(7, packed_reals({1, 2.5}))
                            .message(8, exemplar_message())
                            .message(9, attribute("k", string_value("v")))
                            .real(11, 0.5)
                            .real(12, 4);
  const Message unpacked = Message().fixed64(4, 1).fixed64(6, 1).fixed64(6, 0).real(7, 5);  // older writers
  const Message histogram =
      Message().text(1, "h").message(9, Message().message(1, point).message(1, unpacked).varint(2, 2));
  expect_same(
      Signal::metrics, request({histogram}),
      json_metrics(R"({"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[
                {"startTimeUnixNano":"1","timeUnixNano":"2","count":"6","sum":9.5,"min":0.5,"max":4,
                 "bucketCounts":["1",2,"3"],"explicitBounds":[1,"2.5"],
                 "attributes":[{"key":"k","value":{"stringValue":"v"}}],"exemplars":)" +
                   std::string(exemplar_json) + R"(},{"count":1,"bucketCounts":[1,0],"explicitBounds":[5]}]}})"),
      R"(metric m0 "h" kind=3 r0 s0 temporality=2)"
      "\n"
      R"(point m0 time=2 start=1 count=6 sum=9.5 min=0.5 max=4 bounds=[1,2.5] counts=[1,2,3] {"k":s="v"})" +
          std::string(exemplar_text) + "\npoint m0 time=0 start=0 count=1 bounds=[5] counts=[1,0] {}\n");
}

TEST(Otlp, ExponentialHistogramsAndSummaries) {
  const Message point = Message()
                            .fixed64(3, 2)
                            .fixed64(4, 5)
                            .real(5, 10)
                            .sint(6, -3)
                            .fixed64(7, 1)
                            .message(8, Message().sint(1, -2).text(2, std::string("\x01\x80\x01", 3)))
                            .message(9, Message().varint(2, 2))
                            .message(11, exemplar_message())
                            .real(12, -1)
                            .real(13, 8)
                            .real(14, 1e-9);
  const Message quantile = Message().real(1, 0.5).real(2, 2);
  const Message summary =
      Message().fixed64(3, 2).fixed64(4, 4).message(6, quantile).message(7, attribute("k", Message()));
  const Message metrics[] = {Message().text(1, "e").message(10, Message().message(1, point).varint(2, 1)),
                             Message().text(1, "q").message(11, Message().message(1, summary))};
  expect_same(Signal::metrics, request({metrics[0], metrics[1]}),
              json_metrics(R"({"name":"e","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[
                {"timeUnixNano":"2","count":"5","sum":10,"scale":-3,"zeroCount":"1","zeroThreshold":1e-9,
                 "positive":{"offset":-2,"bucketCounts":["1","128"]},"negative":{"bucketCounts":[2]},
                 "min":-1,"max":8,"exemplars":)" +
                           std::string(exemplar_json) + R"(}]}},
                {"name":"q","summary":{"dataPoints":[{"timeUnixNano":"2","count":"4",
                 "quantileValues":[{"quantile":0.5,"value":2}],"attributes":[{"key":"k"}]}]}})"),
              R"(metric m0 "e" kind=4 r0 s0 temporality=1)"
              "\n"
              R"(metric m1 "q" kind=5 r0 s0)"
              "\n"
              R"(point m0 time=2 start=0 count=5 sum=10 min=-1 max=8 scale=-3 zero_count=1 zero_threshold=1e-09)"
              R"( positive_offset=-2 positive=[1,128] negative=[2] {})" +
                  std::string(exemplar_text) + "\n" +
                  R"(point m1 time=2 start=0 count=4 sum=0 bounds=[0.5] quantiles=[2] {"k":e=""})" + "\n");
}

TEST(Otlp, ResourcesAndScopesAreSharedAndIdentified) {
  const Message scope = Message().text(1, "lib").text(2, "2.0").message(3, attribute("a", int_value(1))).varint(4, 9);
  const Message scoped = Message().message(1, scope).message(2, minimal_span()).text(3, "https://scope");
  Message resource = resource_message();
  resource.message(1, attribute("host.name", string_value("h"))).varint(2, 1);
  // The schema URL stands before, between or after: it counts all the same.
  const std::string pb = Message()
                             .message(1, Message().message(1, resource).message(2, scoped).text(3, "https://r"))
                             .message(1, Message().text(3, "https://r").message(2, scoped).message(1, resource))
                             .message(1, Message().message(1, resource))
                             .bytes;
  const std::string attributes = R"({"attributes":[{"key":"host.name","value":{"stringValue":"h"}},
    {"key":"service.name","value":{"stringValue":"shop"}}],"droppedAttributesCount":1})";
  const std::string scopes = R"([{"scope":{"name":"lib","version":"2.0","droppedAttributesCount":9,
    "attributes":[{"key":"a","value":{"intValue":1}}]},"schemaUrl":"https://scope","spans":[)" +
                             minimal_span_json() + "]}]";
  const std::string json = R"({"resourceSpans":[{"resource":)" + attributes + R"(,"scopeSpans":)" + scopes +
                           R"(,"schemaUrl":"https://r"},{"schemaUrl":"https://r","scopeSpans":)" + scopes +
                           R"(,"resource":)" + attributes + R"(},{"resource":)" + attributes + "}]}";
  const auto a = decode(Signal::traces, Format::protobuf, pb);
  const auto b = decode(Signal::traces, Format::json, json);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(describe(*a), describe(*b));
  ASSERT_EQ(a->resources.size(), 1U);
  ASSERT_EQ(a->scopes.size(), 1U);
  EXPECT_EQ(a->spans.size(), 2U);
  EXPECT_EQ(a->resources[0].service, "shop");
  EXPECT_EQ(a->resources[0].instance, "h");
  EXPECT_EQ(a->resources[0].schema_url, "https://r");
  EXPECT_EQ(a->resources[0].dropped_attributes, 1U);
  EXPECT_EQ(a->scopes[0].version, "2.0");
  EXPECT_EQ(a->scopes[0].schema_url, "https://scope");
}

TEST(Otlp, NoResourceIsAnUnknownService) {
  const auto batch = decode(Signal::logs, Format::json, R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]})");
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->logs.size(), 1U);
  EXPECT_EQ(batch->resources[0].service, "unknown_service");
}

TEST(Otlp, ProtobufTextIsViewedNotCopied) {
  const std::string pb = request({minimal_span()});
  const auto batch = decode(Signal::traces, Format::protobuf, pb);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->arena.bytes(), pb.size());
}

TEST(Otlp, EmptyRequestsAreFine) {
  for (const Signal signal : {Signal::traces, Signal::metrics, Signal::logs}) {
    EXPECT_TRUE(decode(signal, Format::protobuf, ""));
    EXPECT_TRUE(decode(signal, Format::json, "{}"));
  }
}

}  // namespace
}  // namespace hs::wire::otlp
