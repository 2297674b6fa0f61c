#include "values/ofrep.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/json.h"
#include "values/service.h"

namespace hs::values {
namespace {

using json::Json;

http::Request request_of(std::string method, std::string path, std::string body = "", http::Headers headers = {}) {
  http::Request request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.body = std::move(body);
  request.headers = std::move(headers);
  return request;
}

class Ofrep : public testing::Test {
 protected:
  Ofrep() : dir_(make_directory()), reader_(dir_ + "/state.json"), ofrep_(reader_, served_, clock_, "boot") {
    state_.revision = 9;
    state_.knobs.push_back({"shop/limit", config::KnobType::real, config::KnobScope::request, {}, 1.0, 1, {}, {}});
    state_.knobs.push_back(
        {"retries", config::KnobType::integer, config::KnobScope::request, {}, int64_t{3}, 2, {}, {}});
    state_.knobs[1].candidate = Candidate{int64_t{0}, 9, "chg", 0.5, 42, "", "", 10 * nanos_per_s, "boot", 0};
    put(encode(state_));
    reader_.poll();
  }
  ~Ofrep() override { std::filesystem::remove_all(dir_); }
  static std::string make_directory() {
    std::string name = testing::TempDir() + "hs-ofrep-XXXXXX";
    return ::mkdtemp(name.data());
  }
  void put(const std::string& text) {
    EXPECT_TRUE(io::replace_file(dir_ + "/state.json", text, 0600, io::Durable::content));
  }
  http::Response post(const std::string& path, std::string body, http::Headers headers = {}) {
    return ofrep_.respond(request_of("POST", path, std::move(body), std::move(headers)));
  }
  http::Response get(const std::string& path) { return ofrep_.respond(request_of("GET", path)); }
  Json flag(const std::string& key, const std::string& body, int status = 200) {
    const http::Response response = post("/ofrep/v1/evaluate/flags/" + key, body);
    EXPECT_EQ(response.status, status) << response.body;
    EXPECT_EQ(response.headers.get("Content-Type"), "application/json");
    return Json::parse(response.body);
  }

