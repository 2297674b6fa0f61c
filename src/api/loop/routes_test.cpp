#include "api/loop/routes.h"

#include <gtest/gtest.h>

#include "api/loop/knobs_json.h"
#include "base/json.h"
#include "io/disk_sim.h"

namespace hs::api::loop {
namespace {

using json::Json;

class LoopApi : public testing::Test {
 protected:
  LoopApi() {
    auto s = std::make_shared<Snapshot>();
    s->at = 1'700'000'000 * nanos_per_s;
    for (int i = 5; i > 0; --i) s->incidents.push_back(item("inc-" + std::to_string(i), i > 3 ? "acting" : "closed"));
    s->changes.push_back(item("chg-1", "promoted"));
    s->knobs = R"({"knobs":[1]})";
    snapshot_ = s;
  }
  static ItemPtr item(std::string id, std::string state) {
    const Json body = {{"id", id}, {"state", state}};
    return std::make_shared<Item>(Item{std::move(id), std::move(state), body.dump()});
  }
  // The router of net/ is not here: routes are found by their pattern.
  http::Response ask(std::string_view method, std::string_view pattern,
                     std::vector<std::pair<std::string, std::string>> query = {}, std::string body = "",
                     std::string id = "") {
    http::Request request;
    request.method = method;
    request.query = std::move(query);
    request.body = std::move(body);
    request.credential = "operator";
    if (!id.empty()) request.params.emplace_back("id", id);
    Sources sources{[this] { return snapshot_; },
                    [this](Order order, const http::Done& done) {
                      order_ = std::move(order);
                      done(http::Response::json(200, "{}"));
                    },
                    ledger_};
    http::Response out{599};
    for (const http::Route& route : routes(sources))
      if (route.method == method && route.pattern == pattern)
        route.handler(std::move(request), [&](http::Response r) { out = std::move(r); });
    return out;
  }
  Json got(std::string_view pattern, std::vector<std::pair<std::string, std::string>> query = {}) {
    const http::Response r = ask("GET", pattern, std::move(query));
    EXPECT_EQ(r.status, 200) << r.body;
    return Json::parse(r.body);
  }

