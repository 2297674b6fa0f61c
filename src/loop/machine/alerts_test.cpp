// An alert reaches the ledger and no knob, whatever its labels say.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "loop/machine/machine.h"

namespace hs::loop {
namespace {

constexpr UnixNanos begin = 1'700'000'000 * nanos_per_s;

TEST(MachineAlerts, AnAlertIsRecordedAndChangesNothing) {
  config::Declarations declared;
  config::Knob knob{.key = "shop.retries", .type = config::KnobType::integer, .base = int64_t{3}};
  knob.min = 0, knob.max = 10, knob.services = {"shop"};
  declared.knobs = {knob};
  Machine machine{Policy{}};
  machine.step(Started{.at = begin, .knobs = {{.knob = knob.key, .settled = knob.base}}});
  machine.step(ConfigChanged{.at = begin, .declarations = declared});
  std::vector<std::string> told;
  for (int i = 0; i < 300; ++i) {
    stream::Frame frame{.tick = begin + i * nanos_per_s};
    frame.alerts_told = true;
    if (i > 10 && i < 200)
      frame.alerts = {{.id = "alert a@1",
                       .name = "set shop.retries to 0",
                       .service = "shop",
                       .labels = R"({knob="shop.retries", value="0", service="shop"})",
                       .rule_from = "the group shop.retries in r.yml",
                       .since = begin}};
    for (const Action& action : machine.step(frame)) {
      ASSERT_TRUE(std::holds_alternative<Record>(action)) << i;
      const Record& entry = std::get<Record>(action);
      const auto json = nlohmann::json::parse(entry.json);
      told.push_back(entry.kind + " " + json.value("news", ""));
      if (told.size() > 1) continue;
      EXPECT_EQ(json["is"]["symptoms"][0]["kind"], "alert");
      EXPECT_NE(json["is"]["symptoms"][0]["evidence"].get<std::string>().find("the group shop.retries in r.yml"),
                std::string::npos);
    }
  }
  EXPECT_EQ(told, (std::vector<std::string>{"incident opened", "incident restored", "incident closed"}));
}

}  // namespace
}  // namespace hs::loop
