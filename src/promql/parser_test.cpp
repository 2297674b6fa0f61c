#include "promql/parser.h"

#include <gtest/gtest.h>

namespace hs::promql {
namespace {

Features all_features() {
  return {.experimental_functions = true,
          .duration_expressions = true,
          .extended_range_selectors = true,
          .fill_modifiers = true};
}

std::string error_of(std::string_view text, const Features& features = {}) {
  const auto expr = parse_expr(text, features, Limits{});
  return expr ? "" : expr.error().message;
}

std::string printed(std::string_view text) {
  const auto expr = parse_expr(text, all_features(), Limits{});
  return expr ? to_text(**expr) : expr.error().message;
}

struct Case {
  std::string_view text;
  std::string_view expected;
};

TEST(Parser, ErrorsHavePrometheusTextsAndPositions) {
  const Case cases[] = {
      {"", "unknown position: parse error: no expression found in input"},
      {"# only a comment", "1:1: parse error: no expression found in input"},
      {"foo bar", "1:5: parse error: unexpected identifier \"bar\""},
      {"1 +", "1:4: parse error: unexpected end of input"},
      {"(1", "1:3: parse error: unclosed left parenthesis"},
      {"foo)", "1:5: parse error: unexpected right parenthesis ')'"},
      {"foo[5m", "1:7: parse error: unclosed left bracket"},
      {"sum(foo bar)", "1:9: parse error: unexpected identifier \"bar\" in aggregation"},
      {"foo{a=\"b\" c=\"d\"}",
       "1:11: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\""},
      {"foo{a}", "1:6: parse error: unexpected \"}\" in label matching, expected label matching operator"},
      {"foo{a=1}", "1:7: parse error: unexpected character inside braces: '1'"},
      {"{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"foo{__name__=\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
      {"foo offset bar",
       "1:12: parse error: unexpected identifier \"bar\" in offset, expected number, duration, step(), or range()"},
      {"foo @ bar", "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp"},
      {"rate(foo)", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"},
      {"nothing(foo)", "1:1: parse error: unknown function with name \"nothing\""},
      {"rate(foo[5m],)", "1:13: parse error: trailing commas not allowed in function call args"},
      {"rate()", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0"},
      {"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
      {"foo + bool bar", "1:5: parse error: bool modifier can only be used on comparison operators"},
      {"foo and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
      {"sum by foo (bar)", "1:8: parse error: unexpected identifier \"foo\" in grouping opts, expected \"(\""},
      {"topk(foo)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"},
      {"foo[5m][5m]", "1:8: parse error: ranges only allowed for vector selectors"},
      {"foo offset 1m[5m]", "1:14: parse error: no offset modifiers allowed before range"},
      {"foo{a=~\"(\"}", "1:5: parse error: error parsing regexp: missing closing ): `(`"},
      {"mad_over_time(foo[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled"},
      {"foo[5m + 1m]", "1:5: parse error: experimental duration expression is not enabled"},
      {"a\n+\n!", "3:1: parse error: unexpected character after '!': '\xef\xbf\xbd'"},
      {"\"a\\z\"", "1:1: parse error: unknown escape sequence U+007A 'z'"},
      {"foo[0s]", "1:5: parse error: duration must be greater than 0"},
      {"foo[5x]", "1:5: parse error: bad number or duration syntax: \"5\""},
  };
  for (const Case& c : cases) EXPECT_EQ(error_of(c.text), c.expected) << c.text;
}

TEST(Parser, PrintsWhatParsesToTheSame) {
  const Case cases[] = {
      {"sum by(a,b)(rate(x{c=~'d.*'}[5m]))", "sum by (a, b) (rate(x{c=~\"d.*\"}[5m]))"},
      {"a*on(x)group_left(y)b", "a * on (x) group_left (y) b"},
      {"-2^2", "-2 ^ 2"},
      {"foo offset -5m @ 12.5", "foo @ 12.500 offset -5m"},
      {"foo[5m:1m] @ end() offset 1h", "foo[5m:1m] @ end() offset 1h"},
      {"{\"metric.name\",\"label.x\"=\"y\"}", "{\"label.x\"=\"y\",__name__=\"metric.name\"}"},
      {"x[step()*2] offset (5m+range())", "x[step() * 2] offset (5m + range())"},
      {"rate(x[5m] smoothed)", "rate(x[5m] smoothed)"},
      {"a + fill(0) b", "a + fill (0) b"},
      {"0755", "493"},
      {"sum without () (a)", "sum without () (a)"},
      {"a </ 3", "a </ 3"},
  };
  for (const Case& c : cases) {
    const std::string once = printed(c.text);
    EXPECT_EQ(once, c.expected) << c.text;
    EXPECT_EQ(printed(once), once) << c.text;
  }
}

TEST(Parser, LaysOutLongExpressions) {
  const std::string name(60, 'a');
  const auto text = format_query("sum by (x) (rate(" + name + "[5m])) / sum by (x) (rate(" + name + "[10m]))", {});
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "  sum by (x) (rate(" + name + "[5m]))\n/\n  sum by (x) (rate(" + name + "[10m]))");
}

TEST(Parser, TreeIsJson) {
  const auto json = parse_query("-foo{a=\"b\"} offset 5m", {});
  ASSERT_TRUE(json);
  EXPECT_EQ(
      *json,
      R"({"expr":{"anchored":false,"matchers":[{"name":"a","type":"=","value":"b"},)"
      R"({"name":"__name__","type":"=","value":"foo"}],"name":"foo","offset":300000,"offsetExpr":null,)"
      R"("smoothed":false,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"},"op":"-","type":"unaryExpr"})");
}

TEST(Parser, DepthAndLengthAreBounded) {
  EXPECT_NE(error_of(std::string(100'000, '(')), "");
  EXPECT_NE(error_of(std::string(100'000, '-') + "1"), "");
  std::string chain = "a";
  for (int i = 0; i < 5000; ++i) chain += "+a";
  EXPECT_NE(error_of(chain).find("nests deeper"), std::string::npos);
  EXPECT_NE(error_of(std::string(2 << 20, ' ')), "");
}

TEST(Parser, SelectorsOfMatch) {
  const auto matchers = parse_selector("up{job!=\"\"}");
  ASSERT_TRUE(matchers);
  ASSERT_EQ(matchers->size(), 2u);
  EXPECT_EQ(parse_selector("up + up").error().message, "1:4: parse error: unexpected <op:+>");
}

}  // namespace
}  // namespace hs::promql
