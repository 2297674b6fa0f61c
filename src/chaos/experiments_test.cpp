#include "chaos/experiments.h"

#include <gtest/gtest.h>

#include "io/random.h"

namespace hs::chaos {
namespace {

using json::Json;

class Answering : public io::Http {
 public:
  Result<http::Response> request(const io::Endpoint&, const io::HttpRequest&, const io::HttpLimits&) override {
    return http::Response::text(200, "ok");
  }
};

class RunningExperiments : public testing::Test {
 protected:
  RunningExperiments() { faults_.declare({{"pay", "127.0.0.1:1", "127.0.0.1:2", "http"}}); }

  // With a fault in its method and a pause of `pause_s` after it.
  static std::string text(int pause_s) {
    const Json method = {{"type", "action"},
                         {"name", "slow"},
                         {"provider", {{"type", "homeostat"}, {"fault", "hang"}, {"proxy", "pay"}, {"lease", "60s"}}},
                         {"pauses", {{"after", pause_s}}}};
    return Json{{"title", "t"}, {"description", "d"}, {"method", Json::array({method})}}.dump();
  }
  Json ended(const std::string& id) {
    for (int i = 0; i < 2'000; ++i) {
      Json found = experiments_.find(id).value();
      if (!found["ended"].is_null()) return found;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return experiments_.find(id).value();
  }
  http::Response call(const std::string& method, const std::string& pattern, std::string body, const std::string& id) {
    http::Request request;
    request.method = method, request.body = std::move(body);
    if (!id.empty()) request.params.emplace_back("id", id);
    http::Response out{.status = 404};
    for (const auto& route : routes(experiments_, [this] { return enabled_; }))
      if (route.method == method && route.pattern == pattern)
        route.handler(request, [&](http::Response response) { out = std::move(response); });
    return out;
  }

  Answering http_;
  io::SimClock clock_{1'000'000 * nanos_per_s};
  io::SeededRandom random_{1};
  Faults faults_{clock_, random_};
  bool enabled_ = true;
  Experiments experiments_{http_, clock_, faults_, [] { return std::vector<std::string>{}; }};
};

TEST_F(RunningExperiments, OneRunsAndItsResultStays) {
  const http::Response started = call("POST", "/v1/chaos/experiments", text(0), "");
  ASSERT_EQ(started.status, 201) << started.body;
  const std::string id = Json::parse(started.body)["id"];
  const Json result = ended(id);
  EXPECT_EQ(result["status"], "completed") << result.dump();
  EXPECT_EQ(result["journal"]["run"].size(), 1U);
  EXPECT_FALSE(result["lines"].empty());
  EXPECT_TRUE(faults_.list().empty()) << "its faults end with it";
  const Json list = Json::parse(call("GET", "/v1/chaos/experiments", "", "").body);
  EXPECT_EQ(list["experiments"][0]["id"], id);
  EXPECT_EQ(call("GET", "/v1/chaos/experiments/{id}", "", id).status, 200);
  EXPECT_EQ(call("GET", "/v1/chaos/experiments/{id}", "", "exp-9").status, 404);
}

TEST_F(RunningExperiments, ASecondOneIsRefusedAndTheFirstCanBeStopped) {
  const std::string id = experiments_.start(text(3'000)).value();
  const auto second = experiments_.start(text(0));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::conflict);
  EXPECT_EQ(call("DELETE", "/v1/chaos/experiments/{id}", "", id).status, 202);
  EXPECT_EQ(ended(id)["status"], "interrupted");
  EXPECT_TRUE(faults_.list().empty());
  EXPECT_TRUE(experiments_.start(text(0)));
}

TEST_F(RunningExperiments, NothingRunsUnlessItIsEnabledAndRight) {
  EXPECT_EQ(call("POST", "/v1/chaos/experiments", "{}", "").status, 400);
  const Json run_code = {
      {"title", "t"},
      {"description", "d"},
      {"method",
       Json::array({{{"type", "action"}, {"name", "x"}, {"provider", {{"type", "process"}, {"path", "/bin/sh"}}}}})}};
  EXPECT_EQ(call("POST", "/v1/chaos/experiments", run_code.dump(), "").status, 400);
  enabled_ = false;
  EXPECT_EQ(call("POST", "/v1/chaos/experiments", text(0), "").status, 403);
  EXPECT_TRUE(experiments_.list()["experiments"].empty());
}

TEST_F(RunningExperiments, ResultsAreBounded) {
  std::string first;
  for (size_t i = 0; i < experiments_kept_max + 1; ++i) {
    const std::string id = experiments_.start(text(0)).value();
    if (i == 0) first = id;
    ended(id);
  }
  EXPECT_EQ(experiments_.list()["experiments"].size(), experiments_kept_max);
  EXPECT_FALSE(experiments_.find(first));
}

}  // namespace
}  // namespace hs::chaos
