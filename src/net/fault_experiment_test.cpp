// An experiment from end to end over real sockets: server, token, proxy, probes, journal.
#include <gtest/gtest.h>

#include "chaos/api.h"
#include "chaos/command.h"
#include "io/clock.h"
#include "io/files.h"
#include "net/fault_proxy.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/router.h"

namespace hs::net {
namespace {

using json::Json;

class ExperimentOverSockets : public testing::Test {
 protected:
  ExperimentOverSockets() {
    shop = start(http::answer([](const http::Request&) { return http::Response::json(200, R"({"orders":5})"); }));
    const std::vector<config::Proxy> declared = {{"shop", "127.0.0.1:0", shop->address().text(), "http"}};
    faults.declare(declared);
    faults.on_marker([this](const chaos::Marker& m) {
      const std::lock_guard lock(mutex);
      markers.push_back(m);
    });
    proxies = std::move(*FaultProxies::start(declared, faults, random));
    server = start(Router(chaos::routes(faults, clock, [] { return true; })));
  }
  static std::unique_ptr<HttpServer> start(http::Handler handler) {
    return std::move(*HttpServer::start({.listen = *io::parse_endpoint("127.0.0.1:0")}, std::move(handler)));
  }
  int run(const Json& document) {
    const std::string path = testing::TempDir() + "/over-sockets.json";
    EXPECT_TRUE(io::replace_file(path, document.dump(), 0600, io::Durable::content));
    const chaos::CommandContext context{client,
                                        client,
                                        clock,
                                        server->address(),
                                        "token",
                                        {proxies->address("shop")->text()},
                                        nullptr,
                                        [](int64_t ms) {
                                          std::this_thread::sleep_for(std::chrono::milliseconds(ms));
                                          return true;
                                        },
                                        [](std::string_view) {},
                                        [](std::string_view line) { ADD_FAILURE() << line; }};
    const int code = chaos::run_file(context, path, journal_path);
    journal = Json::parse(*io::read_file(journal_path, 10'000'000));
    return code;
  }
  Json experiment(const Json& fault) const {
    const Json orders = {
        {"type", "probe"},
        {"name", "orders come"},
        {"tolerance", {{"type", "jsonpath"}, {"path", "$.orders"}, {"target", "body"}, {"expect", 5}}},
        {"provider", {{"type", "http"}, {"url", "http://" + proxies->address("shop")->text() + "/"}, {"timeout", 5}}}};
    return {
        {"title", "orders"},
        {"description", "orders come, whatever happens"},
        {"steady-state-hypothesis", {{"title", "orders"}, {"probes", Json::array({orders})}}},
        {"runtime", {{"hypothesis", {{"strategy", "continuously"}, {"frequency", 0.1}}}}},
        {"method",
         Json::array({{{"type", "action"}, {"name", "break"}, {"provider", fault}, {"pauses", {{"after", 0.3}}}}})}};
  }

  io::Clock& clock = io::system_clock();
  io::SeededRandom random{1};
  std::mutex mutex;
  std::vector<chaos::Marker> markers;
  chaos::Faults faults{clock, random};
  std::unique_ptr<HttpServer> shop, server;
  std::unique_ptr<FaultProxies> proxies;
  HttpClient client;
  const std::string journal_path = testing::TempDir() + "/over-sockets-journal.json";
  Json journal;
};

TEST_F(ExperimentOverSockets, AFaultThatIsTolerated) {
  const Json fault = {{"type", "homeostat"}, {"fault", "delay"}, {"proxy", "shop"}, {"latency_ms", 5}};
  EXPECT_EQ(run(experiment(fault)), 0) << journal.dump(2);
  EXPECT_EQ(journal["deviated"], false);
  EXPECT_GE(journal["steady_states"]["during"].size(), 1u);
  EXPECT_TRUE(faults.list().empty());
  const std::lock_guard lock(mutex);
  ASSERT_EQ(markers.size(), 2u);
  EXPECT_EQ(markers[0].kind, "delay");
  EXPECT_GT(markers[1].ended, markers[1].started);
}

TEST_F(ExperimentOverSockets, AFaultThatIsNot) {
  const Json fault = {{"type", "homeostat"}, {"fault", "status"}, {"proxy", "shop"}, {"status", 500}};
  EXPECT_EQ(run(experiment(fault)), 1);
  EXPECT_EQ(journal["status"], "failed");
  EXPECT_EQ(journal["deviated"], true);
  EXPECT_EQ(journal["steady_states"]["after"]["steady_state_met"],
            false);  // the fault is still on: that is the question
  EXPECT_TRUE(faults.list().empty());
}

}  // namespace
}  // namespace hs::net
