#include "chaos/experiment.h"

#include <gtest/gtest.h>

namespace hs::chaos {
namespace {

using json::Json;

class ExperimentTest : public testing::Test {
 protected:
  Result<Experiment> parse(const Json& document) { return parse_text(document.dump()); }
  Result<Experiment> parse_text(const std::string& text) {
    return parse_experiment(text, {hosts, proxies, true, [this](const std::string& name) -> std::optional<std::string> {
                                     const auto found = environment.find(name);
                                     return found == environment.end() ? std::nullopt : std::optional(found->second);
                                   }});
  }
  void refused(const Json& document, std::string_view why) {
    const auto parsed = parse(document);
    ASSERT_FALSE(parsed) << document.dump();
    EXPECT_NE(parsed.error().message.find(why), std::string::npos) << parsed.error().message;
  }
  static Json probe(std::string url = "http://127.0.0.1:7000/healthz") {
    return {{"type", "probe"}, {"name", "alive"}, {"tolerance", 200}, {"provider", {{"type", "http"}, {"url", url}}}};
  }
  static Json action() {
    return {{"type", "action"},
            {"name", "slow"},
            {"provider",
             {{"type", "homeostat"}, {"fault", "latency"}, {"proxy", "pay"}, {"latency_ms", 500}, {"lease", "30s"}}}};
  }
  static Json sample() {
    return {{"title", "a slow payment"},
            {"description", "checkout survives"},
            {"steady-state-hypothesis", {{"title", "it works"}, {"probes", {probe()}}}},
            {"method", {action()}},
            {"rollbacks",
             Json::array(
                 {{{"type", "action"}, {"name", "fast"}, {"provider", {{"type", "homeostat"}, {"clear", "pay"}}}}})}};
  }
  HostList hosts = *HostList::parse({"127.0.0.1:7000"});
  std::vector<config::Proxy> proxies = {{"pay", "127.0.0.1:1", "127.0.0.1:2", "http"}};
  std::map<std::string, std::string> environment;
};

TEST_F(ExperimentTest, Parses) {
  const auto e = parse(sample());
  ASSERT_TRUE(e) << e.error().message;
  EXPECT_EQ(e->title, "a slow payment");
  ASSERT_EQ(e->hypothesis.size(), 1u);
  const auto& fault = std::get<InjectFault>(e->method.at(0).provider).fault;
  EXPECT_EQ(fault.kind, Kind::latency);
  EXPECT_EQ(fault.lease_ms, 30'000);
  EXPECT_EQ(std::get<ClearFaults>(e->rollbacks.at(0).provider).proxy, "pay");
  EXPECT_TRUE(e->notes.empty());
}

TEST_F(ExperimentTest, CodeIsRefusedByName) {
  for (const char* type : {"process", "python"}) {
    Json document = sample();
    document["method"][0]["provider"] = {{"type", type}, {"path", "/bin/rm"}, {"module", "os"}, {"func", "system"}};
    refused(document, std::string("the provider '") + type + "' runs code on this machine and is refused");
    document = sample();
    document["rollbacks"][0]["provider"]["type"] = type;
    refused(document, "runs code");
  }
  Json document = sample();
  document["controls"] = Json::array({{{"name", "x"}, {"provider", {{"type", "python"}, {"module", "m"}}}}});
  refused(document, "controls: not supported");
}

TEST_F(ExperimentTest, OnlyConfiguredHosts) {
  for (const char* url :
       {"http://127.0.0.1:7001/", "http://127.0.0.1/", "http://localhost:7000/", "http://evil:7000/"}) {
    Json document = sample();
    document["steady-state-hypothesis"]["probes"][0] = probe(url);
    refused(document, "chaos.hosts");
  }
  for (const char* url : {"file:///etc/passwd", "https://127.0.0.1:7000/", "http://127.0.0.1:7000@evil/", "unix:/x"}) {
    Json document = sample();
    document["steady-state-hypothesis"]["probes"][0] = probe(url);
    refused(document, "url");
  }
}

TEST_F(ExperimentTest, AllProblemsAtOnce) {
  Json document = sample();
  document.erase("title");
  document["method"][0]["provider"]["proxy"] = "none";
  document["method"][0]["background"] = true;
  document["steady-state-hypothesis"]["probes"][0].erase("tolerance");
  const auto parsed = parse(document);
  ASSERT_FALSE(parsed);
  for (const char* part :
       {"title: required", "no fault proxy 'none'", "background", "must be a probe with a tolerance"})
    EXPECT_NE(parsed.error().message.find(part), std::string::npos) << parsed.error().message;
}

TEST_F(ExperimentTest, Shapes) {
  refused(Json::array(), "an experiment is a JSON object");
  for (const char* key : {"title", "description", "method"}) {
    Json document = sample();
    document.erase(key);
    refused(document, key);
  }
  Json document = sample();
  document["method"] = {{"x", 1}};
  refused(document, "takes a list");
  document = sample();
  document["method"][0] = "x";
  refused(document, "an activity is an object");
  document = sample();
  document["method"][0]["pauses"] = {{"after", 1e9}};
  refused(document, "seconds from 0 to 3600");
  document = sample();
  document["method"] = Json(std::vector<Json>(101, action()));
  refused(document, "at most 100");
  document = sample();
  document["secrets"] = {{"a", {{"b", "c"}}}};
  refused(document, "secrets");
  EXPECT_FALSE(parse_text("not json"));
  EXPECT_FALSE(parse_text("title: yaml"));
  EXPECT_EQ(parse_text(std::string(300'000, ' ')).error().code, Code::too_large);
}

TEST_F(ExperimentTest, DeepNestingIsRefusedBeforeItIsWalked) {
  refused(Json::array(), "object");
  std::string deep(100'000, '[');
  const auto parsed = parse_text(deep);
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().message.find("nests"), std::string::npos);
  Json document = sample();
  document["description"] = std::string(1000, '{');
  EXPECT_TRUE(parse(document));
}

TEST_F(ExperimentTest, VariablesKeepTheirType) {
  Json document = sample();
  document["configuration"] = {
      {"late", 700}, {"who", "pay"}, {"port", {{"type", "env"}, {"key", "PORT"}, {"default", "1"}}}};
  document["method"][0]["provider"]["latency_ms"] = "${late}";
  document["method"][0]["provider"]["proxy"] = "${who}";
  document["steady-state-hypothesis"]["probes"][0] = probe("http://127.0.0.1:${port}/x?late=${late}");
  environment["PORT"] = "7000";
  const auto e = parse(document);
  ASSERT_TRUE(e) << e.error().message;
  EXPECT_EQ(std::get<InjectFault>(e->method[0].provider).fault.latency_ms, 700);
  EXPECT_EQ(std::get<HttpCall>(e->hypothesis[0].provider).url.target, "/x?late=700");
  environment["PORT"] = "22";
  refused(document, "chaos.hosts");
  environment.clear();
  document["configuration"]["port"].erase("default");
  refused(document, "the environment has no PORT");
  document["configuration"].erase("port");
  refused(document, "${port} is not in configuration");
}

TEST_F(ExperimentTest, VariablesCannotMultiply) {
  Json document = sample();
  document["configuration"] = {{"big", std::string(50'000, 'x')}};
  document["tags"] = Json(std::vector<std::string>(10'000, "${big}"));
  refused(document, "variables add more than");
}

TEST_F(ExperimentTest, RefsArgumentsStrategiesAndGuards) {
  Json document = sample();
  document["method"].push_back({{"ref", "alive"}});
  document["method"].push_back({{"type", "action"},
                                {"name", "order"},
                                {"provider",
                                 {{"type", "http"},
                                  {"method", "POST"},
                                  {"url", "http://127.0.0.1:7000/orders"},
                                  {"arguments", {{"n", 1}}},
                                  {"expected_status", {200, 201}},
                                  {"timeout", {1, 2}}}}});
  document["runtime"] = {{"hypothesis", {{"strategy", "continuously"}, {"frequency", 0.5}, {"fail_fast", true}}},
                         {"rollbacks", {{"strategy", "deviated"}}}};
  document["extensions"] = Json::array({{{"name", "homeostat"}, {"guards", {probe()}}}, {{"name", "other"}}});
  const auto e = parse(document);
  ASSERT_TRUE(e) << e.error().message;
  EXPECT_TRUE(e->method[1].is_probe);
  const auto& call = std::get<HttpCall>(e->method[2].provider);
  EXPECT_EQ(call.body, "{\"n\":1}");
  EXPECT_EQ(call.timeout_ms, 3000);
  EXPECT_EQ(call.expected_status, (std::vector<int64_t>{200, 201}));
  EXPECT_TRUE(e->check_before && e->check_during && e->check_after && e->fail_fast);
  EXPECT_EQ(e->check_every_ms, 500);
  EXPECT_EQ(e->guards.size(), 1u);
  ASSERT_EQ(e->notes.size(), 1u);
  EXPECT_NE(e->notes[0].find("always run"), std::string::npos);
  document["method"].push_back({{"ref", "nobody"}});
  refused(document, "names no activity");
}

}  // namespace
}  // namespace hs::chaos
