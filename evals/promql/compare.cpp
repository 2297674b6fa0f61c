#include "compare.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <cmath>
#include <map>

#include "promql/buckets.h"
#include "promql/histogram_math.h"
#include "promql/json.h"

namespace hs::promql {
namespace {

using json::Json;

// The tolerance of Prometheus' own test cases.
bool almost(double a, double b) {
  constexpr double epsilon = 1e-6;
  constexpr double tiny = std::numeric_limits<double>::min();
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  const double total = std::abs(a) + std::abs(b);
  const double diff = std::abs(a - b);
  if (a == 0 || b == 0 || total < tiny) return diff < epsilon * tiny;
  return diff / std::min(total, std::numeric_limits<double>::max()) < epsilon;
}

double number(const Json& j) {
  return j.is_number() ? j.get<double>() : std::strtod(j.get<std::string>().c_str(), nullptr);
}

bool same_histogram_json(const Json& want, const Histogram& got) {
  if (!almost(number(want["count"]), got.count) || !almost(number(want["sum"]), got.sum)) return false;
  std::string text;
  write_json_histogram(text, got);
  const Json have = Json::parse(text);
  const Json wanted = want.value("buckets", Json::array());
  const Json buckets = have.value("buckets", Json::array());
  if ((wanted.is_null() ? 0 : wanted.size()) != buckets.size()) return false;
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (wanted[i][0] != buckets[i][0]) return false;
    for (size_t k = 1; k < 4; ++k) {
      if (!almost(number(wanted[i][k]), number(buckets[i][k]))) return false;
    }
  }
  return true;
}

bool same_point(const Json& want, double f, const HistogramPtr& h) {
  if (want.contains("h")) return h && same_histogram_json(want["h"], *h);
  return !h && almost(number(want["v"]), f);
}

std::string point_text(double f, const HistogramPtr& h) { return h ? to_text(*h) : format_float(f); }

struct Point {
  int64_t t_ms = 0;
  double f = 0;
  HistogramPtr h;
};

struct Answer {
  Labels labels;
  std::vector<Point> points;
};

std::vector<Answer> answers_of(const Value& value) {
  std::vector<Answer> out;
  if (const auto* vector = std::get_if<Vector>(&value)) {
    for (const Sample& s : *vector) out.push_back({s.labels, {{s.t_ms, s.f, s.h}}});
  } else if (const auto* matrix = std::get_if<Matrix>(&value)) {
    for (const Series& s : *matrix) {
      Answer a{s.labels, {}};
      for (const FloatPoint& p : s.floats) a.points.push_back({p.t_ms, p.v, nullptr});
      for (const HistogramPoint& p : s.histograms) a.points.push_back({p.t_ms, 0, p.h});
      std::sort(a.points.begin(), a.points.end(), [](const Point& x, const Point& y) { return x.t_ms < y.t_ms; });
      out.push_back(std::move(a));
    }
  }
  return out;
}

Labels labels_of(const Json& j) {
  std::vector<Label> out;
  for (const auto& [name, value] : j.items()) out.push_back({name, value.get<std::string>()});
  return Labels::from(std::move(out));
}

std::string compare_series(const Json& e, const Value& value) {
  const bool matrix = e["type"] == "matrix";
  std::map<Labels, const Json*> wanted;
  const Json list = e.value("result", Json::array());
  for (const Json& s : list) wanted[labels_of(s["labels"])] = &s["samples"];
  const std::vector<Answer> answers = answers_of(value);
  for (const Answer& a : answers) {
    const auto at = wanted.find(a.labels);
    if (at == wanted.end())
      return fmt::format("unexpected {} {}", a.labels.text(), point_text(a.points[0].f, a.points[0].h));
    const Json& points = *at->second;
    if (points.size() != a.points.size()) {
      return fmt::format("{}: {} points, want {}", a.labels.text(), a.points.size(), points.size());
    }
    for (size_t i = 0; i < a.points.size(); ++i) {
      if (matrix && points[i]["t"].get<int64_t>() != a.points[i].t_ms) {
        return fmt::format("{}: point at {}, want {}", a.labels.text(), a.points[i].t_ms, points[i]["t"].dump());
      }
      if (!same_point(points[i], a.points[i].f, a.points[i].h)) {
        return fmt::format("{} at {}: got {}, want {}", a.labels.text(), a.points[i].t_ms,
                           point_text(a.points[i].f, a.points[i].h), points[i].dump());
      }
    }
  }
  if (answers.size() != wanted.size()) {
    for (const auto& [labels, samples] : wanted) {
      const bool there =
          std::any_of(answers.begin(), answers.end(), [&](const Answer& a) { return a.labels == labels; });
      if (!there) return "missing " + labels.text();
    }
  }
  if (!e.value("ordered", false)) return "";
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].labels != labels_of(list[i]["labels"])) return "wrong order";
  }
  return "";
}

Mark compare_value(const Json& e, const Value& value) {
  const std::string type = e["type"];
  if (type == "string") {
    const auto* text = std::get_if<String>(&value);
    return text != nullptr && text->v == e.value("string", "") ? Mark{} : Mark{"wrong string", ""};
  }
  const auto* scalar = std::get_if<Scalar>(&value);
  if (type == "scalar") {
    const double want = number(e["result"][0]["samples"][0]["v"]);
    if (scalar == nullptr) return {"no scalar", ""};
    return almost(want, scalar->v) ? Mark{} : Mark{"scalar " + format_float(scalar->v), ""};
  }
  if (scalar != nullptr) return {"a scalar where there should be none", ""};
  return {compare_series(e, value), ""};
}

bool matches(const Json& expected, const std::string& text, bool exact) {
  if (expected.contains("msg")) {
    static const re2::RE2 position(R"( \(\d+:\d+\))");  // at the end of a note; older cases leave it out
    const std::string message = expected["msg"];
    if (!exact) return text.find(message) != std::string::npos;
    return text.starts_with(message) &&
           (text.size() == message.size() || re2::RE2::FullMatch(text.substr(message.size()), position));
  }
  return re2::RE2::PartialMatch(text, re2::RE2(expected["regex"].get<std::string>()));
}

std::string compare_notes(const Json& e, const std::string& kind, const std::vector<std::string>& got) {
  if (e.value("no_" + kind, false) && !got.empty()) return "unexpected " + kind + ": " + got[0];
  const Json wanted = e.value(kind, Json::array());
  for (const Json& w : wanted) {
    const bool there = std::any_of(got.begin(), got.end(), [&](const std::string& g) { return matches(w, g, true); });
    if (!there) return fmt::format("expected {} {}, got {}", kind, w.dump(), fmt::join(got, "; "));
  }
  for (const std::string& g : got) {
    const bool known =
        wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](const Json& w) { return matches(w, g, true); });
    if (!known) return "unexpected " + kind + ": " + g;
  }
  return "";
}

}  // namespace

Mark compare(const Json& e, const QueryResult<Outcome>& got) {
  const bool should_fail = e.value("fail", false);
  if (!got) {
    if (!should_fail) return {"error: " + got.error().message, ""};
    const Json text = e.value("fail_expect", Json());
    const bool same = text.is_null() || matches(text, got.error().message, false);
    return {"", same ? "" : "error text " + got.error().message + ", want " + text.dump()};
  }
  if (should_fail) return {"no failure", ""};
  Mark mark = compare_value(e, got->value);
  if (!mark.wrong.empty()) return mark;
  if (mark.strict.empty()) mark.strict = compare_notes(e, "warn", got->warnings);
  if (mark.strict.empty()) mark.strict = compare_notes(e, "info", got->infos);
  return mark;
}

}  // namespace hs::promql
