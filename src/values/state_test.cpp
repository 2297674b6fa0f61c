#include "values/state.h"

#include <gtest/gtest.h>

namespace hs::values {
namespace {

KnobState knob(config::KnobScope scope, double exposure) {
  KnobState k{"a/b knob", config::KnobType::real, scope, {"s", "t"}, 1.0, 3, {}, {}};
  k.candidate = Candidate{2.5, 9, "chg", exposure, 0xfeedULL << 48, "", "", 1'000, "boot", 5};
  return k;
}

TEST(State, ReadsBackWhatItWrote) {
  State state{12, {knob(config::KnobScope::instance, 0.25)}};
  state.knobs[0].candidate->instance = "s-\"1";
  state.knobs[0].promoted = Promoted{3.0, 7, "chg-0", 4};
  state.knobs.push_back(
      {"text", config::KnobType::string, config::KnobScope::service, {}, std::string("x\n\"y"), 1, {}, {}});
  state.knobs.push_back({"on", config::KnobType::boolean, config::KnobScope::request, {}, true, 2, {}, {}});
  state.knobs.push_back({"n", config::KnobType::integer, config::KnobScope::request, {}, INT64_MIN, 2, {}, {}});
  const std::string text = encode(state);
  const auto back = decode(text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(encode(*back), text);
  EXPECT_EQ(back->knobs[0].candidate->salt, 0xfeedULL << 48);
  EXPECT_EQ(back->find("n")->base, config::Value(int64_t{INT64_MIN}));
  EXPECT_NE(text.find("1.0"), std::string::npos);
}

TEST(State, RefusesAsAWhole) {
  const std::string good = encode(State{12, {knob(config::KnobScope::request, 0.25)}});
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return decode(text.replace(at, from.size(), to));
  };
  EXPECT_TRUE(with("0.25", "0.5"));
  EXPECT_FALSE(with("0.25", "0"));
  EXPECT_FALSE(with("0.25", "1.5"));
  EXPECT_FALSE(with("homeostat-values/1", "homeostat-values/2"));
  EXPECT_FALSE(with("\"real\"", "\"complex\""));
  EXPECT_FALSE(with("2.5", "\"2.5\""));
  EXPECT_FALSE(with("feed000000000000", "feed00000000000x"));
  EXPECT_FALSE(with("\"boot_id\"", "\"boat_id\""));
  EXPECT_FALSE(decode(""));
  EXPECT_FALSE(decode("[]"));
  EXPECT_FALSE(decode(good.substr(0, good.size() / 2)));
}

TEST(Evaluate, UnitFollowsTheScope) {
  const Context both{"user", "instance", ""};
  EXPECT_EQ(unit_of(config::KnobScope::request, both), "user");
  EXPECT_EQ(unit_of(config::KnobScope::request, {"", "instance", ""}), "instance");
  EXPECT_EQ(unit_of(config::KnobScope::instance, both), "instance");
  EXPECT_EQ(unit_of(config::KnobScope::instance, {"i-1", "", ""}), "i-1");
  EXPECT_EQ(unit_of(config::KnobScope::service, both), "");
}

TEST(Evaluate, ANamedInstanceIsTheOnlyOne) {
  KnobState k = knob(config::KnobScope::instance, 0.5);
  k.candidate->instance = "s-2";
  const auto variant = [&](const Context& who) { return evaluate(k, who, 0, "boot").variant; };
  EXPECT_EQ(variant({"", "s-2", "s"}), Variant::candidate);
  EXPECT_EQ(variant({"s-2", "", ""}), Variant::candidate);  // its targeting key names it
  EXPECT_EQ(variant({"s-2", "s-1", "s"}), Variant::base);   // the instance comes first
  EXPECT_EQ(variant({"", "", "s"}), Variant::base);         // who cannot be told from others
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(variant({"", "t-" + std::to_string(i), "s"}), Variant::base);  // no draw besides
  EXPECT_EQ(evaluate(k, {"", "s-1", "s"}, 0, "boot").revision, 9);           // a control of that change
  k.candidate->exposure = 1, k.candidate->instance = "";
  EXPECT_EQ(variant({"", "", "s"}), Variant::candidate);
}

TEST(Evaluate, WithoutAUnitThereIsNoDraw) {
  const KnobState some = knob(config::KnobScope::request, 0.999);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(evaluate(some, {}, 0, "boot").variant, Variant::base);
  EXPECT_EQ(evaluate(some, {}, 0, "boot").revision, 9);  // a control of that change all the same
  EXPECT_EQ(evaluate(knob(config::KnobScope::request, 1), {}, 0, "boot").variant, Variant::candidate);
}

TEST(Evaluate, TheShareIsTheExposure) {
  const KnobState k = knob(config::KnobScope::request, 0.2);
  int treated = 0;
  for (int i = 0; i < 20'000; ++i)
    treated += evaluate(k, {"user-" + std::to_string(i), "", ""}, 0, "boot").variant == Variant::candidate ? 1 : 0;
  EXPECT_NEAR(treated, 4'000, 5 * 57);  // five standard deviations of the binomial
}

TEST(Evaluate, OnlyItsServiceIsInTheExperiment) {
  KnobState k = knob(config::KnobScope::request, 1);
  k.candidate->service = "s";
  EXPECT_EQ(evaluate(k, {"u", "", "s"}, 0, "boot").variant, Variant::candidate);
  const Answer other = evaluate(k, {"u", "", "t"}, 0, "boot");
  EXPECT_EQ(other.variant, Variant::base);
  EXPECT_EQ(other.revision, 3);
  EXPECT_EQ(evaluate(k, {"u", "", ""}, 0, "boot").variant, Variant::base);  // s or t: not known
  k.services = {"s"};
  EXPECT_EQ(evaluate(k, {"u", "", ""}, 0, "boot").variant, Variant::candidate);
}

TEST(Evaluate, ReasonsAreOfTheProtocol) {
  EXPECT_EQ(name_of(evaluate(knob(config::KnobScope::request, 0.5), {"u", "", ""}, 0, "boot").reason), "SPLIT");
  EXPECT_EQ(name_of(evaluate(knob(config::KnobScope::request, 1), {"u", "", ""}, 0, "boot").reason), "TARGETING_MATCH");
  EXPECT_EQ(name_of(evaluate(knob(config::KnobScope::request, 1), {"u", "", ""}, 1'000, "boot").reason), "STATIC");
}

}  // namespace
}  // namespace hs::values
