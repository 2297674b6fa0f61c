#include "scrape/relabel.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace hs::scrape {
namespace {

using config::RelabelRule;
using enum config::RelabelAction;
using Map = std::map<std::string, std::string>;

// Nothing: dropped.
std::optional<Map> relabelled(const Map& labels, const std::vector<RelabelRule>& rules) {
  const auto relabeler = Relabeler::make(rules);
  EXPECT_TRUE(relabeler);
  model::Arena arena;
  Labels set;
  for (const auto& [name, value] : labels) set.push_back({name, value});
  if (!relabeler->apply(set, arena)) return std::nullopt;
  Map out;
  for (const model::Attribute& a : set) out.emplace(a.key, a.value);
  return out;
}

const Map abc = {{"a", "foo"}, {"b", "bar"}, {"c", "baz"}};

TEST(Relabel, ReplaceWithGroups) {
  const auto one = [](RelabelRule rule) { return relabelled(abc, {std::move(rule)}).value()["d"]; };
  EXPECT_EQ(one({.source_labels = {"a"}, .regex = "f(.*)", .target_label = "d", .replacement = "ch${1}-ch${1}"}),
            "choo-choo");
  EXPECT_EQ(one({.source_labels = {"a", "b"}, .regex = "(f.*);(.*)r", .target_label = "d", .replacement = "b$2$1"}),
            "bbafoo");
  EXPECT_EQ(one({.source_labels = {"a"}, .regex = "(?P<x>.*)", .target_label = "d", .replacement = "$x$$${y}"}),
            "foo$");
  EXPECT_EQ(one({.source_labels = {"a"}, .regex = "o", .target_label = "d"}), "");          // anchored
  EXPECT_EQ(one({.source_labels = {"a"}, .target_label = "d", .replacement = "$1x"}), "");  // the group "1x"
  EXPECT_EQ(one({.source_labels = {"a"}, .regex = "(f).*", .target_label = "${1}", .replacement = "x"}), "");
  EXPECT_EQ(one({.target_label = "d", .replacement = "fixed"}), "fixed");
}

TEST(Relabel, AnEmptyValueRemoves) {
  const auto out = relabelled(abc, {{.source_labels = {"none"}, .target_label = "a"}});
  EXPECT_FALSE(out->contains("a"));
}

TEST(Relabel, KeepAndDrop) {
  EXPECT_TRUE(relabelled(abc, {{.source_labels = {"a"}, .regex = "f.*", .action = keep}}));
  EXPECT_FALSE(relabelled(abc, {{.source_labels = {"a"}, .regex = "f", .action = keep}}));
  EXPECT_FALSE(relabelled(abc, {{.source_labels = {"a", "b"}, .regex = "foo;bar", .action = drop}}));
  EXPECT_TRUE(relabelled(abc, {{.source_labels = {"none"}, .regex = "x", .action = drop}}));
  EXPECT_FALSE(relabelled(abc, {{.source_labels = {"a"}, .target_label = "b", .action = keepequal}}));
  EXPECT_TRUE(relabelled(abc, {{.source_labels = {"a"}, .target_label = "b", .action = dropequal}}));
  EXPECT_FALSE(
      relabelled({{"a", "1"}, {"b", "1"}}, {{.source_labels = {"a"}, .target_label = "b", .action = dropequal}}));
}

// Values from Prometheus' own tests of hashmod.
TEST(Relabel, HashmodAsPrometheus) {
  const auto mod = [](const Map& labels, const std::string& source) {
    return relabelled(labels, {{.source_labels = {source}, .modulus = 1000, .target_label = "d", .action = hashmod}})
        .value()["d"];
  };
  EXPECT_EQ(mod(abc, "c"), "976");
  EXPECT_EQ(mod({{"a", "foo\nbar"}}, "a"), "734");
}

TEST(Relabel, NamesOfLabels) {
  const Map labels = {{"__meta_k8s_app", "x"}, {"__meta_k8s_tier", "y"}, {"job", "j"}};
  const auto mapped = relabelled(labels, {{.regex = "__meta_k8s_(.+)", .replacement = "$1", .action = labelmap}});
  EXPECT_EQ(mapped->at("app"), "x");
  EXPECT_EQ(mapped->at("tier"), "y");
  EXPECT_EQ(relabelled(labels, {{.regex = "__.*", .action = labeldrop}}), (Map{{"job", "j"}}));
  EXPECT_EQ(relabelled(labels, {{.regex = "j.*", .action = labelkeep}}), (Map{{"job", "j"}}));
}

TEST(Relabel, Case) {
  EXPECT_EQ(relabelled({{"a", "aBc"}}, {{.source_labels = {"a"}, .target_label = "a", .action = uppercase}})->at("a"),
            "ABC");
  EXPECT_EQ(relabelled({{"a", "aBc"}}, {{.source_labels = {"a"}, .target_label = "a", .action = lowercase}})->at("a"),
            "abc");
}

TEST(Relabel, RulesInOrderAndBadOnesRefused) {
  EXPECT_EQ(relabelled(abc, {{.source_labels = {"a"}, .target_label = "d"},
                             {.source_labels = {"d"}, .regex = "foo", .target_label = "e", .replacement = "yes"}})
                ->at("e"),
            "yes");
  EXPECT_FALSE(Relabeler::make({{.regex = "("}}));
}

// A rule that doubles a label each time stays bounded.
TEST(Relabel, TextsAreBounded) {
  std::vector<RelabelRule> rules(40, {.source_labels = {"a"}, .target_label = "a", .replacement = "$1$1"});
  rules[0].replacement = "${1}${1}";
  for (auto& rule : rules) rule.replacement = "${1}${1}";
  EXPECT_LE(relabelled(abc, rules)->at("a").size(), 64U << 10);
}

}  // namespace
}  // namespace hs::scrape
