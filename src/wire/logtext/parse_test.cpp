#include "wire/logtext/parse.h"

#include <gtest/gtest.h>

#include "base/time.h"

namespace hs::wire::logtext {
namespace {

using model::Attribute;
using model::ValueType;

struct Row {
  std::string_view body;
  uint8_t severity = 0;
  std::string_view severity_text = {};
  model::TraceId trace_id{};
  UnixNanos time = 0;
  std::vector<Attribute> attributes = {};
};

model::Batch batch_of(const std::vector<Row>& rows) {
  model::Batch batch;
  batch.signal = model::Signal::logs;
  model::Logs& l = batch.logs;
  for (const Row& row : rows) {
    l.time.push_back(row.time);
    l.severity.push_back(row.severity);
    l.severity_text.push_back(row.severity_text);
    l.body.push_back(row.body);
    l.body_type.push_back(ValueType::string);
    l.trace_id.push_back(row.trace_id);
    l.span_id.push_back(0);
    for (const Attribute& a : row.attributes) l.attributes.push(a);
    l.attributes.end_row();
  }
  return batch;
}

std::string attributes_of(const model::Batch& batch, size_t row = 0) {
  std::string out;
  for (const Attribute* a = batch.logs.attributes.begin(row); a != batch.logs.attributes.end(row); ++a)
    out += std::string(a->key) + ":" + static_cast<char>(a->type) + "=" + std::string(a->value) + " ";
  return out;
}

model::Batch parsed(const Row& row, const Limits& limits = {}) {
  model::Batch batch = batch_of({row});
  parse(batch, limits);
  EXPECT_EQ(batch.logs.body[0], row.body);
  EXPECT_EQ(batch.logs.attributes.rows(), 1U);
  return batch;
}

constexpr std::string_view trace = "0af7651916cd43dd8448eb211c80319c", span = "b7ad6b7169203331";

TEST(LogText, Json) {
  const auto b =
      parsed({R"( {"level":"warn","msg":"hi","user":{"id":7,"ok":true},"r":0.5,"l":[1,"x"],"n":null,"s":"\u00e9",
    "trace_id":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","time":"2026-01-02T03:04:05Z"} )"});
  EXPECT_EQ(attributes_of(b), "user.id:i=7 user.ok:b=true r:d=0.5 l:s=[1,\"x\"] s:s=\xC3\xA9 ");
  EXPECT_EQ(b.logs.severity[0], 13);
  EXPECT_EQ(b.logs.severity_text[0], "warn");
  EXPECT_EQ(model::to_hex(b.logs.trace_id[0]), trace);
  EXPECT_EQ(model::span_id_to_hex(b.logs.span_id[0]), span);
  EXPECT_EQ(b.logs.time[0], parse_time("2026-01-02T03:04:05Z").value());
  EXPECT_EQ(parsed({R"({"level":50,"x":1})"}).logs.severity[0], 17);
  EXPECT_EQ(attributes_of(parsed({R"({"level":"odd","x":1})"})), "level:s=odd x:i=1 ");
}

TEST(LogText, Logfmt) {
  const auto b =
      parsed({"ts=2026-01-02T03:04:05.5Z level=ERROR msg=\"a \\\"b\\\"\" n=42 id=007 ok=true empty= q=\"x\\ny\"\n"});
  EXPECT_EQ(attributes_of(b), "n:i=42 id:s=007 ok:b=true empty:s= q:s=x\ny ");
  EXPECT_EQ(b.logs.severity[0], 17);
  for (const char* text : {"a=b", "a=b and more", "x = y z=1", "a=\"b c=d", "=a b=c", "https://h/?a=b c=d"})
    EXPECT_EQ(attributes_of(parsed({text})), "") << text;
}

TEST(LogText, OtherText) {
  const auto severity = [](std::string_view text) { return int{parsed({text}).logs.severity[0]}; };
  EXPECT_EQ(severity("2026-01-02 03:04:05 ERROR [main] boom"), 17);
  EXPECT_EQ(severity("[warn] disk"), 13);
  EXPECT_EQ(severity("error: cannot"), 17);
  EXPECT_EQ(severity("I0102 15:04:05.678901 1 main.go:1] x"), 9);
  EXPECT_EQ(severity("no error here, informational"), 0);
  EXPECT_EQ(severity("ERRORS and MY_ERROR"), 0);
  EXPECT_EQ(severity(std::string(200, 'x') + " ERROR"), 0);
  const std::string text = "GET / traceId=" + std::string(trace) + ", span_id: \"" + std::string(span) + "\" done";
  const auto b = parsed({text});
  EXPECT_EQ(model::to_hex(b.logs.trace_id[0]), trace);
  EXPECT_EQ(model::span_id_to_hex(b.logs.span_id[0]), span);
  const std::string parent = "traceparent: 00-" + std::string(trace) + "-" + std::string(span) + "-01";
  EXPECT_EQ(model::to_hex(parsed({parent}).logs.trace_id[0]), trace);
  for (const std::string& none :
       {"traceId=" + std::string(trace) + "f", std::string("trace_id=00000000000000000000000000000000"),
        std::string("trace id ") + std::string(trace), std::string("trace"), std::string("tracei"), std::string("00-")})
    EXPECT_EQ(parsed({none}).logs.trace_id[0], model::TraceId{}) << none;
}

TEST(LogText, WhatTheSenderSetStays) {
  model::TraceId own{};
  own[3] = 9;
  const auto b =
      parsed({.body = R"({"level":"error","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331",
                                     "time":"2026-01-02T03:04:05Z","user":"b"})",
              .severity = 9,
              .severity_text = "Info",
              .trace_id = own,
              .time = 5,
              .attributes = {{"user", "a", ValueType::string}}});
  EXPECT_EQ(b.logs.severity[0], 9);
  EXPECT_EQ(b.logs.severity_text[0], "Info");
  EXPECT_EQ(b.logs.trace_id[0], own);
  EXPECT_EQ(b.logs.span_id[0], 0U);
  EXPECT_EQ(b.logs.time[0], 5);
  EXPECT_EQ(attributes_of(b),
            "user:s=a level:s=error trace_id:s=0af7651916cd43dd8448eb211c80319c "
            "span_id:s=b7ad6b7169203331 time:s=2026-01-02T03:04:05Z ");
}

