// Hostile and broken requests: what is refused whole, what is rejected, trimmed, cut and repaired.

#include <gtest/gtest.h>

#include "model/canonical.h"
#include "wire/otlp/otlp.h"
#include "wire/otlp/test_payloads.h"

namespace hs::wire::otlp {
namespace {

using namespace test;
using model::Signal;

Result<model::Batch> pb_spans(std::initializer_list<Message> spans, const DecodeLimits& limits = {}) {
  return decode(Signal::traces, Format::protobuf, request(spans), limits);
}
Result<model::Batch> pb_logs(std::initializer_list<Message> logs, const DecodeLimits& limits = {}) {
  return decode(Signal::logs, Format::protobuf, request(logs), limits);
}

void expect_refused(const Result<model::Batch>& result, Code code, std::string_view part) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, code);
  EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
}

void expect_why(const Result<model::Batch>& result, uint64_t rejected, std::string_view part) {
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->rejected, rejected);
  EXPECT_NE(result->rejected_why.find(part), std::string::npos) << result->rejected_why;
}

TEST(Broken, ProtobufIsRefusedWhole) {
  for (const Signal signal : {Signal::traces, Signal::metrics, Signal::logs})
    expect_refused(decode(signal, Format::protobuf, "\xff\xfe\x01not a protobuf"), Code::invalid_argument,
                   "no OTLP/protobuf");
  const std::string whole = request({minimal_span()});
  for (size_t size = 1; size < whole.size(); ++size)
    EXPECT_FALSE(decode(Signal::traces, Format::protobuf, whole.substr(0, size))) << size;
}

TEST(Broken, JsonIsRefusedWhole) {
  expect_refused(decode(Signal::traces, Format::json, ""), Code::invalid_argument, "no JSON");
  expect_refused(decode(Signal::traces, Format::json, "{\"resource"), Code::invalid_argument, "no JSON");
  expect_refused(decode(Signal::traces, Format::json, "[]"), Code::invalid_argument, "no JSON object");
  expect_refused(decode(Signal::traces, Format::json, R"({"resourceSpans":"x"})"), Code::invalid_argument,
                 "'resourceSpans' must be an array");
  expect_refused(decode(Signal::traces, Format::json, json_spans(minimal_span_json(R"(,"kind":"SPAN_KIND_SERVER")"))),
                 Code::invalid_argument, "names of enum values");
  for (const std::string_view field : {R"("startTimeUnixNano":"x")", R"("startTimeUnixNano":-1)", R"("flags":1.5)",
                                       R"("flags":4294967296)", R"("name":5)", R"("attributes":{})", R"("status":[])",
                                       R"("attributes":[{"key":"k","value":{"bytesValue":"*"}}])"})
    EXPECT_FALSE(decode(Signal::traces, Format::json, json_spans(minimal_span_json("," + std::string(field)))))
        << field;
}

