#include "promqltest.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <re2/re2.h>

#include "promql/json.h"
#include "promql/unquote.h"
#include "rules/notation.h"

namespace hs::promql {
namespace {

using json::Json;
using rules::NotedValue;

std::string_view trimmed(std::string_view text) {
  const size_t first = std::min(text.find_first_not_of(" \t\r"), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(" \t\r") + 1);
}

tl::unexpected<Error> bad(std::string_view what, std::string_view text) {
  return fail(Code::invalid_argument, fmt::format("{}: {}", what, text));
}

// Where the metric of `metric{a="b"} values` ends.
size_t metric_end(std::string_view line) {
  char quote = 0;
  bool inside = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == '\\' && quote != '`') ++i;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'' || c == '`') {
      quote = c;
    } else if (c == '{' || c == '}') {
      if (!inside && line.substr(i).starts_with("{{")) return i;  // the values of a series without labels
      inside = c == '{';
    } else if (!inside && (c == ' ' || c == '\t')) {
      // A name may stand apart from its labels.
      const std::string_view rest = trimmed(line.substr(i));
      if (rest.starts_with('{') && !rest.starts_with("{{") && line.substr(0, i).find('{') == line.npos) continue;
      return i;
    }
  }
  return line.size();
}

struct SeriesLine {
  Labels labels;
  std::vector<NotedValue> values;
};

Result<SeriesLine> series_line(std::string_view line) {
  const size_t end = metric_end(line);
  SeriesLine out;
  HS_ASSIGN(out.labels, rules::parse_metric(line.substr(0, end)));
  HS_ASSIGN(out.values, rules::parse_values(trimmed(line.substr(end))));
  return out;
}

// As configurations have them: 0 needs no unit.
Result<int64_t> duration_ms(std::string_view text) { return text == "0" ? 0 : parse_duration_ms(text); }

Result<int64_t> signed_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  HS_ASSIGN(const int64_t ms, duration_ms(text));
  return negative ? -ms : ms;
}

// Offsets of start timestamps from their samples: _, _xN, D, DxN, D+DxN, D-DxN.
Result<std::vector<std::optional<int64_t>>> start_offsets(std::string_view text) {
  static const re2::RE2 item(R"(([-+]?\d+[a-wyz]*)(?:([-+]\d+[a-wyz]+))?(?:x(\d+))?)");
  std::vector<std::optional<int64_t>> out;
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    const std::string_view one = text.substr(0, text.find_first_of(" \t"));
    text.remove_prefix(one.size());
    std::string base, step, count;
    if (one.starts_with('_')) {
      const int n = one.size() > 2 ? std::atoi(std::string(one.substr(2)).c_str()) : 1;
      out.insert(out.end(), static_cast<size_t>(n), std::nullopt);
    } else if (re2::RE2::FullMatch(one, item, &base, &step, &count)) {
      HS_ASSIGN(int64_t offset, signed_duration(base));
      int64_t by = 0;
      if (!step.empty()) {
        HS_ASSIGN(by, signed_duration(step));
      }
      for (int i = 0; i <= std::atoi(count.c_str()); ++i, offset += by) out.emplace_back(offset);
    } else {
      return bad("no offset of a start", one);
    }
  }
  return out;
}

Result<Series> loaded(const SeriesLine& line, int64_t step_ms, std::span<const std::optional<int64_t>> starts) {
  if (!starts.empty() && starts.size() != line.values.size())
    return bad("starts and samples differ in number", line.labels.text());
  Series out;
  out.labels = line.labels;
  for (size_t i = 0; i < line.values.size(); ++i) {
    const NotedValue& value = line.values[i];
    if (value.missing) continue;
    const int64_t t = static_cast<int64_t>(i) * step_ms;
    const int64_t start = !starts.empty() && starts[i] ? t + *starts[i] : 0;
    if (value.h) {
      out.histograms.push_back({t, value.h});
      out.histogram_starts_ms.push_back(start);
    } else {
      out.floats.push_back({t, value.f});
      out.float_starts_ms.push_back(start);
    }
  }
  return out;
}

// The buckets of a classic histogram at one instant become one with custom buckets.
struct Classic {
  std::map<double, double> below;
  std::optional<double> count;
  double sum = 0;

