#include "chaos/runner.h"

#include <gtest/gtest.h>

#include "chaos/api.h"
#include "chaos/command.h"
#include "chaos/remote_faults.h"
#include "io/files.h"

namespace hs::chaos {
namespace {

using json::Json;

// Answers probes from a script, and /v1/chaos from the real routes; every wait moves the simulated clock.
class World : public io::Http {
 public:
  World() { faults.declare(proxies); }

  Result<http::Response> request(const io::Endpoint& to, const io::HttpRequest& request,
                                 const io::HttpLimits& limits) override {
    if (limits.may_dial) HS_TRY(limits.may_dial(dialled));
    if (to.port == 4319) return own(request);
    ++probed;
    clock.advance(nanos_per_ms);
    return answer(request);
  }
  Result<http::Response> own(const io::HttpRequest& request) {
    http::Request r;
    r.method = request.method;
    r.body = std::string(request.body);
    http::Response out{.status = 404};
    for (const auto& route : routes(faults, clock, [this] { return enabled; })) {
      const std::string prefix = route.pattern.substr(0, route.pattern.find('{'));
      const bool one = prefix.size() < route.pattern.size();
      if (route.method != request.method || (one ? !request.target.starts_with(prefix) : request.target != prefix))
        continue;
      if (request.headers.get("Authorization") != "Bearer secret")
        return http::Response::error({Code::unauthenticated, "no", 0});
      if (one) r.params = {{"id", request.target.substr(prefix.size())}};
      route.handler(r, [&](http::Response response) { out = std::move(response); });
    }
    return out;
  }
  bool pause(int64_t ms) {
    clock.advance(ms * nanos_per_ms);
    faults.tick();
    if (on_pause) on_pause();
    return !interrupted;
  }
  Json run_it(const Json& document) {
    const auto hosts = HostList::parse({"127.0.0.1:7000"});
    const auto experiment = parse_experiment(document.dump(), {*hosts, proxies, true, nullptr});
    EXPECT_TRUE(experiment) << experiment.error().message;
    return run(*experiment, {*this, clock, faults, [this](int64_t ms) { return pause(ms); }, nullptr});
  }

