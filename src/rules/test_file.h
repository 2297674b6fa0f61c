#pragma once
// Unit tests of rules in promtool's format.
// https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/

#include <functional>
#include <string>
#include <vector>

#include "rules/group.h"
#include "rules/notation.h"

namespace hs::rules {

struct AlertCase {
  int64_t eval_ms = 0;
  std::string alert;
  struct Expected {
    std::vector<promql::Label> labels, annotations;
  };
  std::vector<Expected> expected;
};

struct ExprCase {
  std::string expr;
  int64_t eval_ms = 0;
  struct Expected {
    std::string labels, histogram;
    double value = 0;
  };
  std::vector<Expected> expected;
};

struct TestGroup {
  std::string name, external_url;
  int64_t interval_ms = 0;                                  // of the input series
  int64_t start_ms = 0;                                     // when the test begins
  std::vector<std::pair<std::string, std::string>> series;  // series, values
  std::vector<AlertCase> alerts;
  std::vector<ExprCase> exprs;
  std::vector<promql::Label> external_labels;
};

struct TestFile {
  std::vector<std::string> rule_files;  // as written: relative to the test file, patterns
  int64_t interval_ms = 60'000;         // evaluation
  std::vector<std::string> group_order;
  bool fuzzy = false;  // floats may differ in their last bit
  std::vector<TestGroup> tests;
  std::vector<std::string> problems;
};

TestFile parse_tests(const std::string& yaml, const std::string& name);

// What went wrong in one test, ready to be shown; nothing: it passes. `groups` of all the rule files, in their order.
// Pure.
std::vector<std::string> run_test(const TestFile& file, const TestGroup& test, const std::vector<GroupSpec>& groups,
                                  const promql::Features& features);

}  // namespace hs::rules
