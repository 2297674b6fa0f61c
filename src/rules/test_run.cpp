// A unit test is evaluated: input up to each instant, all groups, what fires against what should.

#include "rules/test_file.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "promql/quote.h"
#include "rules/memory.h"

namespace hs::rules {
namespace {

using promql::format_duration;
using promql::Labels;
using promql::Sample;

// An alert, or a result, in a form that can be compared, sorted and shown.
struct Shown {
  Labels labels, annotations;
  bool operator==(const Shown&) const = default;
  auto operator<=>(const Shown&) const = default;
};

struct Result1 {
  Labels labels;
  double value = 0;
  std::string histogram;
};

std::string text_of(const Shown& one) {
  return fmt::format("Labels:{}\n                Annotations:{}", one.labels.text(), one.annotations.text());
}

std::string list_of(const std::vector<Shown>& all) {
  if (all.empty()) return "[]";
  std::string out = "[";
  for (size_t i = 0; i < all.size(); ++i)
    out += fmt::format("{}\n              {}:\n                {}", i > 0 ? "," : "", i, text_of(all[i]));
  return out + "\n            ]";
}

// What is only in one of two sorted lists.
std::string difference(const std::vector<Shown>& expected, const std::vector<Shown>& got) {
  std::string out;
  const auto only_in = [&](const std::vector<Shown>& a, const std::vector<Shown>& b, char sign) {
    std::vector<Shown> rest;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(rest));
    for (const Shown& one : rest)
      out += fmt::format("\n            {} {} {}", sign, one.labels.text(), one.annotations.text());
  };
  only_in(expected, got, '-');
  only_in(got, expected, '+');
  return out;
}

std::string text_of(const Result1& one) {
  const std::string value = one.histogram.empty() ? promql::format_exponent(one.value) : one.histogram;
  return one.labels.text() + " " + value;
}

std::string list_of(const std::vector<Result1>& all) {
  std::string out;
  for (const Result1& one : all) out += (out.empty() ? "" : ", ") + text_of(one);
  return out.empty() ? "nil" : out;
}

class Run {
 public:
  Run(const TestFile& file, const TestGroup& test, const promql::Features& features) : file_(file), test_(test) {
    options_.features = features;
    options_.subquery_step_ms = file.interval_ms;
  }

  std::vector<std::string> run(const std::vector<GroupSpec>& specs) {
    if (!load()) return errors_;
    std::vector<Group> groups = make_groups(specs);
    std::map<int64_t, std::vector<const AlertCase*>> cases;
    for (const AlertCase& one : test_.alerts) cases[one.eval_ms].push_back(&one);
    auto next = cases.begin();
    const int64_t last = last_eval();
    for (int64_t at = 0; at <= last; at += file_.interval_ms) {
      feed(test_.start_ms + at);
      if (!evaluate(groups, at)) return errors_;
      // Alerts of an instant between two evaluations are those of the one before.
      for (; next != cases.end() && next->first < at + file_.interval_ms; ++next)
        for (const AlertCase* one : next->second) check_alerts(*one, groups);
    }
    for (const ExprCase& one : test_.exprs) check_expr(one);
    return errors_;
  }

 private:
  struct Input {
    Labels labels;
    std::vector<NotedValue> values;
    size_t next = 0;
  };

  void error(std::string what) {
    errors_.push_back((test_.name.empty() ? "" : fmt::format("    name: {},\n", test_.name)) + std::move(what));
  }

  bool load() {
    for (const auto& [series, values] : test_.series) {
      const auto labels = parse_metric(series);
      const auto parsed = parse_values(values);
      if (!labels) error(fmt::format("    input_series {}: {}", promql::quote(series), labels.error().message));
      if (!parsed) error(fmt::format("    input_series {}: {}", promql::quote(series), parsed.error().message));
      if (labels && parsed) input_.push_back({*labels, *parsed});
    }
    return errors_.empty();
  }

  std::vector<Group> make_groups(const std::vector<GroupSpec>& specs) const {
    Group::Options options;
    options.external_labels = Labels::from(test_.external_labels);
    options.external_url = test_.external_url;
    options.default_interval_ms = test_.interval_ms;
    // As promtool: groups that group_eval_order does not name have the rank of its first.
    std::multimap<std::ptrdiff_t, const GroupSpec*> ranked;
    for (const GroupSpec& spec : specs) {
      const auto at = std::find(file_.group_order.begin(), file_.group_order.end(), spec.name);
      ranked.emplace(at == file_.group_order.end() ? 0 : at - file_.group_order.begin(), &spec);
    }
    std::vector<Group> out;
    for (const auto& [rank, spec] : ranked) out.emplace_back(*spec, options);
    return out;
  }

  int64_t last_eval() const {
    int64_t last = 0;
    for (const AlertCase& one : test_.alerts) last = std::max(last, one.eval_ms);
    for (const ExprCase& one : test_.exprs) last = std::max(last, one.eval_ms);
    return last;
  }

