#include "chaos/faults.h"

#include <gtest/gtest.h>

#include "chaos/api.h"

namespace hs::chaos {
namespace {

using json::Json;

const std::vector<config::Proxy> proxies = {{"db", "127.0.0.1:1", "127.0.0.1:2", "tcp"},
                                            {"pay", "127.0.0.1:3", "127.0.0.1:4", "http"}};

Result<Fault> parse(std::string_view text) { return parse_fault(*json::parse(text, "test")); }

TEST(Fault, Parses) {
  const auto f = parse(R"({"proxy":"pay","kind":"latency","latency_ms":1500,"jitter_ms":200,"lease_ms":120000})");
  ASSERT_TRUE(f) << f.error().message;
  EXPECT_EQ(f->kind, Kind::latency);
  EXPECT_EQ(f->latency_ms, 1500);
  EXPECT_EQ(f->share, 1);
  EXPECT_EQ(f->lease_ms, 120'000);
  EXPECT_EQ(f->service, "pay");
  EXPECT_EQ(parse(R"({"proxy":"p","kind":"down"})")->lease_ms, lease_default_ms);
  EXPECT_EQ(parse(R"({"proxy":"p","kind":"down","lease":"10m"})")->lease_ms, lease_max_ms);
  EXPECT_EQ(parse(R"({"proxy":"p","kind":"jitter","jitter_ms":5})")->kind, Kind::latency);
}

TEST(Fault, Refused) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([])", "object"},
      {R"({"kind":"down"})", "needs a proxy"},
      {R"({"proxy":"p"})", "needs a kind"},
      {R"({"proxy":"p","kind":"explode"})", "unknown kind 'explode'"},
      {R"({"proxy":"p","kind":"down","shar":1})", "did you mean 'share'"},
      {R"({"proxy":"p","kind":"down","share":0.5})", "no share"},
      {R"({"proxy":"p","kind":"latency"})", "needs latency_ms"},
      {R"({"proxy":"p","kind":"reset","latency_ms":5})", "has no latency_ms"},
      {R"({"proxy":"p","kind":"bandwidth"})", "bytes_per_s"},
      {R"({"proxy":"p","kind":"latency","latency_ms":60001})", "from 0 to 60000"},
      {R"({"proxy":"p","kind":"latency","latency_ms":-1})", "from 0"},
      {R"({"proxy":"p","kind":"latency","latency_ms":1.5})", "whole number"},
      {R"({"proxy":"p","kind":"reset","share":1.1})", "from 0 to 1"},
      {R"({"proxy":"p","kind":"reset","share":"all"})", "from 0 to 1"},
      {R"({"proxy":"p","kind":"down","lease":"11m"})", "lease"},
      {R"({"proxy":"p","kind":"down","lease_ms":600001})", "600000"},
      {R"({"proxy":"p","kind":"down","lease":"0"})", "lease"},
      {R"({"proxy":"p","kind":"down","lease":"1m","lease_ms":5})", "give one"},
      {R"({"proxy":"p","kind":"status","status":99})", "from 200 to 599"},
  };
  for (const auto& [text, why] : cases) {
    const auto f = parse(text);
    ASSERT_FALSE(f) << text;
    EXPECT_NE(f.error().message.find(why), std::string::npos) << text << ": " << f.error().message;
  }
}

class FaultsTest : public testing::Test {
 protected:
  FaultsTest() {
    faults.on_marker([this](const Marker& m) { markers.push_back(m); });
    faults.declare(proxies);
  }
  std::string inject(std::string_view text) {
    const auto id = faults.inject(*parse(text));
    EXPECT_TRUE(id) << id.error().message;
    return id.value_or("");
  }
  io::SimClock clock{1'000'000 * nanos_per_s};
  io::SeededRandom random{1};
  Faults faults{clock, random};
  std::vector<Marker> markers;
};

TEST_F(FaultsTest, EndByThemselves) {
  inject(R"({"proxy":"db","kind":"down","lease":"10s"})");
  EXPECT_TRUE(faults.connection("db", 0).down);
  EXPECT_FALSE(faults.connection("pay", 0).down);
  clock.advance(10 * nanos_per_s - 1);
  EXPECT_TRUE(faults.connection("db", 0).down);
  clock.advance(1);  // nobody ticks, and the effect is over all the same
  EXPECT_FALSE(faults.connection("db", 0).down);
  EXPECT_TRUE(faults.list().empty());
  ASSERT_EQ(markers.size(), 1u);
  faults.tick();
  ASSERT_EQ(markers.size(), 2u);
  EXPECT_EQ(markers[0].ended, 0);
  EXPECT_EQ(markers[1].id, markers[0].id);
  EXPECT_EQ(markers[1].ended - markers[1].started, 10 * nanos_per_s);
}

TEST_F(FaultsTest, AStepOfTheWallClockChangesNoLease) {
  inject(R"({"proxy":"db","kind":"down","lease":"10s"})");
  clock.set_wall(clock.wall() - 3'600 * nanos_per_s);
  clock.advance(10 * nanos_per_s);
  EXPECT_FALSE(faults.connection("db", 0).down);
}

TEST_F(FaultsTest, ClearOneAndAll) {
  const std::string a = inject(R"({"proxy":"db","kind":"down"})");
  inject(R"({"proxy":"pay","kind":"hang"})");
  EXPECT_TRUE(faults.clear(a));
  EXPECT_EQ(faults.clear(a).error().code, Code::not_found);
  EXPECT_FALSE(faults.connection("db", 0).down);
  EXPECT_TRUE(faults.connection("pay", 0).hang);
  EXPECT_EQ(faults.clear_all(), 1u);
  EXPECT_FALSE(faults.connection("pay", 0).hang);
  EXPECT_EQ(markers.size(), 4u);
}

TEST_F(FaultsTest, SharesAreOfConnectionsAndOfRequests) {
  inject(R"({"proxy":"pay","kind":"reset","share":0.25})");
  EXPECT_TRUE(faults.connection("pay", 0.24).reset);
  EXPECT_FALSE(faults.connection("pay", 0.25).reset);
  faults.clear_all();
  inject(R"({"proxy":"pay","kind":"status","status":500,"share":0.25})");
  int met = 0;
  for (int i = 0; i < 10'000; ++i) met += faults.request("pay").status == 500 ? 1 : 0;
  EXPECT_NEAR(met, 2500, 200);
}

TEST_F(FaultsTest, AShareOfZeroDoesNothing) {
  for (const char* kind : {"status", "abort", "reset", "hang"})
    inject(std::string(R"({"proxy":"pay","share":0,"kind":")") + kind + "\"}");
  for (int i = 0; i < 1000; ++i) {
    const auto connection = faults.connection("pay", 0);
    EXPECT_FALSE(connection.reset || connection.hang);
    const auto request = faults.request("pay");
    EXPECT_FALSE(request.abort || request.status != 0);
  }
}

TEST_F(FaultsTest, EffectsAddUp) {
  inject(R"({"proxy":"pay","kind":"latency","latency_ms":100})");
  inject(R"({"proxy":"pay","kind":"latency","latency_ms":50,"jitter_ms":10})");
  inject(R"({"proxy":"pay","kind":"bandwidth","bytes_per_s":1000})");
  inject(R"({"proxy":"pay","kind":"bandwidth","bytes_per_s":500})");
  for (int i = 0; i < 100; ++i) {
    const auto effect = faults.connection("pay", 0.5);
    EXPECT_GE(effect.latency_ms, 140);
    EXPECT_LE(effect.latency_ms, 160);
    EXPECT_EQ(effect.bytes_per_s, 500);
  }
}

TEST_F(FaultsTest, Bounds) {
  for (size_t i = 0; i < faults_per_proxy_max; ++i) inject(R"({"proxy":"db","kind":"hang"})");
  EXPECT_EQ(faults.inject(*parse(R"({"proxy":"db","kind":"hang"})")).error().code, Code::resource_exhausted);
  EXPECT_EQ(faults.inject(*parse(R"({"proxy":"no","kind":"hang"})")).error().code, Code::not_found);
  EXPECT_EQ(faults.inject(*parse(R"({"proxy":"db","kind":"abort"})")).error().code, Code::invalid_argument);
}

TEST_F(FaultsTest, AProxyThatIsNoLongerDeclaredHasNoFaults) {
  inject(R"({"proxy":"db","kind":"hang"})");
  inject(R"({"proxy":"pay","kind":"hang"})");
  faults.declare({proxies[1]});
  ASSERT_EQ(faults.list().size(), 1u);
  EXPECT_EQ(faults.list()[0].proxy, "pay");
}

class ApiTest : public FaultsTest {
 protected:
  http::Response ask(std::string_view method, std::string_view pattern, std::string body = "", std::string id = "") {
    http::Response out;
    http::Request request;
    request.body = std::move(body);
    if (!id.empty()) request.params = {{"id", id}};
    for (const auto& route : routes(faults, clock, [this] { return enabled; }))
      if (route.method == method && route.pattern == pattern)
        route.handler(request, [&](http::Response r) { out = std::move(r); });
    return out;
  }
  bool enabled = true;
};

TEST_F(ApiTest, InjectListClear) {
  const auto made = ask("POST", "/v1/chaos/faults", R"({"proxy":"db","kind":"latency","latency_ms":5,"lease":"30s"})");
  EXPECT_EQ(made.status, 201);
  const std::string id = Json::parse(made.body)["id"];
  clock.advance(10 * nanos_per_s);
  const Json list = Json::parse(ask("GET", "/v1/chaos/faults").body);
  ASSERT_EQ(list["faults"].size(), 1u);
  EXPECT_EQ(list["faults"][0]["id"], id);
  EXPECT_EQ(list["faults"][0]["left_ms"], 20'000);
  EXPECT_EQ(ask("DELETE", "/v1/chaos/faults/{id}", "", id).status, 200);
  EXPECT_EQ(ask("DELETE", "/v1/chaos/faults/{id}", "", id).status, 404);
  EXPECT_EQ(ask("POST", "/v1/chaos/faults", "{").status, 400);
  EXPECT_EQ(ask("POST", "/v1/chaos/faults", std::string(20'000, ' ')).status, 413);
}

TEST_F(ApiTest, OffMeansOff) {
  enabled = false;
  const auto refused = ask("POST", "/v1/chaos/faults", R"({"proxy":"db","kind":"down"})");
  EXPECT_EQ(refused.status, 403);
  EXPECT_NE(refused.body.find("chaos.enabled"), std::string::npos);
  EXPECT_TRUE(faults.list().empty());
  EXPECT_EQ(Json::parse(ask("GET", "/v1/chaos/proxies").body)["enabled"], false);
}

}  // namespace
}  // namespace hs::chaos
