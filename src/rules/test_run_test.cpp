#include "rules/test_file.h"

#include <gtest/gtest.h>

namespace hs::rules {
namespace {

constexpr const char* rules = R"(groups:
- name: alerts
  rules:
  - alert: InstanceDown
    expr: up == 0
    for: 5m
    labels: {severity: page}
    annotations: {summary: "Instance {{ $labels.instance }} down"}
- name: recorded
  rules:
  - {record: job:up:sum, expr: sum by (job) (up)}
)";

std::vector<std::string> run(const std::string& yaml) {
  const TestFile file = parse_tests(yaml, "t.yml");
  if (!file.problems.empty()) return file.problems;
  const RuleFile parsed = parse_rules(rules, "r.yml", {});
  std::vector<std::string> out;
  for (const TestGroup& test : file.tests)
    for (std::string& one : run_test(file, test, parsed.groups, {})) out.push_back(std::move(one));
  return out;
}

constexpr const char* head = R"(rule_files: [r.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - series: 'up{job="prometheus", instance="localhost:9090"}'
    values: '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0'
  - {series: 'up{job="node", instance="x"}', values: '1+0x6 stale'}
  - {series: 'h', values: '{{schema:0 sum:3 count:4 buckets:[1 2 1]}}x10'}
)";

TEST(UnitTest, PassesAndFailsAsItShould) {
  const std::string alert = R"(  alert_rule_test:
  - eval_time: 10m
    alertname: InstanceDown
    exp_alerts:
    - exp_labels: {severity: page, instance: "localhost:9090", job: prometheus}
      exp_annotations: {summary: "Instance localhost:9090 down"}
  - {eval_time: 4m, alertname: InstanceDown}
)";
  EXPECT_EQ(run(head + alert), std::vector<std::string>{});
  std::string wrong = alert;
  wrong.replace(wrong.find("page"), 4, "none");
  const auto problems = run(head + wrong);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].find("alertname: InstanceDown, time: 10m"), std::string::npos) << problems[0];
  EXPECT_NE(problems[0].find("- {alertname=\"InstanceDown\", instance=\"localhost:9090\""), std::string::npos);
}

TEST(UnitTest, Expressions) {
  EXPECT_EQ(run(std::string(head) + R"(  promql_expr_test:
  - expr: job:up:sum
    eval_time: 5m
    exp_samples:
    - {labels: 'job:up:sum{job="node"}', value: 1}
    - {labels: 'job:up:sum{job="prometheus"}', value: 0}
  - expr: job:up:sum
    eval_time: 7m
    exp_samples: [{labels: 'job:up:sum{job="prometheus"}', value: 0}]
  - expr: h
    eval_time: 1m
    exp_samples:
    - {labels: h, histogram: '{{sum:3 count:4 counter_reset_hint:not_reset buckets:[1 2 1]}}'}
  - {expr: '1 + 1', eval_time: 1m, exp_samples: [{value: 2}]}
)"),
            std::vector<std::string>{});
  const auto problems =
      run(std::string(head) +
          "  promql_expr_test: [{expr: 'sum(up', eval_time: 1m}, {expr: up{job=\"node\"}, eval_time: 1m}]\n");
  ASSERT_EQ(problems.size(), 1U) << problems[0];
}

TEST(UnitTest, WhatIsWrongWithAFileIsSaid) {
  EXPECT_EQ(parse_tests("tests:\n- interva: 1m\n", "t.yml").problems,
            std::vector<std::string>{"t.yml:2: unknown field 'interva'; did you mean 'interval'?"});
  const auto problems = run("tests:\n- input_series: [{series: a, values: '1 2 zz'}]\n");
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].find("input_series \"a\""), std::string::npos) << problems[0];
}

std::string shown(const std::string& values) {
  const auto parsed = parse_values(values);
  if (!parsed) return parsed.error().message;
  std::string out;
  for (const NotedValue& v : *parsed) {
    out += out.empty() ? "" : " ";
    if (v.missing)
      out += "_";
    else if (v.h)
      out += to_notation(v.h);
    else
      out += promql::is_stale(v.f) ? "stale" : std::to_string(static_cast<int>(v.f));
  }
  return out;
}

TEST(Notation, Sequences) {
  EXPECT_EQ(shown("1 2 -3"), "1 2 -3");
  EXPECT_EQ(shown("1+2x3"), "1 3 5 7");
  EXPECT_EQ(shown("5-2x2 7x1"), "5 3 1 7 7");
  EXPECT_EQ(shown("_ _x2 stale 1e2 0x2"), "_ _ _ stale 100 0 0 0");
  EXPECT_EQ(shown("{{count:1 sum:2 buckets:[1] offset:3}}+{{count:1 sum:1 buckets:[1] offset:3}}x1"),
            "{{count:1 sum:2 offset:3 buckets:[1]}} {{count:2 sum:3 offset:3 buckets:[2]}}");
  EXPECT_NE(shown("1+2"), "1 3");
  EXPECT_NE(shown("{{what:1}}").find("what"), std::string::npos);
}

}  // namespace
}  // namespace hs::rules