  HistogramPtr native() const {
    auto h = std::make_shared<Histogram>();
    h->schema = custom_buckets_schema;
    h->count = count ? *count : below.empty() ? 0 : below.rbegin()->second;
    h->sum = sum;
    double before = 0;
    for (const auto& [bound, n] : below) {
      if (bound != HUGE_VAL) h->custom_values.push_back(bound);
      h->positive.push_back(n - before);
      before = n;
    }
    if (!below.contains(HUGE_VAL)) h->positive.push_back(h->count - before);
    h->positive_spans = {{0, static_cast<uint32_t>(h->positive.size())}};
    return h;
  }
};

std::vector<Series> with_custom_buckets(const std::vector<Series>& classic) {
  std::map<Labels, std::map<int64_t, Classic>> all;
  for (const Series& series : classic) {
    const std::string name(series.labels.get(metric_name_label));
    for (const std::string_view suffix : {"_bucket", "_count", "_sum"}) {
      if (!name.ends_with(suffix)) continue;
      Labels labels = series.labels;
      labels.set(metric_name_label, name.substr(0, name.size() - suffix.size()));
      labels.set("le", "");
      const auto bound = parse_go_number(series.labels.get("le"));
      if (suffix == "_bucket" && (!bound || std::isnan(*bound))) continue;
      for (const FloatPoint& p : series.floats) {
        Classic& at = all[labels][p.t_ms];
        if (suffix == "_bucket") at.below[*bound] = p.v;
        if (suffix == "_count") at.count = p.v;
        if (suffix == "_sum") at.sum = p.v;
      }
    }
  }
  std::vector<Series> out;
  for (const auto& [labels, by_time] : all) {
    Series& series = out.emplace_back();
    series.labels = labels;
    for (const auto& [t, one] : by_time) series.histograms.push_back({t, one.native()});
  }
  return out;
}

class Reader {
 public:
  explicit Reader(std::string_view text) {
    while (!text.empty()) {
      const std::string_view line = trimmed(text.substr(0, text.find('\n')));
      text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
      lines_.push_back(line.starts_with('#') ? std::string_view() : line);
    }
  }

  Result<std::vector<TestStep>> read() {
    std::vector<TestStep> out;
    for (; at_ < lines_.size(); ++at_) {
      if (lines_[at_].empty()) continue;
      const size_t line = at_ + 1;
      auto step = command();
      if (!step) return fail(step.error().code, fmt::format("line {}: {}", line, step.error().message));
      if (!step->eval.is_null()) step->eval["line"] = line;
      out.push_back(std::move(*step));
    }
    return out;
  }

 private:
  Result<TestStep> command() {
    const std::string_view line = lines_[at_];
    if (line.starts_with("clear")) return TestStep{.clear = true};
    if (line.starts_with("load")) return load();
    if (line.starts_with("eval")) return eval();
    return bad("no command", line);
  }

  // The lines of a command: up to an empty one.
  std::optional<std::string_view> next() {
    if (at_ + 1 >= lines_.size() || lines_[at_ + 1].empty()) return std::nullopt;
    return lines_[++at_];
  }

  Result<TestStep> load() {
    static const re2::RE2 form(R"(load(?:_(with_nhcb))?\s+(.+?))");
    std::string custom, interval;
    if (!re2::RE2::FullMatch(lines_[at_], form, &custom, &interval)) return bad("no load", lines_[at_]);
    HS_ASSIGN(const int64_t step_ms, duration_ms(interval));
    TestStep out;
    std::vector<std::optional<int64_t>> starts;
    while (const auto line = next()) {
      const std::string_view metric = line->substr(0, line->find_first_of(" \t"));
      if (metric.ends_with("@st")) {
        HS_ASSIGN(starts, start_offsets(line->substr(metric.size())));
        continue;
      }
      HS_ASSIGN(const SeriesLine series, series_line(*line));
      HS_ASSIGN(Series one, loaded(series, step_ms, starts));
      starts.clear();
      out.series.push_back(std::move(one));
    }
    if (!custom.empty())
      for (Series& more : with_custom_buckets(out.series)) out.series.push_back(std::move(more));
    return out;
  }