TEST(Broken, DeepJsonIsRefused) {
  std::string deep(100'000, '[');
  EXPECT_FALSE(decode(Signal::logs, Format::json, deep));
  EXPECT_FALSE(decode(Signal::logs, Format::json, R"({"x":)" + deep));
}

TEST(Json, NullIsTheDefaultAndUnknownFieldsAreIgnored) {
  const auto plain = decode(Signal::traces, Format::json, json_spans(minimal_span_json()));
  const std::string span = minimal_span_json(R"(,"events":null,"status":null,"parentSpanId":null,"kind":null,
    "attributes":null,"startTimeUnixNano":null,"span_id":"x","new":[true,{"x":[]}])");
  const auto more =
      decode(Signal::traces, Format::json, R"({"future":{"a":[1,{"b":null}]},)" + json_spans(span).substr(1));
  ASSERT_TRUE(plain);
  ASSERT_TRUE(more) << more.error().message;
  EXPECT_EQ(describe(*plain), describe(*more));
}

TEST(Json, SnakeCaseIsNotRead) {
  expect_refused(decode(Signal::traces, Format::json, json_spans(R"({"trace_id":"0102030405060708090a0b0c0d0e0f10",
    "spanId":"1112131415161718"})")),
                 Code::invalid_argument, "trace_id");
}

TEST(Json, IntegersInAllForms) {
  const auto batch = decode(Signal::logs, Format::json, json_logs(R"({"timeUnixNano":"18446744073709551615"},
    {"timeUnixNano":1e3},{"timeUnixNano":7.0},{"body":{"intValue":-9.0}},{"body":{"doubleValue":"1.5"}})"));
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_EQ(batch->logs.time[0], INT64_MAX);  // clamped
  EXPECT_EQ(batch->logs.time[1], 1000);
  EXPECT_EQ(batch->logs.time[2], 7);
  EXPECT_EQ(batch->logs.body[3], "-9");
  EXPECT_EQ(batch->logs.body[4], "1.5");
}

TEST(Rejected, SpansWithoutValidIds) {
  const Message bad[] = {Message().text(2, span_id), Message().text(1, trace_id),
                         Message().text(1, trace_id.substr(1)).text(2, span_id),
                         Message().text(1, std::string(16, '\0')).text(2, span_id),
                         Message().text(1, trace_id).text(2, std::string(8, '\0'))};
  for (const Message& span : bad) {
    expect_why(pb_spans({span, minimal_span()}), 1, "1 spans rejected: trace_id");
    expect_refused(pb_spans({span}), Code::invalid_argument, "trace_id must be 16");
  }
  expect_why(pb_spans({minimal_span().text(4, "short"), minimal_span()}), 1, "parent_span_id");
  for (const std::string_view id : {"zz02030405060708090a0b0c0d0e0f10", "0102", ""})
    expect_refused(decode(Signal::traces, Format::json,
                          json_spans(R"({"spanId":"1112131415161718","traceId":")" + std::string(id) + "\"}")),
                   Code::invalid_argument, "trace_id");
}

TEST(Rejected, TheRestOfTheBatchStaysAligned) {
  Message bad = Message().text(5, "bad").message(9, attribute("x", int_value(1)));
  bad.message(11, Message().text(2, "e").message(3, attribute("x", int_value(1))));
  bad.message(13, Message().text(1, trace_id).text(2, span_id).message(4, attribute("x", int_value(1))));
  Message good = minimal_span().message(9, attribute("y", int_value(2))).message(11, Message().text(2, "kept"));
  const auto with = pb_spans({bad, good, bad});
  const auto without = pb_spans({good});
  expect_why(with, 2, "2 spans rejected");
  const auto body = [](const Result<model::Batch>& b) { return describe(*b).substr(describe(*b).find('\n')); };
  EXPECT_EQ(body(with), body(without));
}

TEST(Rejected, PointsOfUnnamedMetricsAndBrokenHistograms) {
  const auto points = [](const Message& metric) {
    const Message good = Message().text(1, "ok").message(5, Message().message(1, Message().real(4, 1)));
    return decode(Signal::metrics, Format::protobuf, request({metric, good}));
  };
  const Message two = Message().message(1, Message().real(4, 1)).message(1, Message().real(4, 2));
  expect_why(points(Message().message(5, two)), 2, "2 data points rejected: a metric's name");
  const auto histogram = [&](std::initializer_list<uint64_t> counts, std::initializer_list<double> bounds) {
    Message point;
    for (const uint64_t c : counts) point.fixed64(6, c);
    for (const double b : bounds) point.real(7, b);
    return points(Message().text(1, "h").message(9, Message().message(1, point)));
  };
  expect_why(histogram({1, 2}, {1, 2}), 1, "one bucket count more");
  expect_why(histogram({}, {1}), 1, "one bucket count more");
  expect_why(histogram({1, 2, 3}, {2, 1}), 1, "bounds must increase");
  expect_why(histogram({1, 2}, {std::numeric_limits<double>::quiet_NaN()}), 1, "bounds must increase");
  ASSERT_TRUE(histogram({1}, {}));
  EXPECT_EQ(histogram({1}, {})->rejected, 0U);
  DecodeLimits few;
  few.buckets_per_point_max = 2;
  Message point;
  for (int i = 0; i < 3; ++i) point.fixed64(6, 1);
  const Message wide = Message().text(1, "h").message(9, Message().message(1, point));
  expect_refused(decode(Signal::metrics, Format::protobuf, request({wide}), few), Code::invalid_argument,
                 "more buckets");
}

TEST(Points, WithoutAValueAreFlagged) {
  const Message gauge = Message().text(1, "g").message(5, Message().message(1, Message().fixed64(3, 1)));
  const auto batch = decode(Signal::metrics, Format::protobuf, request({gauge}));
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->points.flags[0], 1U);
}

TEST(Trimmed, AttributesOverTheLimit) {
  DecodeLimits limits;
  limits.attributes_per_item_max = 2;
  Message span = minimal_span().varint(10, 5);
  for (int i = 0; i < 4; ++i) span.message(9, attribute("k" + std::to_string(i), int_value(i)));
  const auto batch = pb_spans({span, minimal_span()}, limits);
  expect_why(batch, 0,
             "2 attributes dropped: more on one item than the limit of 2 (limits.attributes), the first after 'k1'");
  EXPECT_EQ(batch->spans.attributes.items.size(), 2U);
  EXPECT_EQ(batch->spans.dropped_attributes[0], 7U);
  EXPECT_EQ(batch->spans.dropped_attributes[1], 0U);
}

TEST(Rejected, PointsThatWouldBeOfAnotherSeries) {
  DecodeLimits limits;
  limits.attributes_per_item_max = 1;
  const auto point = [](int labels) {
    Message p = Message().real(4, 1);
    for (int i = 0; i < labels; ++i) p.message(7, attribute("k" + std::to_string(i), int_value(i)));
    return p;
  };
  const Message gauge =
      Message().text(1, "g").message(5, Message().message(1, point(2)).message(1, point(1)).message(1, point(3)));
  const auto batch = decode(Signal::metrics, Format::protobuf, request({gauge}), limits);
  expect_why(batch, 2,
             "2 data points rejected: an attribute was dropped, and without it a point is of another series, "
             "the first is 'g'");
  expect_why(batch, 2, "3 attributes dropped: more on one item than the limit of 1 (limits.attributes)");
  ASSERT_EQ(batch->points.size(), 1U);
  EXPECT_EQ(batch->points.attributes.items.size(), 1U);
}

TEST(Trimmed, KeysAndNestedValues) {
  DecodeLimits limits;
  limits.key_bytes_max = 12;
  limits.nesting_max = 2;
  limits.value_bytes_max = 100;
  Message deep = string_value("x");
  for (int i = 0; i < 3; ++i) deep = Message().message(5, Message().message(1, deep));
  Message wide;
  for (int i = 0; i < 10; ++i) wide.message(1, int_value(i));
  Message log = Message().message(6, attribute("a-key-too-long", int_value(1))).message(6, attribute("", int_value(1)));
  log.message(6, attribute("deep", deep)).message(6, attribute("wide", Message().message(5, wide)));
  log.message(6, attribute("ok", int_value(1)));
  const auto batch = pb_logs({log}, limits);
  expect_why(
      batch, 0,
      "2 attributes dropped: the key is empty or longer than the limit of 12 bytes (limits.key_bytes), the first "
      "is 'a-key-too-long'");
  expect_why(batch, 0, "1 attributes dropped: the value is nested");
  expect_why(batch, 0, "1 attributes dropped: the value, an array");
  EXPECT_EQ(batch->logs.attributes.items.size(), 1U);
  EXPECT_EQ(batch->logs.dropped_attributes[0], 4U);
  const auto body = pb_logs({Message().message(5, deep), Message()}, limits);
  expect_why(body, 1, "the body is nested");
}

std::string deep_json(int levels) {
  std::string value = R"({"stringValue":"x"})";
  for (int i = 0; i < levels; ++i) value = R"({"arrayValue":{"values":[)" + value + "]}}";
  return R"({"body":)" + value + "}";
}

TEST(Trimmed, NestingIsTheSameInJson) {
  EXPECT_TRUE(decode(Signal::logs, Format::json, json_logs(deep_json(32))));
  expect_refused(decode(Signal::logs, Format::json, json_logs(deep_json(33))), Code::invalid_argument, "nested");
}

TEST(Trimmed, EventsLinksAndExemplars) {
  DecodeLimits limits;
  limits.children_per_item_max = 1;
  const Message event = Message().text(2, "e"), link = Message().text(1, trace_id).text(2, span_id);
  Message span = minimal_span().message(11, event).message(11, event).message(13, link).message(13, link);
  const auto batch = pb_spans({span, span}, limits);
  expect_why(batch, 0, "2 events dropped");
  expect_why(batch, 0, "2 links dropped: more");
  EXPECT_EQ(batch->spans.dropped_events[1], 1U);
  EXPECT_EQ(batch->spans.dropped_links[1], 1U);
  EXPECT_EQ(batch->spans.events.time.size(), 2U);
  const auto bad_link = pb_spans({minimal_span().message(13, Message().text(1, "x").text(2, span_id))});
  expect_why(bad_link, 0, "1 links dropped: malformed");
  EXPECT_EQ(bad_link->spans.links.span_id.size(), 0U);
  const Message point = Message().real(4, 1).message(5, Message().real(3, 1)).message(5, Message().real(3, 2));
  const Message gauge = Message().text(1, "g").message(5, Message().message(1, point).message(1, point));
  const auto points = decode(Signal::metrics, Format::protobuf, request({gauge}), limits);
  expect_why(points, 0, "2 exemplars dropped");
  EXPECT_EQ(points->points.exemplars.point, (std::vector<uint32_t>{0, 1}));
}

TEST(Cut, TextsAndNamesAtCharacters) {
  DecodeLimits limits;
  limits.name_bytes_max = 4;
  limits.value_bytes_max = 4;
  const Message span = Message()
                           .text(1, trace_id)
                           .text(2, span_id)
                           .text(5, "abc\xC3\xA9")
                           .message(9, attribute("k", string_value("123456")));
  const auto batch = pb_spans({span}, limits);
  expect_why(batch, 0, "1 names cut");
  expect_why(batch, 0, "1 texts cut");
  EXPECT_EQ(batch->spans.name[0], "abc");
  EXPECT_EQ(batch->spans.attributes.items[0].value, "1234");
  const auto body = pb_logs({Message().message(5, string_value("a long body"))}, limits);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->logs.body[0], "a long body");
}