  void feed(int64_t until_ms) {
    for (Input& one : input_)
      for (; one.next < one.values.size(); ++one.next) {
        const int64_t t = test_.start_ms + static_cast<int64_t>(one.next) * test_.interval_ms;
        if (t > until_ms) break;
        const NotedValue& value = one.values[one.next];
        if (!value.missing) series_.add({one.labels, t, value.f, value.h});
      }
  }

  bool evaluate(std::vector<Group>& groups, int64_t at) {
    const int64_t t = test_.start_ms + at;
    bool good = true;
    for (Group& group : groups) {
      const Group::Outside outside{
          .query = [&](const std::string& expr, int64_t when) { return query_vector(series_, expr, when, options_); },
          .write =
              [&](const std::vector<Sample>& samples) {
                for (const Sample& sample : samples) series_.add(sample);
              },
          .clock = clock_};
      for (const auto& [rule, what] : group.evaluate(t, outside).errors) {
        error(fmt::format("    rule: {}, time: {}, err: {}", rule, format_duration(at), what));
        good = false;
      }
    }
    return good;
  }

  void check_alerts(const AlertCase& expected, const std::vector<Group>& groups) {
    std::vector<Shown> want, got;
    for (const AlertCase::Expected& one : expected.expected) {
      Shown& shown = want.emplace_back(Shown{Labels::from(one.labels), Labels::from(one.annotations)});
      shown.labels.set("alertname", expected.alert);
    }
    for (const Group& group : groups) {
      const GroupViewPtr view = group.view();
      for (size_t i = 0; i < view->rules.size(); ++i) {
        if (!view->spec->rules[i].alerting || view->spec->rules[i].name != expected.alert) continue;
        for (const Alert& alert : view->rules[i].alerts)
          if (alert.state == AlertState::firing) got.push_back({alert.labels, Labels::from(alert.annotations)});
      }
    }
    std::sort(want.begin(), want.end());
    std::sort(got.begin(), got.end());
    if (want == got) return;
    error(fmt::format(
        "    alertname: {}, time: {},\n        exp:{},\n        got:{}\n        diff (- expected, + got):{}",
        expected.alert, format_duration(expected.eval_ms), list_of(want), list_of(got), difference(want, got)));
  }

  void check_expr(const ExprCase& expected) {
    const std::string where =
        fmt::format("    expr: {}, time: {},", promql::quote(expected.expr), format_duration(expected.eval_ms));
    auto vector = query_vector(series_, expected.expr, test_.start_ms + expected.eval_ms, options_);
    if (!vector) return error(fmt::format("{} err: {}", where, vector.error().message));
    std::vector<Result1> want, got;
    for (const Sample& sample : *vector) got.push_back({sample.labels, sample.f, to_notation(sample.h)});
    for (const ExprCase::Expected& one : expected.expected) {
      auto result = wanted(one);
      if (!result)
        return error(fmt::format("{} err: labels {}: {}", where, promql::quote(one.labels), result.error().message));
      want.push_back(std::move(*result));
    }
    const auto by_labels = [](const Result1& a, const Result1& b) { return a.labels < b.labels; };
    std::sort(want.begin(), want.end(), by_labels);
    std::sort(got.begin(), got.end(), by_labels);
    const bool same = std::equal(want.begin(), want.end(), got.begin(), got.end(),
                                 [&](const Result1& a, const Result1& b) { return equal(a, b); });
    if (!same) error(fmt::format("{}\n        exp: {}\n        got: {}", where, list_of(want), list_of(got)));
  }

  static Result<Result1> wanted(const ExprCase::Expected& one) {
    HS_ASSIGN(Labels labels, parse_metric(one.labels));
    if (one.histogram.empty()) return Result1{std::move(labels), one.value, ""};
    HS_ASSIGN(const auto values, parse_values(one.histogram));
    if (values.size() != 1 || !values[0].h)
      return fail(Code::invalid_argument, fmt::format("{} is not one histogram", promql::quote(one.histogram)));
    return Result1{std::move(labels), 0, to_notation(values[0].h)};
  }

  bool equal(const Result1& a, const Result1& b) const {
    if (a.labels != b.labels || a.histogram != b.histogram) return false;
    if (!a.histogram.empty() || a.value == b.value) return true;
    if (std::isnan(a.value) && std::isnan(b.value)) return true;
    return file_.fuzzy &&
           (std::nextafter(a.value, -INFINITY) == b.value || std::nextafter(a.value, INFINITY) == b.value);
  }

  const TestFile& file_;
  const TestGroup& test_;
  promql::Options options_;
  std::vector<Input> input_;
  Memory series_;
  io::SimClock clock_{0};
  std::vector<std::string> errors_;
};

}  // namespace

std::vector<std::string> run_test(const TestFile& file, const TestGroup& test, const std::vector<GroupSpec>& groups,
                                  const promql::Features& features) {
  return Run(file, test, features).run(groups);
}

}  // namespace hs::rules
