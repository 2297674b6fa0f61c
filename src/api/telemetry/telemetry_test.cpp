#include "api/telemetry/telemetry.h"

#include <future>

#include <gtest/gtest.h>

#include "api/telemetry/json_text.h"
#include "api/telemetry/params.h"
#include "api/telemetry/select.h"

namespace hs::api::telemetry {
namespace {

constexpr UnixNanos now = 1'700'000'000 * nanos_per_s;

struct Asked {
  std::string sql;
  std::vector<std::pair<std::string, std::string>> params;
};

// Asks the endpoint of `path` with a store that answers `verdict` or nothing, and keeps what it was asked.
struct Fixture : testing::Test {
  io::SimClock clock{now};
  WorkerPool pool{1, 10};
  std::vector<Asked> asked;
  Status verdict;

  http::Response get(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {},
                     const std::string& id = "") {
    const auto collect = [this](const store::Query& q, size_t) -> Result<std::vector<store::ResultBlock>> {
      asked.push_back({std::string(q.sql), q.params});
      if (!verdict) return tl::unexpected(verdict.error());
      return std::vector<store::ResultBlock>();
    };
    http::Response out;
    for (const http::Route& route : routes(collect, {}, clock, pool)) {
      if (route.pattern != path) continue;
      http::Request request;
      request.query = std::move(query);
      request.params = {{"id", id}};
      std::promise<http::Response> answer;
      route.handler(std::move(request), [&](http::Response r) { answer.set_value(std::move(r)); });
      return answer.get_future().get();
    }
    out.status = 0;
    return out;
  }
  void expect_error(const http::Response& response, int status, std::string_view part) {
    EXPECT_EQ(response.status, status);
    EXPECT_NE(response.body.find(part), std::string::npos) << response.body;
  }
};

const std::string id(32, 'a');

TEST_F(Fixture, ErrorsNameTheParameter) {
  expect_error(get("/v1/spans", {{"servic", "x"}}), 400, "did you mean 'service'");
  expect_error(get("/v1/spans", {{"service", "a"}, {"service", "b"}}), 400, "'service' is given twice");
  expect_error(get("/v1/spans", {{"limit", "0"}}), 400, "'limit': '0' must be a number from 1 to 1000");
  expect_error(get("/v1/spans", {{"limit", "5x"}}), 400, "'limit'");
  expect_error(get("/v1/spans", {{"start", "yesterday"}}), 400, "'start'");
  expect_error(get("/v1/spans", {{"start", "2"}, {"end", "1"}}), 400, "'start' must not be after 'end'");
  expect_error(get("/v1/spans", {{"min_duration", "long"}}), 400, "'min_duration'");
  expect_error(get("/v1/spans", {{"status", "bad"}}), 400, "'status': 'bad' must be one of unset, ok, error");
  expect_error(get("/v1/spans", {{"trace_id", "xyz"}}), 400,
               "'trace_id': a trace id is 32 hex digits; of shorter ones the left is zeros");
  expect_error(get("/v1/spans", {{"cursor", "1.2.3"}}), 400, "'cursor'");
  expect_error(get("/v1/logs", {{"severity", "17"}}), 400, "'severity'");
  expect_error(get("/v1/series"), 400, "'name' is required");
  expect_error(get("/v1/series", {{"name", "x"}, {"limit", "200"}, {"points", "10000"}}), 400,
               "'limit' times 'points'");
  expect_error(get("/v1/services", {{"attr.x", "y"}}), 400, "unknown parameter 'attr.x'");
  expect_error(get("/v1/traces/{id}", {}, "zz"), 400, "32 hex digits");
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 17; ++i) many.emplace_back("attr.k" + std::to_string(i), "v");
  expect_error(get("/v1/spans", many), 400, "at most 16");
  EXPECT_TRUE(asked.empty());
}

TEST_F(Fixture, NoInputBecomesPartOfAQuery) {
  const std::string hostile = "x' OR 1=1; DROP TABLE spans --\n\\\t";
  const auto sql_of = [&](const std::string& path, const std::string& value) {
    asked.clear();
    std::vector<std::pair<std::string, std::string>> query = {{"service", value}};
    if (path == "/v1/series") {
      query.emplace_back("name", value);
      query.emplace_back("label." + value, value);
    } else {
      query.emplace_back("attr." + value, value);
      query.emplace_back("resource." + value, value);
    }
    if (path == "/v1/logs") query.emplace_back("contains", value);
    EXPECT_EQ(get(path, query).status, 200);
    std::string all;
    for (const Asked& a : asked) all += a.sql + "\n";
    return all;
  };
  for (const std::string path : {"/v1/spans", "/v1/logs", "/v1/series"}) {
    EXPECT_EQ(sql_of(path, hostile), sql_of(path, "plain")) << path;
    EXPECT_EQ(sql_of(path, hostile).find("DROP"), std::string::npos);
  }
}

TEST_F(Fixture, ValuesAreEscapedForTheirType) {
  get("/v1/spans", {{"service", "a\tb\\c\n"}, {"attr.k'", "v\\"}});
  ASSERT_FALSE(asked.empty());
  const auto value = [&](std::string_view name) {
    for (const auto& [key, text] : asked[0].params)
      if (key == name) return text;
    return std::string("absent");
  };
  EXPECT_EQ(value("service"), "a\\tb\\\\c\\n");
  EXPECT_EQ(value("attr_keys"), "['k\\'']");
  EXPECT_EQ(value("attr_values"), "['v\\\\']");
}

TEST_F(Fixture, AnEngineThatIsDownIsSaidSo) {
  verdict = fail(Code::unavailable, "the engine is starting");
  for (const std::string path : {"/v1/spans", "/v1/logs", "/v1/services"}) {
    const auto response = get(path);
    expect_error(response, 503, "the engine is starting");
    EXPECT_EQ(response.headers.get("Retry-After"), "1");
  }
  expect_error(get("/v1/traces/{id}", {}, id), 503, "starting");
}

TEST_F(Fixture, NothingFound) {
  EXPECT_EQ(get("/v1/spans").body, R"({"spans":[],"resources":{},"scopes":{}})");
  EXPECT_EQ(get("/v1/series", {{"name", "x"}}).body, R"({"series":[],"resources":{},"scopes":{}})");
  EXPECT_EQ(get("/v1/services").body, R"({"services":[]})");
  expect_error(get("/v1/traces/{id}", {}, id), 404, "no trace " + id);
}

TEST_F(Fixture, TheWindowIsTheLastHourOrTheWholeTrace) {
  const auto bound = [&](std::string_view name) {
    for (const auto& [key, text] : asked.back().params)
      if (key == name) return text;
    return std::string("absent");
  };
  get("/v1/logs");
  EXPECT_EQ(bound("start"), std::to_string(now - 3600 * nanos_per_s));
  EXPECT_EQ(bound("end"), std::to_string(now + 60 * nanos_per_s));
  get("/v1/logs", {{"trace_id", id}});
  EXPECT_EQ(bound("start"), "0");
  get("/v1/logs", {{"cursor", "1.5.7.9.3"}});
  EXPECT_EQ(bound("start"), "5");
  EXPECT_EQ(bound("end"), "7");
  EXPECT_EQ(bound("cut"), "9");
  EXPECT_EQ(bound("skip"), "3");
  EXPECT_EQ(bound("reach"), "103");
}

TEST(Cursor, RoundTripsAndRefusesOthers) {
  const Cursor cursor{.start = 1, .at = 1'700'000'000'000'000'000, .cut = UINT64_MAX, .skip = 7};
  const auto back = parse_cursor(to_text(cursor));
  ASSERT_TRUE(back);
  EXPECT_EQ(to_text(*back), to_text(cursor));
  for (const std::string_view text : {"", "1", "2.1.2.3.4", "1.1.2.3", "1.1.2.3.4.5", "1.3.2.3.4", "1.-1.2.3.4",
                                      "1.1.2.3.99999999999", "1.a.2.3.4", "1.1.2.3.-4"})
    EXPECT_FALSE(parse_cursor(text)) << text;
}

std::string value(char type, std::string_view text) {
  JsonText out;
  out.open('{');
  write_value(out, type, text);
  out.close('}');
  return out.take();
}

TEST(JsonText, KeepsTypes) {
  EXPECT_EQ(value('s', "a\"b"), R"({"type":"string","value":"a\"b"})");
  EXPECT_EQ(value('b', "true"), R"({"type":"bool","value":true})");
  EXPECT_EQ(value('i', "200"), R"({"type":"int","value":200})");
  EXPECT_EQ(value('i', "9007199254740991"), R"({"type":"int","value":9007199254740991})");
  EXPECT_EQ(value('i', "9007199254740992"), R"({"type":"int","value":"9007199254740992"})");
  EXPECT_EQ(value('i', "-9223372036854775808"), R"({"type":"int","value":"-9223372036854775808"})");
  EXPECT_EQ(value('d', "1"), R"({"type":"double","value":1.0})");
  EXPECT_EQ(value('d', "1e-300"), R"({"type":"double","value":1e-300})");
  EXPECT_EQ(value('d', "NaN"), R"({"type":"double","value":"NaN"})");
  EXPECT_EQ(value('d', "-Infinity"), R"({"type":"double","value":"-Infinity"})");
  EXPECT_EQ(value('y', "AAE="), R"({"type":"bytes","value":"AAE="})");
  EXPECT_EQ(value('e', ""), R"({"type":"empty","value":null})");
  EXPECT_EQ(value('a', R"([{"intValue":"1"}])"), R"({"type":"array","value":[{"intValue":"1"}]})");
}

TEST(JsonText, StoredTextCannotForgeStructure) {
  EXPECT_EQ(value('a', R"(1],"x":[2)"), R"({"type":"array","value":"1],\"x\":[2"})");
  EXPECT_EQ(value('i', R"(1,"x":2)"), R"({"type":"int","value":"1,\"x\":2"})");
  EXPECT_EQ(value('d', "1,2"), R"({"type":"double","value":"1,2"})");
}

TEST(JsonText, TimesAreWhatWasSent) {
  EXPECT_EQ(time_sent(5, 0), 5);
  EXPECT_EQ(time_sent(5, -1), 0);
  EXPECT_EQ(time_sent(5, 9), 9);
}

}  // namespace
}  // namespace hs::api::telemetry