  SnapshotPtr snapshot_;
  Order order_;
  const ledger::Ledger* ledger_ = nullptr;
};

TEST_F(LoopApi, PagesGoOnWhereTheyEnded) {
  const Json first = got("/v1/incidents", {{"limit", "2"}});
  EXPECT_EQ(first["incidents"].size(), 2U);
  EXPECT_EQ(first["incidents"][0]["id"], "inc-5");
  EXPECT_EQ(first["next"], "inc-4");
  const Json last = got("/v1/incidents", {{"limit", "9"}, {"cursor", "inc-4"}});
  EXPECT_EQ(last["incidents"].size(), 3U);
  EXPECT_FALSE(last.contains("next"));
  const Json closed = got("/v1/incidents", {{"state", "closed"}, {"limit", "1"}});
  EXPECT_EQ(closed["incidents"][0]["id"], "inc-3");
  EXPECT_EQ(closed["next"], "inc-3");
  EXPECT_EQ(got("/v1/changes")["changes"].size(), 1U);
  EXPECT_EQ(got("/v1/knobs")["knobs"][0], 1);
  for (const char* bad : {"-1", "x", "1001", "99999999999999999999"})
    EXPECT_EQ(ask("GET", "/v1/incidents", {{"limit", bad}}).status, 400) << bad;
  EXPECT_EQ(ask("GET", "/v1/incidents", {{"cursor", "inc-99"}}).status, 400);
}

TEST_F(LoopApi, OneById) {
  EXPECT_EQ(Json::parse(ask("GET", "/v1/incidents/{id}", {}, "", "inc-2").body)["state"], "closed");
  EXPECT_EQ(ask("GET", "/v1/incidents/{id}", {}, "", "inc-99").status, 404);
}

TEST_F(LoopApi, BeforeTheFirstStepNobodyIsToldNothingIsWrong) {
  snapshot_ = nullptr;
  const http::Response r = ask("GET", "/v1/incidents");
  EXPECT_EQ(r.status, 503);
  EXPECT_EQ(r.headers.get("Retry-After"), "1");
}

TEST_F(LoopApi, OrdersCarryWhoAndWhy) {
  EXPECT_EQ(ask("POST", "/v1/stop", {}, R"({"who":"ann\u001b[31m","why":"maintenance"})").status, 200);
  EXPECT_EQ(order_.kind, OrderKind::stop);
  EXPECT_EQ(order_.who, "ann [31m");
  EXPECT_EQ(order_.why, "maintenance");
  EXPECT_EQ(order_.credential, "operator");
  EXPECT_EQ(ask("POST", "/v1/resume").status, 200);
  EXPECT_EQ(order_.kind, OrderKind::resume);
  EXPECT_EQ(ask("POST", "/v1/knobs/reset", {}, R"({"key":"a.b"})").status, 200);
  EXPECT_EQ(order_.knob, "a.b");
  EXPECT_EQ(ask("POST", "/v1/stop", {}, "[]").status, 400);
  EXPECT_EQ(ask("POST", "/v1/stop", {}, "{").status, 400);
  EXPECT_EQ(ask("POST", "/v1/stop", {}, std::string(order_body_bytes_max + 1, ' ')).status, 413);
}

TEST_F(LoopApi, ToldChanges) {
  EXPECT_EQ(ask("POST", "/v1/changes/told", {},
                R"({"service":"checkout","kind":"deploy","detail":"v2","at":"2023-11-14T22:13:20Z"})")
                .status,
            200);
  EXPECT_EQ(order_.service, "checkout");
  EXPECT_EQ(order_.change_kind, "deploy");
  EXPECT_EQ(order_.at, 1'700'000'000 * nanos_per_s);
  EXPECT_EQ(ask("POST", "/v1/changes/told", {}, R"({"service":"a","kind":"deploy","at":12})").status, 200);
  EXPECT_EQ(order_.at, 12);
  for (const char* bad : {R"({"kind":"deploy"})", R"({"service":"a","kind":"magic"})",
                          R"({"service":"a","kind":"deploy","at":"yesterday"})"})
    EXPECT_EQ(ask("POST", "/v1/changes/told", {}, bad).status, 400) << bad;
}

TEST_F(LoopApi, TheLedgerNewestFirst) {
  EXPECT_EQ(ask("GET", "/v1/ledger").status, 404);
  io::SimDisk disk(1);
  io::SimClock clock(1'700'000'000 * nanos_per_s);
  auto key = ledger::SignerKey::from_seed("homeostat-test", std::string(32, 'k')).value();
  const auto ledger = ledger::Ledger::open("l", disk, clock, key, {}).value();
  ledger_ = ledger.get();
  EXPECT_EQ(ask("GET", "/v1/ledger/head").status, 404);
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(ledger->append("decision", R"({"incident":"inc-1","words":"did )" + std::to_string(i) + "\"}"));
  ASSERT_TRUE(ledger->commit());
  const Json page = got("/v1/ledger", {{"limit", "3"}});
  EXPECT_EQ(page["entries"][0]["kind"], "head");
  EXPECT_EQ(page["entries"][1]["words"], "did 4");
  EXPECT_EQ(page["entries"][1]["incident"], "inc-1");
  const Json rest = got("/v1/ledger", {{"cursor", page["next"].get<std::string>()}});
  EXPECT_EQ(rest["entries"].size(), 3U);
  EXPECT_FALSE(rest.contains("next"));
  const Json head = got("/v1/ledger/head");
  EXPECT_EQ(head["size"], 5);
  EXPECT_TRUE(ledger::open_note(head["note"].get<std::string>(),
                                ledger::VerifierKey::parse(head["vkey"].get<std::string>()).value()));
}

TEST(KnobsJson, TellsWhatIsInForce) {
  values::State state{9, {}};
  state.knobs.push_back({"a", config::KnobType::integer, config::KnobScope::request, {"s"}, int64_t{1}, 1, {}, {}});
  state.knobs[0].promoted = values::Promoted{int64_t{2}, 5, "chg-1", 0};
  state.knobs[0].candidate = values::Candidate{int64_t{3}, 9, "chg-2", 0.2, 1, "s", "", 10 * nanos_per_s, "boot", 0};
  config::Knob declared;
  declared.key = "a";
  declared.min = 1;
  const auto at = [&](MonoNanos now) {
    return Json::parse(knobs_json(state, std::vector{declared}, now, "boot"))["knobs"][0];
  };
  EXPECT_EQ(at(0)["candidate"]["lease_left_ms"], 10'000);
  EXPECT_EQ(at(0)["value"], 2);
  EXPECT_EQ(at(0)["promoted"]["change"], "chg-1");
  EXPECT_EQ(at(0)["min"], 1.0);
  EXPECT_TRUE(at(10 * nanos_per_s)["candidate"].is_null());
}

}  // namespace
}  // namespace hs::api::loop