TEST(Repaired, InvalidUtf8) {
  const auto pb = pb_logs({Message().message(5, string_value("a\xFF\xC0z"))});
  expect_why(pb, 0, "not UTF-8");
  EXPECT_EQ(pb->logs.body[0], "a\xEF\xBF\xBD\xEF\xBF\xBDz");
  const auto json = decode(Signal::logs, Format::json, json_logs("{\"body\":{\"stringValue\":\"a\xFF\xC0z\"}}"));
  expect_why(json, 0, "not UTF-8");
  EXPECT_EQ(json->logs.body[0], pb->logs.body[0]);
}

TEST(Repaired, UnpairedSurrogates) {
  const auto json = decode(Signal::logs, Format::json,
                           json_logs(R"({"body":{"stringValue":"\\ud800 \ud800x\uDC00 \ud83d\ude00\ud83d"}})"));
  expect_why(json, 0, "3 texts");
  EXPECT_EQ(json->logs.body[0], "\\ud800 \xEF\xBF\xBDx\xEF\xBF\xBD \xF0\x9F\x98\x80\xEF\xBF\xBD");
}

TEST(Repaired, MalformedContextIsLeftOut) {
  const auto batch = pb_logs({Message().text(9, trace_id.substr(1)).text(10, span_id)});
  expect_why(batch, 0, "without their trace_id");
  EXPECT_EQ(batch->logs.trace_id[0], model::TraceId{});
  EXPECT_EQ(batch->logs.span_id[0], 0U);
}

