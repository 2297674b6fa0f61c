#include "rules/template.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hs::rules {
namespace {

using promql::Labels;

TemplateData data() {
  TemplateData out;
  out.labels = Labels::from({{"instance", "web-1.example.org:9100"}, {"job", "api"}});
  out.external_labels = Labels::from({{"cluster", "eu"}});
  out.external_url = "http://localhost:4319/prometheus";
  out.value.f = 1234.5678;
  out.now_ms = 1'500'000'000'250;
  out.query = [](const std::string& expr) -> Result<promql::Vector> {
    if (expr != "up") return fail(Code::invalid_argument, "unknown metric");
    return promql::Vector{{Labels::from({{"__name__", "up"}, {"job", "b"}}), 0, 2, nullptr},
                          {Labels::from({{"__name__", "up"}, {"job", "a"}}), 0, 1, nullptr}};
  };
  return out;
}

std::string expand(const std::string& text, const TemplateData& with = data()) {
  const auto parsed = Template::parse(text);
  if (!parsed) return "PARSE " + parsed.error().message;
  const auto out = parsed->expand(with);
  return out ? *out : "ERROR " + out.error().message;
}

struct Case {
  const char* text;
  const char* expected;
};

class Expands : public testing::TestWithParam<Case> {};
TEST_P(Expands, AsGoDoes) { EXPECT_EQ(expand(GetParam().text), GetParam().expected) << GetParam().text; }

constexpr Case language[] = {
    {"plain", "plain"},
    {"{{ $labels.job }} {{.Labels.job}} {{ $labels.none }}|", "api api |"},
    {"{{ $value }}", "1234.5678"},
    {"{{ $externalLabels.cluster }}", "eu"},
    {"{{ $externalURL }} {{ externalURL }} {{ pathPrefix }}",
     "http://localhost:4319/prometheus http://localhost:4319/prometheus /prometheus"},
    {"a {{- /* a comment */ -}} b", "ab"},
    {"a\n  {{- $value | humanize -}}  \n b", "a1.235kb"},
    {"{{ if gt $value 1000.0 }}big{{ else if gt $value 10.0 }}middle{{ else }}small{{ end }}", "big"},
    {"{{ if eq $labels.job \"api\" \"web\" }}yes{{ end }}{{ if not (eq $labels.job `api`) }}no{{end}}", "yes"},
    {"{{ with $labels.none }}x{{ else }}nothing{{ end }}", "nothing"},
    {"{{ with query \"up\" }}{{ . | first | value }}{{ end }}", "2"},
    {"{{ range query \"up\" }}{{ .Labels.job }}={{ .Value }};{{ end }}", "b=2;a=1;"},
    {"{{ range $i, $s := query \"up\" | sortByLabel \"job\" }}{{ $i }}{{ label \"job\" $s }}{{ end }}", "0a1b"},
    {"{{ range query \"up\" }}{{ if eq .Value 2.0 }}{{ continue }}{{ end }}{{ .Labels.job }}{{ end }}", "a"},
    {"{{ range query \"up\" }}{{ .Labels.job }}{{ break }}{{ end }}", "b"},
    {"{{ $x := 1 }}{{ $x = 2 }}{{ $x }}", "2"},
    {"{{ range $k, $v := $labels }}{{ $k }}={{ $v }},{{ end }}", "instance=web-1.example.org:9100,job=api,"},
    {"{{ len (query \"up\") }} {{ index $labels \"job\" }}", "2 api"},
    {"{{ printf \"%.2f|%5d|%-5s|%q|%v|%t|%%\" $value 7 \"ab\" \"c\" 1.5 true }}",
     "1234.57|    7|ab   |\"c\"|1.5|true|%"},
    {"{{ printf \"%d\" $value }} {{ printf \"%s\" }} {{ printf \"a\" 1 }}",
     "%!d(float64=1234.5678) %!s(MISSING) a%!(EXTRA int=1)"},
    {"{{ and 1 0 }}{{ or 0 \"x\" }}", "0x"},
    {"{{ $labels }}", "map[instance:web-1.example.org:9100 job:api]"},
    {"{{ (query \"up\" | first).Labels.job }}", "b"},
    {"{{ args 1 \"b\" | len }}", "2"},
};
INSTANTIATE_TEST_SUITE_P(Language, Expands, testing::ValuesIn(language));

constexpr Case functions[] = {
    {"{{ humanize 0.0 }} {{ humanize 1234567.0 }} {{ humanize .12 }} {{ humanize \"21\" }} {{ humanize 999 }}",
     "0 1.235M 120m 21 999"},
    {"{{ humanize1024 1048576.0 }} {{ humanize1024 0.5 }}", "1Mi 0.5"},
    {"{{ humanizeDuration 0 }} {{ humanizeDuration 1 }} {{ humanizeDuration 60 }} {{ humanizeDuration 86400 }} "
     "{{ humanizeDuration 899.99 }} {{ humanizeDuration .001 }} {{ humanizeDuration -3661 }}",
     "0s 1s 1m 0s 1d 0h 0m 0s 14m 59s 1ms -1h 1m 1s"},
    {"{{ humanizePercentage 0.1234567 }}", "12.35%"},
    {"{{ humanizeTimestamp 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"},
    {"{{ toUpper \"aa\" }}{{ toLower \"BB\" }} {{ title \"aa bb\" }}", "AAbb Aa Bb"},
    {"{{ reReplaceAll \"(a)b\" \"x$1\" \"ab-ab\" }} {{ match \"a+\" \"baa\" }}", "xa-xa true"},
    {"{{ stripPort \"a.b:80\" }} {{ stripPort \"[::1]:80\" }} {{ stripDomain $labels.instance }} {{ stripDomain "
     "\"10.0.0.1:9\" }}",
     "a.b ::1 web-1:9100 10.0.0.1:9"},
    {"{{ parseDuration \"1h2m10ms\" }} {{ now }} {{ toDuration 3661.5 }}", "3720.01 1.50000000025e+09 1h1m1.5s"},
    {"{{ graphLink \"up == 0\" }}", "/graph?g0.expr=up%20%3D%3D%200&g0.tab=0"},
};
INSTANTIATE_TEST_SUITE_P(Functions, Expands, testing::ValuesIn(functions));

constexpr Case wrong[] = {
    {"{{ $labels.job", "PARSE 1:15: unclosed action: }} is missing"},
    {"{{ nosuch 1 }}", "PARSE 1:4: function \"nosuch\" not defined"},
    {"{{ $nosuch }}", "PARSE 1:11: undefined variable \"$nosuch\""},
    {"a\n{{ if 1 }}", "PARSE 2:11: unexpected end: {{end}} is missing"},
    {"{{ end }}", "PARSE 1:10: unexpected {{end}}"},
    {"{{ 11111111111111111111 }}", "PARSE 1:4: integer overflow: \"11111111111111111111\""},
    {"{{ 1234567890123456 }} {{ -12 }}", "1234567890123456 -12"},
    {"{{ if gt $value 10 }}{{ end }}",
     "ERROR error calling gt: incompatible types for comparison (float64 and int; write 1.0 to compare with a float)"},
    {"{{ query \"nope\" }}", "ERROR error calling query: unknown metric"},
    {"{{ query \"up\" | value }}",
     "ERROR error calling value: wrong type for value; expected *sample; got queryResult"},
    {"{{ .Nope }}", "ERROR can't evaluate field Nope in type alert data"},
    {"{{ template \"x\" }}", "PARSE 1:12: {{template}} is not supported in rules"},
};
INSTANTIATE_TEST_SUITE_P(Wrong, Expands, testing::ValuesIn(wrong));

TEST(Template, NumbersThatAreNone) {
  TemplateData with = data();
  with.value.f = NAN;
  EXPECT_EQ(expand("{{ $value }} {{ humanize $value }} {{ humanizeTimestamp $value }}", with), "NaN NaN NaN");
  with.value.f = -INFINITY;
  EXPECT_EQ(expand("{{ $value }} {{ humanizeDuration $value }}", with), "-Inf -Inf");
}

TEST(Template, WhatLabelsHoldIsNeverATemplate) {
  TemplateData with = data();
  with.labels.set("job", "{{ query \"up\" }}");
  EXPECT_EQ(expand("{{ $labels.job }}", with), "{{ query \"up\" }}");
}

TEST(Template, OutputAndDepthAreBounded) {
  TemplateData with = data();
  with.labels.set("job", std::string(10'000, 'x'));
  std::string text;
  for (int i = 0; i < 100; ++i) text += "{{ $labels.job }}";
  EXPECT_NE(expand(text, with).find("longer than"), std::string::npos);
  EXPECT_NE(expand(std::string(1000, '(').insert(0, "{{")).find("nests too deep"), std::string::npos);
}

}  // namespace
}  // namespace hs::rules
