#include "rules/spec.h"

#include <gtest/gtest.h>

namespace hs::rules {
namespace {

RuleFile parse(const std::string& yaml) { return parse_rules(yaml, "r.yml", {}); }

TEST(RuleFile, EverythingThatPrometheusKnows) {
  const RuleFile file = parse(R"(groups:
- name: a
  interval: 1m30s
  query_offset: 0s
  limit: 10
  labels: {team: x, severity: low}
  rules:
  - record: job:up:sum
    expr: sum by(job)(up)
    labels: {severity: none}
  - alert: Down
    expr: up == 0
    for: 5m
    keep_firing_for: 10m
    labels: {severity: page}
    annotations:
      summary: '{{ $labels.job }} is down'
)");
  EXPECT_EQ(file.problems, std::vector<std::string>{});
  ASSERT_EQ(file.groups.size(), 1U);
  const GroupSpec& group = file.groups[0];
  EXPECT_EQ(group.interval_ms, 90'000);
  EXPECT_EQ(group.query_offset_ms, 0);
  EXPECT_EQ(group.limit, 10U);
  ASSERT_EQ(group.rules.size(), 2U);
  EXPECT_EQ(group.rules[0].expr, "sum by (job) (up)");
  EXPECT_EQ(group.rules[0].labels, (std::vector<promql::Label>{{"severity", "none"}, {"team", "x"}}));
  EXPECT_EQ(group.rules[1].for_ms, 300'000);
  EXPECT_EQ(group.rules[1].keep_firing_for_ms, 600'000);
  EXPECT_EQ(group.rules[1].labels[0].value, "page");  // the rule's own wins
}

struct Wrong {
  const char* yaml;
  const char* message;
};
class Refused : public testing::TestWithParam<Wrong> {};
TEST_P(Refused, SaysWhereAndWhat) {
  const RuleFile file = parse(GetParam().yaml);
  ASSERT_EQ(file.problems.size(), 1U) << GetParam().yaml;
  EXPECT_EQ(file.problems[0], GetParam().message);
}

constexpr Wrong wrong[] = {
    {"groups:\n- name: a\n  rules:\n  - record: x\n    expr: sum(\n",
     "r.yml:5: group \"a\", rule 1, \"x\": could not parse expression: 1:5: parse error: unclosed left parenthesis"},
    {"groups:\n- name: a\n  rules:\n  - record: x\n    alert: y\n    expr: up\n",
     "r.yml:4: group \"a\", rule 1, \"y\": only one of 'record' and 'alert' must be set: make two rules of it"},
    {"groups:\n- name: a\n  rules:\n  - expr: up\n",
     "r.yml:4: group \"a\", rule 1, \"\": one of 'record' or 'alert' must be set"},
    {"groups:\n- name: a\n  rules:\n  - record: x\n    exp: up\n    expr: up\n",
     "r.yml:5: group \"a\", rule 1: unknown field 'exp'; did you mean 'expr'?"},
    {"groups:\n- name: a\n  rules:\n  - record: x\n    expr: up\n    for: 5m\n",
     "r.yml:4: group \"a\", rule 1, \"x\": invalid field 'for' in recording rule: only alerts have it"},
    {"groups:\n- name: a\n  interval: 5 minutes\n",
     "r.yml:3: group \"a\": 'interval: 5 minutes' is no duration; write 30s, 5m or 1h30m"},
    {"groups:\n- name: a\n- name: a\n",
     "r.yml:3: group \"a\": the name is repeated in the same file: give each group its own"},
    {"groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up\n    annotations: {s: '{{ $nosuch }}'}\n",
     "r.yml:4: group \"a\", rule 1, \"x\": annotation \"s\": 1:11: undefined variable \"$nosuch\""},
    {"groups:\n- name: a\n  rules:\n  - record: x{job=\"a\"}\n    expr: up\n",
     "r.yml:4: group \"a\", rule 1, \"x{job=\\\"a\\\"}\": braces present in the recording rule name; should it be in "
     "expr?: x{job=\"a\"}"},
    {"groups:\n- name: a\n  rules:\n  - record: x\n    expr: up\n    labels: {__name__: y}\n",
     "r.yml:4: group \"a\", rule 1, \"x\": invalid label name: __name__"},
    {"group:\n", "r.yml:1: unknown field 'group'; did you mean 'groups'?"},
    {"groups: [", "r.yml:1:1: end of sequence flow not found"},
};
INSTANTIATE_TEST_SUITE_P(Files, Refused, testing::ValuesIn(wrong));

TEST(RuleFile, AnEmptyFileIsGoodAndAllProblemsAreTold) {
  EXPECT_TRUE(parse("").problems.empty());
  EXPECT_EQ(parse("groups:\n- name: a\n  rules:\n  - record: x\n  - alert: y\n").problems.size(), 2U);
}

}  // namespace
}  // namespace hs::rules