TEST(Times, EndBeforeStartAndFarFuture) {
  const auto batch =
      pb_spans({minimal_span().fixed64(7, UINT64_MAX).fixed64(8, 0), minimal_span().fixed64(7, 5).fixed64(8, 4)});
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->spans.start[0], INT64_MAX);
  EXPECT_EQ(batch->spans.duration_ns[0], 0U);
  EXPECT_EQ(batch->spans.duration_ns[1], 0U);
}

TEST(Enums, UnknownValuesAreZero) {
  const auto spans = pb_spans({minimal_span().varint(6, 99).message(15, Message().varint(3, UINT64_MAX))});
  ASSERT_TRUE(spans);
  EXPECT_EQ(spans->spans.kind[0], 0);
  EXPECT_EQ(spans->spans.status[0], 0);
  const auto logs = pb_logs({Message().varint(2, 25)});
  ASSERT_TRUE(logs);
  EXPECT_EQ(logs->logs.severity[0], 0);
}

TEST(Budget, SmallItemsCannotTakeAllMemory) {
  DecodeLimits limits;
  limits.decoded_bytes_max = 1 << 20;
  Message scoped;
  for (int i = 0; i < 100'000; ++i) scoped.message(2, Message());  // 2 bytes each
  const std::string pb = Message().message(1, Message().message(2, scoped)).bytes;
  expect_refused(decode(Signal::logs, Format::protobuf, pb, limits), Code::too_large, "in several");
  std::string list = "{}";
  for (int i = 0; i < 100'000; ++i) list += ",{}";
  expect_refused(decode(Signal::logs, Format::json, json_logs(list), limits), Code::too_large, "in several");
  limits.json_tokens_max = 1000;
  expect_refused(decode(Signal::logs, Format::json, json_logs(list), limits), Code::too_large, "1000 values");
}

TEST(Budget, CountsResourcesToo) {
  DecodeLimits limits;
  limits.decoded_bytes_max = 1 << 20;
  std::string pb;
  for (int i = 0; i < 20'000; ++i) {
    const Message resource = Message().message(1, attribute("i", int_value(i)));
    pb += Message().message(1, Message().message(1, resource).message(2, Message().message(2, Message()))).bytes;
  }
  expect_refused(decode(Signal::logs, Format::protobuf, pb, limits), Code::too_large, "in several");
}

TEST(Encode, ResponsesSayNothingWhenAllIsWell) {
  EXPECT_EQ(encode_response(Signal::traces, Format::protobuf, 0, ""), "");
  EXPECT_EQ(encode_response(Signal::traces, Format::json, 0, ""), "{}");
  EXPECT_EQ(encode_response(Signal::traces, Format::protobuf, 2, "w\"y"),
            Message().message(1, Message().varint(1, 2).text(2, "w\"y")).bytes);
  EXPECT_EQ(encode_response(Signal::metrics, Format::json, 2, "w\"y"),
            R"({"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"w\"y"}})");
  EXPECT_EQ(encode_response(Signal::logs, Format::json, 0, "warned"),
            R"({"partialSuccess":{"errorMessage":"warned"}})");
}

TEST(Encode, Status) {
  const Error error{Code::resource_exhausted, "full", 1500};
  EXPECT_EQ(encode_status(Format::json, error), R"({"code":8,"message":"full"})");
  const Message info = Message().message(1, Message().varint(1, 1).varint(2, 500'000'000));
  const Message any = Message().text(1, "type.googleapis.com/google.rpc.RetryInfo").message(2, info);
  EXPECT_EQ(encode_status(Format::protobuf, error), Message().varint(1, 8).text(2, "full").message(3, any).bytes);
  EXPECT_EQ(encode_status(Format::protobuf, {Code::invalid_argument, "bad"}),
            Message().varint(1, 3).text(2, "bad").bytes);
}

}  // namespace
}  // namespace hs::wire::otlp