  Result<TestStep> eval() {
    static const re2::RE2 instant(R"(eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+))");
    static const re2::RE2 range(
        R"(eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+))");
    std::string what, from, to, step, expr;
    TestStep out;
    Json& e = out.eval;
    if (re2::RE2::FullMatch(lines_[at_], instant, &what, &from, &expr)) {
      HS_ASSIGN(const int64_t at_ms, duration_ms(from));
      e = {{"kind", "instant"}, {"type", "vector"}, {"start", at_ms}, {"end", at_ms}, {"step", 0}};
    } else if (re2::RE2::FullMatch(lines_[at_], range, &what, &from, &to, &step, &expr)) {
      HS_ASSIGN(const int64_t start_ms, duration_ms(from));
      HS_ASSIGN(const int64_t end_ms, duration_ms(to));
      HS_ASSIGN(const int64_t step_ms, duration_ms(step));
      e = {{"kind", "range"}, {"type", "matrix"}, {"start", start_ms}, {"end", end_ms}, {"step", step_ms}};
    } else {
      return bad("no eval", lines_[at_]);
    }
    e["expr"] = expr;
    e["result"] = Json::array();
    if (what == "fail" || what == "ordered") e[what] = true;
    if (what == "warn" || what == "info") e[what] = Json::array({{{"regex", ""}}});
    first_ms_ = e["start"], step_ms_ = e["step"];
    while (const auto line = next()) HS_TRY(expectation(*line, e));
    return out;
  }

  // One line below an eval.
  Status expectation(std::string_view line, Json& e) {
    static const re2::RE2 points(R"(expect\s+range\s+vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+))");
    static const re2::RE2 note(R"(expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?)");
    std::string from, to, step, kind, match, text;
    if (re2::RE2::FullMatch(line, points, &from, &to, &step)) {
      HS_ASSIGN(first_ms_, duration_ms(from));
      HS_ASSIGN(step_ms_, duration_ms(step));
      e["type"] = "matrix";
      return {};
    }
    if (line.starts_with("expect string")) {
      HS_ASSIGN(const std::string wanted, unquote(trimmed(line.substr(13))));
      e["type"] = "string", e["string"] = wanted;
      return {};
    }
    if (re2::RE2::FullMatch(line, note, &kind, &match, &text)) {
      const Json wanted = match.empty() ? Json{{"regex", ""}} : Json{{match, trimmed(text)}};
      if (kind == "warn" || kind == "info")
        e[kind].push_back(wanted);
      else
        e[kind] = true;
      if (kind == "fail") e["fail_expect"] = wanted;
      return {};
    }
    if (line.starts_with("expected_fail_message")) {
      e["fail_expect"] = {{"msg", trimmed(line.substr(21))}};
      return {};
    }
    if (line.starts_with("expected_fail_regexp")) {
      e["fail_expect"] = {{"regex", trimmed(line.substr(20))}};
      return {};
    }
    if (const auto number = parse_go_number(line)) {
      e["type"] = "scalar";
      e["result"] = {{{"samples", {{{"v", format_float(*number)}}}}}};
      return {};
    }
    return wanted_series(line, e);
  }

  Status wanted_series(std::string_view line, Json& e) const {
    HS_ASSIGN(const SeriesLine series, series_line(line));
    Json labels = Json::object(), samples = Json::array();
    for (const Label& label : series.labels) labels[label.name] = label.value;
    for (size_t i = 0; i < series.values.size(); ++i) {
      const NotedValue& value = series.values[i];
      if (value.missing) continue;
      Json sample = {{"t", first_ms_ + static_cast<int64_t>(i) * step_ms_}};
      if (value.h) {
        std::string text;
        write_json_histogram(text, *value.h);
        sample["h"] = Json::parse(text);
      } else {
        sample["v"] = format_float(value.f);
      }
      samples.push_back(std::move(sample));
    }
    e["result"].push_back({{"labels", std::move(labels)}, {"samples", std::move(samples)}});
    return {};
  }

  std::vector<std::string_view> lines_;
  size_t at_ = 0;
  int64_t first_ms_ = 0, step_ms_ = 0;  // of the points that are expected
};

}  // namespace

Result<std::vector<TestStep>> read_test(std::string_view text) { return Reader(text).read(); }

}  // namespace hs::promql
