#include "api/otlp/receiver.h"

#include <gtest/gtest.h>

#include "base/compress.h"

namespace hs::api::otlp {
namespace {

using ingest::Incoming;

constexpr std::string_view protobuf = "application/x-protobuf", json = "application/json";
// ExportLogsServiceRequest with one record without fields; the same as JSON.
const std::string one_log("\x0a\x04\x12\x02\x12\x00", 6);
constexpr std::string_view one_log_json = R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]})";

struct Fixture : testing::Test {
  io::SimClock clock{UnixNanos{1'700'000'000'000'000'000}};
  std::vector<Incoming> taken;
  std::vector<uint64_t> sizes;
  Status verdict;
  ReceiverOptions options;

  Sink sink() {
    return [this](Incoming incoming, model::Batch batch, const std::function<void(Status)>& done) {
      sizes.push_back(batch.size());
      taken.push_back(std::move(incoming));
      done(verdict);
    };
  }
  http::Response send(http::Request request) {
    http::Response out;
    out.status = 0;
    with_status_errors(http_receiver(options, clock, sink()))(std::move(request),
                                                              [&](http::Response r) { out = std::move(r); });
    return out;
  }
  http::Response post(std::string_view path, std::string_view type, std::string_view body,
                      std::string_view coding = "") {
    http::Request request;
    request.method = "POST";
    request.path = path;
    request.headers.set("Content-Type", type);
    if (!coding.empty()) request.headers.set("Content-Encoding", coding);
    request.body = body;
    request.credential = "shop";
    return send(std::move(request));
  }
  Result<std::string> call(std::string_view service, std::string body, std::string encoding = "") {
    const auto methods = grpc_receiver(options, clock, sink());
    rpc::Request request;
    request.method = "/opentelemetry.proto.collector." + std::string(service) + "/Export";
    request.body = std::move(body);
    request.encoding = std::move(encoding);
    Result<std::string> out = fail(Code::internal, "no answer");
    methods.at(request.method)(std::move(request), [&](Result<std::string> r) { out = std::move(r); });
    return out;
  }
};

TEST_F(Fixture, TakesBothFormatsOnAllPaths) {
  for (const std::string_view path : {"/v1/logs", "/otlp/v1/logs"}) {
    EXPECT_EQ(post(path, protobuf, one_log).status, 200);
    const auto answer = post(path, "Application/JSON; charset=utf-8", one_log_json);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.get("Content-Type"), json);
    EXPECT_EQ(answer.body, "{}");
  }
  ASSERT_EQ(taken.size(), 4U);
  EXPECT_EQ(sizes, (std::vector<uint64_t>{1, 1, 1, 1}));
  EXPECT_EQ(taken[0].format, ingest::WireFormat::otlp_protobuf);
  EXPECT_EQ(taken[1].format, ingest::WireFormat::otlp_json);
  EXPECT_EQ(taken[0].body, one_log);
  EXPECT_EQ(taken[0].credential, "shop");
  EXPECT_EQ(taken[0].received_at, clock.wall());
}

TEST_F(Fixture, TheJournalGetsTheBodyAsReceivedAndReplayReadsItAgain) {
  for (const std::string_view coding : {"gzip", "zstd", "deflate"}) {
    const auto packed = compress(*parse_coding(coding), one_log);
    ASSERT_TRUE(packed);
    EXPECT_EQ(post("/v1/logs", protobuf, *packed, coding).status, 200);
    EXPECT_EQ(taken.back().body, *packed);
    const auto again = decode(taken.back(), options.body_bytes_max);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->size(), 1U);
  }
}

TEST_F(Fixture, WhatIsWrongSaysSoInTheRequestsFormat) {
  EXPECT_EQ(post("/v1/nothing", protobuf, "").status, 404);
  EXPECT_EQ(post("/v1/nothing", protobuf, "").headers.get("Content-Type"), protobuf);
  EXPECT_EQ(post("/v1/logs", "text/plain", "x").status, 415);
  EXPECT_EQ(post("/v1/logs", "text/plain", "x").headers.get("Content-Type"), json);
  EXPECT_EQ(post("/v1/logs", protobuf, "x", "br").status, 415);
  EXPECT_EQ(post("/v1/logs", protobuf, "x", "gzip").status, 400);
  EXPECT_EQ(post("/v1/logs", protobuf, "\xff").status, 400);
  const auto bad = post("/v1/logs", json, "{");
  EXPECT_EQ(bad.status, 400);
  EXPECT_TRUE(bad.body.starts_with(R"({"code":3,"message":")")) << bad.body;
  http::Request get;
  get.method = "GET";
  get.path = "/v1/traces";
  const auto answer = send(get);
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers.get("Allow"), "POST");
  EXPECT_TRUE(taken.empty());
}