  const std::string dir_;
  State state_;
  io::SimClock clock_{1'700'000'000 * nanos_per_s};
  ServedCounts served_{"run"};
  Reader reader_;
  OfrepHandler ofrep_;
};

TEST_F(Ofrep, ASuccessHasEverythingThatSomeClientNeeds) {
  const http::Response response = post("/ofrep/v1/evaluate/flags/shop/limit", R"({"context":{}})");
  EXPECT_EQ(response.body, R"({"key":"shop/limit","metadata":{"flagSetId":"homeostat","revision":1,"version":"1"},)"
                           R"("reason":"STATIC","value":1.0,"variant":"base"})");
}

TEST_F(Ofrep, TheCandidateArmAndItsControlCarryOneRevision) {
  int candidates = 0;
  for (int i = 0; i < 200; ++i) {
    const Json f = flag("retries", R"({"context":{"targetingKey":"u)" + std::to_string(i) + "\"}}");
    EXPECT_EQ(f["metadata"]["revision"], 9);
    EXPECT_EQ(f["reason"], "SPLIT");
    EXPECT_EQ(f["value"], f["variant"] == "candidate" ? 0 : 3);
    candidates += f["variant"] == "candidate" ? 1 : 0;
  }
  EXPECT_GT(candidates, 60);
  EXPECT_LT(candidates, 140);
  clock_.advance(10 * nanos_per_s);
  EXPECT_EQ(flag("retries", R"({"context":{"targetingKey":"u1"}})")["metadata"]["revision"], 2);
}

TEST_F(Ofrep, ContextsThatClientsReallySend) {
  for (const char* body : {"", "{}", R"({"context":{}})", R"({"context":null})", R"({"context":{"targetingKey":null}})",
                           R"({"context":{"targetingKey":"u","service":{"name":"x"},"n":1.5e300}})"})
    EXPECT_EQ(post("/ofrep/v1/evaluate/flags/retries", body).status, 200) << body;
}

TEST_F(Ofrep, ErrorsCarryTheProtocolsCodes) {
  const auto expect = [&](const std::string& key, const std::string& body, int status, const std::string& code) {
    const Json error = flag(key, body, status);
    EXPECT_EQ(error["key"], key);
    EXPECT_EQ(error["errorCode"], code);
    EXPECT_FALSE(error["errorDetails"].get<std::string>().empty());
  };
  expect("unknown", "{}", 404, "FLAG_NOT_FOUND");
  expect("retries", "{", 400, "PARSE_ERROR");
  expect("retries", "[]", 400, "PARSE_ERROR");
  expect("retries", "{\"context\":{\"a\":\"\xff\"}}", 400, "PARSE_ERROR");
  expect("retries", R"({"context":[]})", 400, "INVALID_CONTEXT");
  expect("retries", R"({"context":{"targetingKey":7}})", 400, "INVALID_CONTEXT");
  EXPECT_EQ(post("/ofrep/v1/evaluate/flags/retries", std::string(ofrep_body_bytes_max + 1, ' ')).status, 413);
  EXPECT_EQ(get("/ofrep/v1/evaluate/flags/retries").status, 405);
  EXPECT_EQ(get("/ofrep/v2").status, 404);
  EXPECT_EQ(post("/ofrep/v1/evaluate/flagsx", "{}").status, 404);
  http::Headers headers;
  headers.set("content-encoding", "gzip");
  EXPECT_EQ(post("/ofrep/v1/evaluate/flags/retries", "x", headers).status, 415);
}

TEST_F(Ofrep, DeepNestingIsOnlyText) {
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  EXPECT_EQ(post("/ofrep/v1/evaluate/flags/retries", R"({"context":{"a":)" + deep + "}}").status, 200);
}

TEST_F(Ofrep, BulkHasAnEtagOfConfigurationContextAndTime) {
  const std::string path = "/ofrep/v1/evaluate/flags";
  const auto with = [&](const std::string& body, std::string_view etag) {
    http::Headers headers;
    headers.set("If-None-Match", etag);
    return post(path, body, headers);
  };
  const std::string user = R"({"context":{"targetingKey":"u1"}})";
  const http::Response first = post(path, user);
  ASSERT_EQ(first.status, 200);
  EXPECT_EQ(Json::parse(first.body)["flags"].size(), 2U);
  EXPECT_EQ(Json::parse(first.body)["metadata"]["revision"], 9);
  const std::string etag(first.headers.get("ETag"));
  EXPECT_EQ(with(user, etag).status, 304);
  EXPECT_EQ(with(user, etag).body, "");
  EXPECT_EQ(with(R"({"context":{"targetingKey":"u2"}})", etag).status, 200);  // another context
  clock_.advance(10 * nanos_per_s);
  EXPECT_EQ(with(user, etag).status, 200);  // the lease ended
  clock_.advance(-10 * nanos_per_s);
  EXPECT_EQ(with(user, etag).status, 304);
  state_.revision = 10;
  put(encode(state_));
  ASSERT_TRUE(reader_.poll());
  EXPECT_EQ(with(user, etag).status, 200);  // another configuration
}

TEST_F(Ofrep, ServedCountsAreWhatWasAnswered) {
  flag("shop/limit", "{}");
  flag("shop/limit", "{}");
  clock_.advance(nanos_per_s);
  flag("shop/limit", "{}");
  flag("unknown", "{}", 404);
  post("/ofrep/v1/evaluate/flags", "{}");
  const auto report = decode_served(get("/v1/served").body);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->counts.size(), 2U);
  EXPECT_EQ(report->counts[1].knob, "shop/limit");
  EXPECT_EQ(report->counts[1].count, 3U);
  EXPECT_EQ(report->counts[1].bulk, 1U);
  ASSERT_EQ(report->seconds.size(), 2U);
  EXPECT_EQ(report->seconds[0].counts.at(0).count, 2U);
  EXPECT_EQ(encode(*report), get("/v1/served").body);
}

TEST_F(Ofrep, ABrokenOrAbsentFileLeavesTheLastGoodState) {
  put("{");
  EXPECT_FALSE(reader_.poll());
  EXPECT_EQ(flag("shop/limit", "{}")["value"], 1.0);
  EXPECT_EQ(Json::parse(get("/healthz").body)["status"], "serving the last good state");
  std::filesystem::remove(dir_ + "/state.json");
  EXPECT_FALSE(reader_.poll());
  EXPECT_EQ(flag("shop/limit", "{}")["value"], 1.0);
  put(encode(state_));
  EXPECT_TRUE(reader_.poll());
  EXPECT_EQ(Json::parse(get("/healthz").body)["status"], "ok");
}

TEST_F(Ofrep, BeforeAnyStateTheCodeDefaultHolds) {
  const Reader empty(dir_ + "/none.json");
  const OfrepHandler handler(empty, served_, clock_, "boot");
  EXPECT_EQ(handler.respond(request_of("POST", "/ofrep/v1/evaluate/flags/a", "{}")).status, 500);
  EXPECT_EQ(handler.respond(request_of("GET", "/healthz")).status, 503);
}

TEST(ServedCounts, AreBounded) {
  ServedCounts counts("run");
  for (size_t i = 0; i < served_entries_max + 10; ++i)
    counts.add("k", static_cast<int64_t>(i), Variant::base, false, 0);
  const ServedReport report = counts.report(0, 0);
  EXPECT_EQ(report.counts.size(), served_entries_max);
  EXPECT_EQ(report.forgotten, 10U);
  EXPECT_EQ(report.seconds.at(0).counts.size(), served_second_entries_max);
}

TEST(Service, OneADirectoryAndItSeesNewStates) {
  std::string dir = testing::TempDir() + "hs-service-XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  EXPECT_EQ(running(dir).error().code, Code::not_found);
  {
    auto service = Service::start(dir, io::system_clock());
    ASSERT_TRUE(service);
    ASSERT_TRUE((*service)->announce("127.0.0.1:4321"));
    EXPECT_EQ(Service::start(dir, io::system_clock()).error().code, Code::conflict);
    EXPECT_EQ(running(dir)->pid, ::getpid());
    EXPECT_EQ(running(dir)->address, "127.0.0.1:4321");
    int status = 0;
    const auto ask = [&] { (*service)->handler()(request_of("GET", "/healthz"), [&](auto r) { status = r.status; }); };
    ask();
    EXPECT_EQ(status, 503);
    ASSERT_TRUE(io::replace_file(dir + "/state.json", encode(State{}), 0600, io::Durable::content));
    for (int i = 0; i < 200 && status != 200; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      ask();
    }
    EXPECT_EQ(status, 200);
  }
  EXPECT_EQ(running(dir).error().code, Code::not_found);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace hs::values
