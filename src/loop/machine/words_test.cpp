#include "loop/machine/words.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "loop/machine/record.h"

namespace hs::loop {
namespace {

using nlohmann::json;

Changes with_one_change() {
  Change change{.id = "chg-1-1", .incident = "inc-1-1", .knob = "pay.provider"};
  change.from = std::string("primary"), change.to = std::string("backup"), change.exposure = 0.2,
  change.service = "pay";
  Changes changes;
  changes.note(std::vector<Action>{SetKnob{change}}, 7);
  return changes;
}

json completed(std::string kind, const json& what) {
  Record entry{std::move(kind), what.dump()};
  complete(entry, with_one_change());
  return json::parse(entry.json);
}

TEST(Words, WhateverIsAboutAChangeNamesItsIncident) {
  for (const char* kind : {"revert", "promote", "receipt"}) {
    const json told = completed(kind, {{"change", "chg-1-1"}, {"deed", "set"}, {"ok", true}, {"revision", 4}});
    EXPECT_EQ(told["incident"], "inc-1-1") << kind;
    EXPECT_EQ(told["knob"], "pay.provider") << kind;
    EXPECT_NE(told["words"].get<std::string>().find("pay.provider"), std::string::npos) << kind;
  }
  EXPECT_FALSE(completed("revert", {{"change", "chg-9-9"}}).contains("incident"));
  EXPECT_EQ(completed("verdict", {{"change", "chg-1-1"}, {"incident", "inc-7-7"}})["incident"], "inc-7-7");
}

TEST(Words, DoingNothingSaysWhy) {
  const auto words = [](const char* decision) { return words_of("decision", {{"decision", decision}}); };
  EXPECT_EQ(words("nothing: no knob is declared"), "did nothing, because: no knob is declared");
  EXPECT_EQ(words("nothing yet: one sender alone"), "did nothing yet, because: one sender alone");
  EXPECT_EQ(words("waits: it is over"), "waits, because: it is over");
  EXPECT_EQ(words("pay.provider: primary -> backup"), "decided: pay.provider: primary -> backup");
}

TEST(Words, AVerdictShowsItsEvidence) {
  const Verdict verdict{.change = "chg-1-1",
                        .kind = VerdictKind::pass,
                        .evidence = Evidence::concurrent_control,
                        .treated = 0.02,
                        .control = 0.31,
                        .treated_n = 61,
                        .control_n = 238,
                        .log_e = 6.204};
  EXPECT_EQ(completed("verdict", to_json(verdict))["words"],
            "PASS by concurrent_control: 2 % of 61 with the change are bad, 31 % of 238 without it (log e-value 6.20)");
  EXPECT_EQ(words_of("receipt", {{"deed", "set"}, {"ok", false}, {"error", "no room"}}), "not set: no room");
  EXPECT_EQ(words_of("change", to_json(with_one_change().all()[0].change)),
            "asks for pay.provider: primary -> backup for 20 % of the units of pay, under a lease of 10 s (chg-1-1)");
}

TEST(Words, AnIncidentIsToldFromItsStart) {
  const json links =
      json::array({{{"kind", "spans"}, {"url", "/v1/spans"}}, {{"kind", "trace"}, {"url", "/v1/traces/a1"}}});
  const json is = {
      {"started", "2026-01-02T03:04:05Z"},
      {"started_ns", 1'000'000'000},
      {"detected_ns", 3'500'000'000},
      {"symptoms", json::array({{{"evidence", "front fails"}}})},
      {"causes", json::array({{{"entity", "service:pay"},
                               {"kind", "errors"},
                               {"probability", 0.9},
                               {"evidence", json::array({{{"says", "its own spans fail"}, {"links", links}}})}}})}};
  EXPECT_EQ(words_of("incident", {{"news", "opened"}, {"is", is}}),
            "detected 2.5 s after its start at 2026-01-02T03:04:05Z: front fails");
  EXPECT_EQ(words_of("incident", {{"news", "explained"}, {"is", is}}),
            "explained: service:pay (errors, 90 %), because its own spans fail (see /v1/traces/a1)");
  EXPECT_EQ(words_of("incident", {{"news", "merged"}, {"into", "inc-1-1"}}), "turned out to be part of inc-1-1");
}

TEST(Words, ARestartKeepsWhatIsKnownOfChanges) {
  Changes after;
  after.restore(with_one_change().snapshot());
  ASSERT_NE(after.find("chg-1-1"), nullptr);
  EXPECT_EQ(after.find("chg-1-1")->change.incident, "inc-1-1");
  EXPECT_EQ(after.find("chg-1-1")->at, 7);
  Changes many;
  std::vector<Action> actions;
  for (size_t i = 0; i < changes_kept_max + 1; ++i)
    actions.push_back(SetKnob{{.id = "chg-" + std::to_string(i), .knob = "k", .from = true, .to = false}});
  many.note(actions, 1);
  EXPECT_EQ(many.all().size(), changes_kept_max);  // the oldest is forgotten
  EXPECT_EQ(many.find("chg-0"), nullptr);
  EXPECT_EQ(many.snapshot().size(), changes_saved_max);
  after.restore(json::array({1, {{"change", "x"}}, nullptr}));
  EXPECT_TRUE(after.all().empty());
}

}  // namespace
}  // namespace hs::loop