TEST(LogText, RowsKeepTheirOwn) {
  auto batch = batch_of({{.body = "plain", .attributes = {{"a", "1", ValueType::integer}}},
                         {.body = R"({"b":2})"},
                         {.body = "plain", .attributes = {{"c", "3", ValueType::integer}}},
                         {.body = "x=1 y=2", .attributes = {{"d", "4", ValueType::integer}}}});
  parse(batch);
  EXPECT_EQ(attributes_of(batch, 0), "a:i=1 ");
  EXPECT_EQ(attributes_of(batch, 1), "b:i=2 ");
  EXPECT_EQ(attributes_of(batch, 2), "c:i=3 ");
  EXPECT_EQ(attributes_of(batch, 3), "d:i=4 x:i=1 y:i=2 ");
}

TEST(LogText, Bounds) {
  std::string many = "{", deep;
  for (int i = 0; i < 500; ++i) many += "\"k" + std::to_string(i) + "\":1,";
  many.back() = '}';
  const Limits limits;
  EXPECT_EQ(parsed({many}).logs.attributes.items.size(), limits.fields_max);
  for (int i = 0; i < 2000; ++i) deep += "{\"a\":";
  EXPECT_EQ(attributes_of(parsed({deep + "1" + std::string(2000, '}')})), "");  // deeper than the parser goes
  EXPECT_EQ(attributes_of(parsed({R"({"a":{"b":{"c":{"d":{"e":1}}}}})"})), "a.b.c.d:s={\"e\":1} ");
  EXPECT_EQ(attributes_of(parsed({"{\"a\":\"" + std::string(limits.value_bytes_max + 1, 'x') + "\",\"b\":1}"})),
            "b:i=1 ");
  EXPECT_EQ(attributes_of(parsed({"{\"a\":1,\"b\":\"" + std::string(limits.text_bytes_max, 'x') + "\"}"})), "");
  // Long paths with short values: what is added stays in proportion.
  std::string paths = "{\"" + std::string(200, 'p') + "\":{";
  for (int i = 0; i < 60; ++i) paths += "\"" + std::to_string(i) + "\":1,";
  paths.back() = '}';
  const auto b = parsed({paths + "}"});
  size_t bytes = 0;
  for (const Attribute& a : b.logs.attributes.items) bytes += a.key.size() + a.value.size();
  EXPECT_LE(bytes, paths.size() + 1 + limits.added_bytes_slack);
  EXPECT_FALSE(b.logs.attributes.items.empty());
}

}  // namespace
}  // namespace hs::wire::logtext
