#include "config/config.h"

#include <gtest/gtest.h>

namespace hs::config {
namespace {

std::string error_of(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  const auto parsed = parse(yaml, "test.yaml", overrides);
  return parsed ? "" : parsed.error().message;
}

TEST(Config, EveryKeyIsOptional) {
  const auto parsed = parse("", "test.yaml");
  ASSERT_TRUE(parsed);
  EXPECT_EQ((*parsed)->settings.text("listen.http"), "127.0.0.1:4319");
  EXPECT_EQ((*parsed)->settings.ms("retention.max_age"), 30LL * 86'400'000);
  EXPECT_TRUE((*parsed)->settings.flag("loop.act"));
}

TEST(Config, NestedDottedAndOverridden) {
  const auto parsed = parse("listen: {http: '127.0.0.1:1'}\nretention.max_bytes: 10GB\n", "test.yaml",
                            {"listen.http=", "chaos.hosts=[127.0.0.1:9, 127.0.0.1:10]", "log.level=debug"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ((*parsed)->settings.text("listen.http"), "");
  EXPECT_EQ((*parsed)->settings.bytes("retention.max_bytes"), 10'000'000'000);
  EXPECT_EQ((*parsed)->settings.list("chaos.hosts").size(), 2U);
}

TEST(Config, ErrorsNameThePlaceAndTheFix) {
  EXPECT_EQ(error_of("listen:\n  htp: x\n"), "test.yaml:2: unknown key 'listen.htp'; did you mean 'listen.http'?");
  EXPECT_NE(error_of("journal.max_bytes: lots\n").find("journal.max_bytes: 'lots' is not a size"), std::string::npos);
  EXPECT_NE(error_of("batch.max_rows: 0\n").find("outside 1"), std::string::npos);
  EXPECT_NE(error_of("", {"listen.http"}).find("write key=value"), std::string::npos);
  EXPECT_NE(error_of("", {"log.level=loud"}).find("debug|info"), std::string::npos);
  EXPECT_NE(error_of("a: [").find("test.yaml:1"), std::string::npos);
}

constexpr const char* knobs = R"(
knobs:
  - key: payment.provider
    type: string
    base: primary
    variants: [primary, backup]
    services: [checkout]
    dependency: payment
    expect:
      - {service: checkout, measure: errors, when: backup}
  - {key: pool.size, type: integer, base: 8, min: 1, max: 64, services: inventory, scope: service, effect: shared}
objectives:
  - {service: checkout, operation: POST /checkout, target: 0.99}
  - {service: checkout, kind: latency, threshold_ms: 300}
)";

TEST(Config, DeclarationsAreRead) {
  const auto parsed = parse(knobs, "test.yaml");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const Declarations& d = (*parsed)->declarations;
  ASSERT_EQ(d.knobs.size(), 2U);
  EXPECT_EQ(to_text(d.knobs[0].base), "primary");
  EXPECT_EQ(d.knobs[0].expect.at(0).when, "backup");
  EXPECT_EQ(std::get<int64_t>(d.knobs[1].base), 8);
  EXPECT_EQ(d.knobs[1].scope, KnobScope::service);
  EXPECT_EQ(d.objectives[0].name, "checkout/POST /checkout availability");
  EXPECT_EQ(d.objectives[1].threshold_ms, 300);
}

TEST(Config, BadDeclarationsAreRefused) {
  EXPECT_NE(error_of("knobs: [{key: a, type: integer, base: x, services: s}]").find("not of type integer"),
            std::string::npos);
  EXPECT_NE(error_of("knobs: [{key: a, type: integer, base: 5, services: s}]").find("min and max"), std::string::npos);
  EXPECT_NE(error_of("knobs: [{key: a, type: integer, base: 5, min: 6, max: 9, services: s}]").find("outside"),
            std::string::npos);
  EXPECT_NE(error_of("knobs: [{key: a, type: boolean, base: true, services: s, scop: x}]").find("'scope'"),
            std::string::npos);
  EXPECT_NE(error_of("kpis: [{name: a}, {name: a}]").find("twice"), std::string::npos);
  EXPECT_NE(error_of("objectives: [{operation: a}]").find("needs the field 'service'"), std::string::npos);
  EXPECT_NE(error_of("objectives: [{service: a, window: 1d}]").find("window must be 7d to 366d"), std::string::npos);
}

TEST(Config, ReloadRefusesWhatNeedsARestart) {
  const auto now = parse("", "a");
  EXPECT_TRUE(check_reload(**now, **parse("retention.max_age: 1d", "a")));
  const Status refused = check_reload(**now, **parse("listen.http: 127.0.0.1:1", "a"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("listen.http"), std::string::npos);
}

}  // namespace
}  // namespace hs::config
