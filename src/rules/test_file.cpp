// The file of a unit test.

#include <algorithm>

#include <fmt/format.h>

#include "base/time.h"
#include "promql/unquote.h"
#include "rules/test_file.h"
#include "rules/yaml.h"

namespace hs::rules {
namespace {

class TestReader {
 public:
  TestReader(const std::string& name, TestFile& out) : out_(out), yaml_(name, false, out.problems) {}

  void read(const std::string& text) {
    YAML::Node root;
    if (!yaml_.load(text, root)) return;
    yaml_.fields(
        root, "a test file",
        {{"rule_files",
          [&](const YAML::Node& v) {
            yaml_.each(v, "rule_files",
                       [&](const YAML::Node& one) { out_.rule_files.push_back(yaml_.text(one, "rule_files")); });
          }},
         {"evaluation_interval",
          [&](const YAML::Node& v) { out_.interval_ms = yaml_.duration_ms(v, "evaluation_interval"); }},
         {"group_eval_order", [&](const YAML::Node& v) { order(v); }},
         {"fuzzy_compare", [&](const YAML::Node& v) { out_.fuzzy = yaml_.flag(v, "fuzzy_compare"); }},
         {"tests", [&](const YAML::Node& v) { yaml_.each(v, "tests", [&](const YAML::Node& one) { test(one); }); }}});
    if (out_.interval_ms == 0) out_.interval_ms = 60'000;
    for (TestGroup& one : out_.tests)
      if (one.interval_ms == 0) one.interval_ms = out_.interval_ms;
  }

 private:
  void order(const YAML::Node& list) {
    yaml_.each(list, "group_eval_order", [&](const YAML::Node& one) {
      const std::string name = yaml_.text(one, "group_eval_order");
      if (std::find(out_.group_order.begin(), out_.group_order.end(), name) != out_.group_order.end())
        yaml_.problem(one, fmt::format("group name repeated in evaluation order: {}", name));
      out_.group_order.push_back(name);
    });
  }

  void test(const YAML::Node& node) {
    TestGroup& t = out_.tests.emplace_back();
    yaml_.fields(
        node, "a test",
        {{"name", [&](const YAML::Node& v) { t.name = yaml_.text(v, "name"); }},
         {"interval", [&](const YAML::Node& v) { t.interval_ms = yaml_.duration_ms(v, "interval"); }},
         {"start_timestamp", [&](const YAML::Node& v) { t.start_ms = start(v); }},
         {"external_labels", [&](const YAML::Node& v) { t.external_labels = yaml_.texts(v, "external_labels"); }},
         {"external_url", [&](const YAML::Node& v) { t.external_url = yaml_.text(v, "external_url"); }},
         {"input_series",
          [&](const YAML::Node& v) { yaml_.each(v, "input_series", [&](const YAML::Node& one) { input(one, t); }); }},
         {"alert_rule_test",
          [&](const YAML::Node& v) {
            yaml_.each(v, "alert_rule_test", [&](const YAML::Node& one) { alert_case(one, t); });
          }},
         {"promql_expr_test", [&](const YAML::Node& v) {
            yaml_.each(v, "promql_expr_test", [&](const YAML::Node& one) { expr_case(one, t); });
          }}});
  }

  // Seconds since 1970, or RFC 3339.
  int64_t start(const YAML::Node& node) {
    const std::string text = yaml_.text(node, "start_timestamp");
    if (const auto seconds = promql::parse_go_number(text)) return static_cast<int64_t>(*seconds * 1000);
    if (const auto at = parse_time(text)) return *at / nanos_per_ms;
    yaml_.problem(node, fmt::format("'start_timestamp: {}' is no time; write seconds since 1970 or RFC 3339", text));
    return 0;
  }

  void input(const YAML::Node& node, TestGroup& t) {
    auto& one = t.series.emplace_back();
    yaml_.fields(node, "an input series",
                 {{"series", [&](const YAML::Node& v) { one.first = yaml_.text(v, "series"); }},
                  {"values", [&](const YAML::Node& v) { one.second = yaml_.text(v, "values"); }}});
  }

  void alert_case(const YAML::Node& node, TestGroup& t) {
    AlertCase& c = t.alerts.emplace_back();
    const auto expected = [&](const YAML::Node& one) {
      AlertCase::Expected& e = c.expected.emplace_back();
      yaml_.fields(
          one, "an expected alert",
          {{"exp_labels", [&](const YAML::Node& v) { e.labels = yaml_.texts(v, "exp_labels"); }},
           {"exp_annotations", [&](const YAML::Node& v) { e.annotations = yaml_.texts(v, "exp_annotations"); }}});
    };
    yaml_.fields(node, "an alert_rule_test",
                 {{"eval_time", [&](const YAML::Node& v) { c.eval_ms = yaml_.duration_ms(v, "eval_time"); }},
                  {"alertname", [&](const YAML::Node& v) { c.alert = yaml_.text(v, "alertname"); }},
                  {"exp_alerts", [&](const YAML::Node& v) { yaml_.each(v, "exp_alerts", expected); }}});
    if (c.alert.empty())
      yaml_.problem(node,
                    fmt::format("an item under alert_rule_test misses required attribute alertname at eval_time {}",
                                format_duration_ms(c.eval_ms)));
  }

  void expr_case(const YAML::Node& node, TestGroup& t) {
    ExprCase& c = t.exprs.emplace_back();
    const auto expected = [&](const YAML::Node& one) {
      ExprCase::Expected& e = c.expected.emplace_back();
      yaml_.fields(one, "an expected sample",
                   {{"labels", [&](const YAML::Node& v) { e.labels = yaml_.text(v, "labels"); }},
                    {"value", [&](const YAML::Node& v) { e.value = yaml_.number(v, "value"); }},
                    {"histogram", [&](const YAML::Node& v) { e.histogram = yaml_.text(v, "histogram"); }}});
    };
    yaml_.fields(node, "a promql_expr_test",
                 {{"expr", [&](const YAML::Node& v) { c.expr = yaml_.text(v, "expr"); }},
                  {"eval_time", [&](const YAML::Node& v) { c.eval_ms = yaml_.duration_ms(v, "eval_time"); }},
                  {"exp_samples", [&](const YAML::Node& v) { yaml_.each(v, "exp_samples", expected); }}});
  }

  TestFile& out_;
  YamlReader yaml_;
};

}  // namespace

TestFile parse_tests(const std::string& yaml, const std::string& name) {
  TestFile out;
  TestReader(name, out).read(yaml);
  return out;
}

}  // namespace hs::rules