TEST_F(Fixture, SizesAreLimitedBeforeAndAfterDecompression) {
  options.body_bytes_max = 1000;
  EXPECT_EQ(post("/v1/logs", protobuf, std::string(1001, 'x')).status, 413);
  const auto bomb = compress(Coding::gzip, std::string(100'000, 'x'));
  ASSERT_TRUE(bomb && bomb->size() < 1000);
  EXPECT_EQ(post("/v1/logs", protobuf, *bomb, "gzip").status, 413);
  const auto refused = call("logs.v1.LogsService", *bomb, "gzip");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_EQ(refused.error().retry_after_ms, 0);
}

TEST_F(Fixture, ASinkThatIsFullIsToldWithRetryAfter) {
  verdict = fail(Code::resource_exhausted, "full", 1500);
  const auto answer = post("/v1/logs", protobuf, one_log);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.get("Retry-After"), "2");
  EXPECT_NE(answer.body.find("RetryInfo"), std::string::npos);
  verdict = fail(Code::unavailable, "down", 1000);
  EXPECT_EQ(post("/v1/logs", protobuf, one_log).status, 503);
  const auto called = call("logs.v1.LogsService", one_log);
  ASSERT_FALSE(called);
  EXPECT_EQ(called.error().code, Code::unavailable);
  EXPECT_EQ(called.error().retry_after_ms, 1000);
}

TEST_F(Fixture, PartialSuccessIsReported) {
  const std::string spans = R"({"resourceSpans":[{"scopeSpans":[{"spans":[{},
    {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718"}]}]}]})";
  const auto answer = post("/v1/traces", json, spans);
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body.starts_with(R"({"partialSuccess":{"rejectedSpans":"1","errorMessage":")")) << answer.body;
  EXPECT_EQ(sizes, std::vector<uint64_t>{1});
}

TEST_F(Fixture, AnEmptyRequestNeedsNoJournal) {
  EXPECT_EQ(post("/v1/traces", protobuf, "").status, 200);
  EXPECT_EQ(post("/v1/metrics", json, R"({"resourceMetrics":[{"resource":{}}]})").body, "{}");
  const auto called = call("metrics.v1.MetricsService", "");
  ASSERT_TRUE(called);
  EXPECT_EQ(*called, "");
  EXPECT_TRUE(taken.empty());
}

TEST_F(Fixture, GrpcTakesAllSignals) {
  EXPECT_TRUE(call("logs.v1.LogsService", one_log));
  EXPECT_TRUE(call("trace.v1.TraceService", ""));
  EXPECT_FALSE(call("trace.v1.TraceService", "\xff"));
  const auto packed = compress(Coding::gzip, one_log);
  EXPECT_TRUE(call("logs.v1.LogsService", *packed, "gzip"));
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[1].encoding, ingest::Encoding::gzip);
}

TEST_F(Fixture, OthersErrorsBecomeStatuses) {
  const auto guard = with_status_errors(http::answer([](const http::Request&) {
    auto response = http::Response::error({Code::unauthenticated, "who are you?"});
    response.headers.set("WWW-Authenticate", "Bearer");
    return response;
  }));
  http::Request request;
  request.headers.set("Content-Type", protobuf);
  guard(request, [](http::Response response) {
    EXPECT_EQ(response.status, 401);
    EXPECT_EQ(response.headers.get("WWW-Authenticate"), "Bearer");
    EXPECT_EQ(response.headers.get("Content-Type"), protobuf);
    EXPECT_EQ(response.body, std::string("\x08\x10\x12\x0cwho are you?", 16));
  });
}

}  // namespace
}  // namespace hs::api::otlp
