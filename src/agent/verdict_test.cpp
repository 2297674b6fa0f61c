#include "agent/verdict.h"

#include <gtest/gtest.h>

#include "agent/forwarder.h"
#include "wire/otlp/otlp.h"

namespace hs::agent {
namespace {

using Kind = Verdict::Kind;
constexpr auto protobuf = ingest::WireFormat::otlp_protobuf;

http::Response answer_of(int status, std::string retry_after = "") {
  http::Response response;
  response.status = status;
  if (!retry_after.empty()) response.headers.set("Retry-After", retry_after);
  return response;
}

TEST(Verdict, EachStatusHasItsMeaning) {
  const std::pair<int, Kind> cases[] = {
      {200, Kind::delivered},     {202, Kind::delivered}, {429, Kind::busy},          {502, Kind::busy},
      {503, Kind::busy},          {504, Kind::busy},      {401, Kind::misconfigured}, {404, Kind::misconfigured},
      {302, Kind::misconfigured}, {500, Kind::failed},    {501, Kind::failed},        {400, Kind::refused},
      {413, Kind::refused},       {415, Kind::refused}};
  for (const auto& [status, kind] : cases) EXPECT_EQ(judge(answer_of(status), protobuf, 0).kind, kind) << status;
  EXPECT_EQ(judge(fail(Code::unavailable, "refused"), protobuf, 0).kind, Kind::busy);
  EXPECT_EQ(judge(fail(Code::deadline_exceeded, "late"), protobuf, 0).kind, Kind::busy);
}

TEST(Verdict, RetryAfterIsSecondsOrADateAndBounded) {
  EXPECT_EQ(judge(answer_of(429, "7"), protobuf, 0).retry_after_ms, 7'000);
  EXPECT_EQ(judge(answer_of(503, "99999999999"), protobuf, 0).retry_after_ms, 3'600'000);
  EXPECT_EQ(judge(answer_of(503, "soon"), protobuf, 0).retry_after_ms, 0);
  EXPECT_EQ(judge(answer_of(503, "-5"), protobuf, 0).retry_after_ms, 0);
  const UnixNanos now = 784'111'777LL * nanos_per_s - 30 * nanos_per_s;
  EXPECT_EQ(judge(answer_of(503, "Sun, 06 Nov 1994 08:49:37 GMT"), protobuf, now).retry_after_ms, 30'000);
}

TEST(Verdict, ReadsWhatOurOwnReceiverSays) {
  using wire::otlp::Format;
  http::Response response = answer_of(503);
  response.body = wire::otlp::encode_status(Format::protobuf, {Code::unavailable, "full", 2500});
  Verdict verdict = judge(response, protobuf, 0);
  EXPECT_EQ(verdict.retry_after_ms, 2500);
  EXPECT_EQ(verdict.why, "503: full");
  response = answer_of(200);
  response.body = wire::otlp::encode_response(model::Signal::logs, Format::protobuf, 3, "too long");
  verdict = judge(response, protobuf, 0);
  EXPECT_EQ(verdict.kind, Kind::delivered);
  EXPECT_EQ(verdict.rejected, 3U);
  EXPECT_EQ(verdict.why, "too long");
}

TEST(Verdict, BytesThatAreNoMessageSayNothing) {
  http::Response response = answer_of(503);
  response.body = "\x12\xff\xff\xff<html>";
  EXPECT_EQ(judge(response, protobuf, 0).retry_after_ms, 0);
}

TEST(Destination, HasAPathAndAScheme) {
  auto to = parse_destination("http://10.0.0.1:4318/otlp/");
  ASSERT_TRUE(to);
  EXPECT_EQ(to->endpoint.text(), "10.0.0.1:4318");
  EXPECT_EQ(to->path, "/otlp");
  EXPECT_FALSE(to->https);
  to = parse_destination("https://telemetry.example.com");
  ASSERT_TRUE(to);
  EXPECT_TRUE(to->https);
  EXPECT_EQ(to->endpoint.port, 443);
  EXPECT_EQ(to->path, "");
  to = parse_destination("https://[::1]:4318/x");
  ASSERT_TRUE(to);
  EXPECT_EQ(to->endpoint.port, 4318);
  to = parse_destination("10.0.0.1:4318");
  ASSERT_FALSE(to);
  EXPECT_NE(to.error().message.find("agent.forward.url"), std::string::npos);
}

}  // namespace
}  // namespace hs::agent