  io::SimClock clock{1'000'000 * nanos_per_s};
  io::SeededRandom random{1};
  Faults faults{clock, random};
  std::vector<config::Proxy> proxies = {{"pay", "127.0.0.1:1", "127.0.0.1:2", "http"},
                                        {"db", "127.0.0.1:3", "127.0.0.1:4", "tcp"}};
  std::function<Result<http::Response>(const io::HttpRequest&)> answer = [](const io::HttpRequest&) {
    return http::Response::text(200, "ok");
  };
  std::function<void()> on_pause;
  std::string dialled = "127.0.0.1";
  bool enabled = true, interrupted = false;
  int probed = 0;
};

Json probe(const char* name = "alive") {
  return {{"type", "probe"},
          {"name", name},
          {"tolerance", 200},
          {"provider", {{"type", "http"}, {"url", "http://127.0.0.1:7000/x"}}}};
}
Json inject(const char* proxy = "pay", const char* lease = "60s") {
  return {{"type", "action"},
          {"name", "break it"},
          {"provider", {{"type", "homeostat"}, {"fault", "hang"}, {"proxy", proxy}, {"lease", lease}}},
          {"pauses", {{"after", 10}}}};
}
Json sample() {
  return {{"title", "t"},
          {"description", "d"},
          {"steady-state-hypothesis", {{"title", "s"}, {"probes", {probe()}}}},
          {"method", {inject()}}};
}

TEST(Runner, ACompleteRun) {
  World world;
  bool on_during = false;
  world.on_pause = [&] { on_during = on_during || world.faults.connection("pay", 0).hang; };
  const Json journal = world.run_it(sample());
  EXPECT_EQ(journal["status"], "completed") << journal.dump(2);
  EXPECT_EQ(journal["deviated"], false);
  EXPECT_TRUE(on_during);
  EXPECT_TRUE(world.faults.list().empty());  // cleared, although its lease had 50 s left and no rollback was written
  EXPECT_EQ(journal["steady_states"]["before"]["steady_state_met"], true);
  EXPECT_EQ(journal["steady_states"]["after"]["steady_state_met"], true);
  ASSERT_EQ(journal["run"].size(), 1u);
  EXPECT_EQ(journal["run"][0]["status"], "succeeded");
  EXPECT_GE(journal["duration"], 10.0);
  EXPECT_EQ(journal["experiment"]["title"], "t");
}

TEST(Runner, WithoutASteadyStateNothingIsInjected) {
  World world;
  world.answer = [](const io::HttpRequest&) { return http::Response::text(503, ""); };
  const Json journal = world.run_it(sample());
  EXPECT_EQ(journal["status"], "failed");
  EXPECT_EQ(journal["deviated"], false);
  EXPECT_TRUE(journal["run"].empty());
}

TEST(Runner, ASteadyStateThatIsLostIsADeviation) {
  World world;
  world.answer = [&](const io::HttpRequest&) { return http::Response::text(world.probed == 1 ? 200 : 500, ""); };
  Json document = sample();
  document["rollbacks"] =
      Json::array({{{"type", "action"}, {"name", "undo"}, {"provider", {{"type", "homeostat"}, {"clear", "all"}}}}});
  const Json journal = world.run_it(document);
  EXPECT_EQ(journal["status"], "failed");
  EXPECT_EQ(journal["deviated"], true);
  ASSERT_EQ(journal["rollbacks"].size(), 1u);
  EXPECT_EQ(journal["rollbacks"][0]["output"], 1);
}

TEST(Runner, AGuardEndsTheMethodAtOnce) {
  World world;
  Json document = sample();
  document["extensions"] = Json::array({{{"name", "homeostat"}, {"guards", {probe("guard")}}, {"check_every", 1}}});
  document["method"].push_back(inject("db"));
  world.answer = [&](const io::HttpRequest&) { return http::Response::text(world.probed <= 3 ? 200 : 500, ""); };
  const MonoNanos before = world.clock.mono();
  const Json journal = world.run_it(document);
  EXPECT_EQ(journal["status"], "aborted");
  EXPECT_EQ(journal["reason"], "a guard no longer holds");
  EXPECT_EQ(journal["run"].size(), 1u);
  EXPECT_LT(world.clock.mono() - before, 5 * nanos_per_s);  // simulated time: of 10 s
  EXPECT_TRUE(world.faults.list().empty());
}

TEST(Runner, DuringTheMethod) {
  World world;
  Json document = sample();
  document["runtime"] = {{"hypothesis", {{"strategy", "continuously"}, {"frequency", 2}}}};
  world.answer = [&](const io::HttpRequest&) { return http::Response::text(world.probed == 4 ? 500 : 200, ""); };
  Json journal = world.run_it(document);
  EXPECT_EQ(journal["steady_states"]["during"].size(), 5u);
  EXPECT_EQ(journal["status"], "completed");
  EXPECT_EQ(journal["deviated"], true);
  document["runtime"]["hypothesis"]["fail_fast"] = true;
  world.probed = 0;
  journal = world.run_it(document);
  EXPECT_EQ(journal["status"], "failed");
  EXPECT_EQ(journal["steady_states"]["during"].size(), 3u);
  EXPECT_TRUE(world.faults.list().empty());
}

TEST(Runner, AnInterruptionRollsBack) {
  World world;
  world.on_pause = [&] { world.interrupted = !world.faults.list().empty(); };
  const Json journal = world.run_it(sample());
  EXPECT_EQ(journal["status"], "interrupted");
  EXPECT_TRUE(world.faults.list().empty());
}

TEST(Runner, AnActionThatFailsAborts) {
  World world;
  Json document = sample();
  document["method"] = Json(std::vector<Json>(faults_per_proxy_max + 1, inject("pay", "10m")));
  const Json journal = world.run_it(document);
  EXPECT_EQ(journal["status"], "aborted");
  EXPECT_NE(journal["reason"].get<std::string>().find("too many faults"), std::string::npos);
  EXPECT_TRUE(world.faults.list().empty());
}

TEST(Runner, FaultsOfOthersStay) {
  World world;
  const auto other = world.faults.inject({.proxy = "db", .kind = Kind::hang});
  world.run_it(sample());
  ASSERT_EQ(world.faults.list().size(), 1u);
  EXPECT_EQ(world.faults.list()[0].id, *other);
}

TEST(Runner, AFaultWhoseLeaseIsOverIsNoError) {
  World world;
  Json document = sample();
  document["method"] = Json::array({inject("pay", "1s")});
  const Json journal = world.run_it(document);
  EXPECT_EQ(journal["status"], "completed");
  EXPECT_FALSE(journal.contains("left_to_their_leases"));
}

TEST(Runner, AnAddressThatIsNotTheOneWrittenIsNotDialled) {
  World world;
  world.dialled = "127.0.0.2";
  const Json journal = world.run_it(sample());
  EXPECT_EQ(journal["status"], "failed");
  EXPECT_EQ(world.probed, 0);
}

TEST(Remote, FaultsThroughTheApi) {
  World world;
  RemoteFaults remote(world, *io::parse_endpoint("127.0.0.1:4319"), "secret");
  Fault fault{
      .proxy = "pay", .kind = Kind::status, .status = 500, .share = 0.25, .lease_ms = 5'000, .service = "payment"};
  const auto id = remote.inject(fault);
  ASSERT_TRUE(id) << id.error().message;
  ASSERT_EQ(world.faults.list().size(), 1u);
  const Fault there = world.faults.list()[0];
  EXPECT_EQ(there.status, 500);
  EXPECT_EQ(there.share, 0.25);
  EXPECT_EQ(there.lease_ms, 5'000);
  EXPECT_EQ(there.service, "payment");
  EXPECT_TRUE(remote.clear(*id));
  EXPECT_EQ(remote.clear(*id).error().code, Code::not_found);
  EXPECT_EQ(remote.proxies()->size(), 2u);
  EXPECT_EQ(remote.inject({.proxy = "none", .kind = Kind::hang}).error().code, Code::not_found);
  RemoteFaults stranger(world, *io::parse_endpoint("127.0.0.1:4319"), "wrong");
  EXPECT_EQ(stranger.inject(fault).error().code, Code::unauthenticated);
  world.enabled = false;
  EXPECT_EQ(remote.proxies().error().message, disabled().message);
  EXPECT_EQ(remote.inject(fault).error().code, Code::permission_denied);
}

class CommandTest : public testing::Test {
 protected:
  CommandContext context() {
    return {world,
            world,
            world.clock,
            *io::parse_endpoint("127.0.0.1:4319"),
            "secret",
            {"127.0.0.1:7000"},
            nullptr,
            [this](int64_t ms) { return world.pause(ms); },
            [this](std::string_view line) { said += std::string(line) + "\n"; },
            [this](std::string_view line) { said += std::string(line) + "\n"; }};
  }
  std::string write(const std::string& text) {
    const std::string path = testing::TempDir() + "/experiment.json";
    EXPECT_TRUE(io::replace_file(path, text, 0600, io::Durable::content));
    return path;
  }
  World world;
  std::string said;
  const std::string journal = testing::TempDir() + "/journal.json";
};

TEST_F(CommandTest, RunWritesAJournal) {
  EXPECT_EQ(run_file(context(), write(sample().dump()), journal), 0) << said;
  const Json written = Json::parse(*io::read_file(journal, 1'000'000));
  EXPECT_EQ(written["status"], "completed");
  EXPECT_EQ(written["run"][0]["status"], "succeeded");
  world.answer = [&](const io::HttpRequest&) { return http::Response::text(500, ""); };
  EXPECT_EQ(run_file(context(), write(sample().dump()), journal), 1);
}

TEST_F(CommandTest, WrongFilesAndChaosThatIsOff) {
  EXPECT_EQ(run_file(context(), write("{"), journal), 2);
  EXPECT_EQ(run_file(context(), "/no/such/file", journal), 2);
  EXPECT_EQ(validate_file(context(), write(sample().dump())), 0);
  EXPECT_NE(said.find("valid: t"), std::string::npos);
  world.enabled = false;
  said.clear();
  EXPECT_EQ(run_file(context(), write(sample().dump()), journal), 1);
  EXPECT_NE(said.find("chaos.enabled: true"), std::string::npos);
  EXPECT_EQ(validate_file(context(), write(sample().dump())), 0);  // without proxies to check
}

TEST_F(CommandTest, ListAndClear) {
  EXPECT_EQ(list_faults(context()), 0);
  EXPECT_EQ(said, "no fault is on\n");
  ASSERT_TRUE(world.faults.inject({.proxy = "db", .kind = Kind::hang}));
  said.clear();
  EXPECT_EQ(list_faults(context()), 0);
  EXPECT_NE(said.find("hang on db, 1m left"), std::string::npos) << said;
  EXPECT_EQ(clear_faults(context()), 0);
  EXPECT_TRUE(world.faults.list().empty());
}

}  // namespace
}  // namespace hs::chaos
