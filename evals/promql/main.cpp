// Runs cases (JSON lines: blocks of series to load and queries to evaluate) through the engine, in this process.
//
//   promql_eval --cases FILE [--show N] [--only TEXT] [--no-features]   marks per file and per kind of query
//   promql_eval --promqltest DIRECTORY [--show N] [--only TEXT]         the same for Prometheus' own *.test files
//   promql_eval --speed SERIES                                         CPU time of typical queries
//   promql_eval --parse < QUERIES                                      one JSON string per line; text or error of each
//   promql_eval --answers [--delayed] < BLOCKS    {"series": [..], "queries": [{"expr", "start", "end", "step"}]} per
//   line;
//                       one answer per query, as the HTTP API writes it: for comparisons with another engine
//
// Without --cases: promqltest.jsonl and promql_compliance.jsonl of $HOMEOSTAT_SHARED/conformance/data.

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "base/json.h"
#include "compare.h"
#include "memory_source.h"
#include "promql/engine.h"
#include "promql/json.h"
#include "promql/parser.h"
#include "promqltest.h"
#include "speed.h"

namespace hs::promql {
namespace {

using json::Json;

struct Arguments {
  std::vector<std::string> cases;
  int show = 0;
  std::string only;
  std::string promqltest;
  int speed = 0;
  bool parse = false;
  bool answers = false;
  bool delayed = false;
  bool features = true;
};

struct Tally {
  int run = 0;
  int values = 0;
  int strict = 0;
};

double number(const Json& j) { return std::strtod(j.get<std::string>().c_str(), nullptr); }

std::vector<double> numbers(const Json& h, const char* key) {
  std::vector<double> out;
  for (const Json& j : h.value(key, Json::array())) out.push_back(number(j));
  return out;
}

std::vector<BucketSpan> spans(const Json& h, const char* key) {
  std::vector<BucketSpan> out;
  for (const Json& j : h.value(key, Json::array())) out.push_back({j["o"].get<int32_t>(), j["l"].get<uint32_t>()});
  return out;
}

HistogramPtr histogram_of(const Json& j) {
  auto h = std::make_shared<Histogram>();
  h->schema = j["schema"];
  h->count = number(j["count"]);
  h->sum = std::string(j["sum"]) == "stale" ? stale_marker() : number(j["sum"]);
  h->zero_threshold = number(j["zero_threshold"]);
  h->zero_count = number(j["zero_count"]);
  h->positive_spans = spans(j, "pos_spans");
  h->negative_spans = spans(j, "neg_spans");
  h->positive = numbers(j, "pos");
  h->negative = numbers(j, "neg");
  h->custom_values = numbers(j, "custom");
  const Json hint = j.value("hint", Json(0));
  static const std::map<std::string, ResetHint> names = {{"unknown", ResetHint::unknown},
                                                         {"reset", ResetHint::reset},
                                                         {"not_reset", ResetHint::not_reset},
                                                         {"gauge", ResetHint::gauge}};
  h->hint = hint.is_number() ? static_cast<ResetHint>(hint.get<int>()) : names.at(hint.get<std::string>());
  return h;
}

Series series_of(const Json& j) {
  Series out;
  std::vector<Label> labels;
  for (const auto& [name, value] : j["labels"].items()) labels.push_back({name, value.get<std::string>()});
  out.labels = Labels::from(std::move(labels));
  for (const Json& s : j["samples"].is_null() ? Json::array() : j["samples"]) {
    const int64_t t = s["t"];
    const int64_t start = s.value("st", int64_t{0});
    if (s.contains("h")) {
      out.histograms.push_back({t, histogram_of(s["h"])});
      out.histogram_starts_ms.push_back(start);
    } else {
      const std::string v = s["v"];
      out.floats.push_back({t, v == "stale" ? stale_marker() : number(s["v"])});
      out.float_starts_ms.push_back(start);
    }
  }
  return out;
}

QueryResult<Outcome> run(const MemorySource& source, const Json& e, const Options& options) {
  Query query{.text = e["expr"], .start_ms = e["start"], .end_ms = e["start"]};
  if (e["kind"] == "range") {
    query.end_ms = e["end"];
    query.step_ms = e["step"];
  }
  return evaluate(source, query, options);
}

bool has_tag(const Json& e, std::string_view tag) {
  const Json tags = e.value("tags", Json::array());
  return std::any_of(tags.begin(), tags.end(), [&](const Json& t) { return t == tag; });
}

std::string kind_of(const Json& e) {
  if (!e.contains("tags")) return "  without a kind";
  if (has_tag(e, "native_histogram")) return "  native histograms";
  return has_tag(e, "experimental") ? "  experimental features" : "  stable PromQL, floats only";
}

class Tallies {
 public:
  explicit Tallies(const Arguments& arguments) : arguments_(arguments) {}

  void run_step(const std::string& name, const Json& step, const MemorySource& source) {
    Options options;
    const bool on = arguments_.features;
    options.features = {.experimental_functions = on,
                        .duration_expressions = on,
                        .delayed_name_removal = on,
                        .extended_range_selectors = on,
                        .fill_modifiers = on,
                        .type_and_unit_labels = on && name == "type_and_unit.test",
                        .start_timestamps = !arguments_.promqltest.empty() || has_tag(step, "needs_st")};
    const Mark mark = compare(step, run(source, step, options));
    for (const std::string& group : {name, std::string("TOTAL"), kind_of(step)}) {
      Tally& t = groups_[group];
      ++t.run;
      t.values += mark.wrong.empty();
      t.strict += mark.wrong.empty() && mark.strict.empty();
    }
    if ((!mark.wrong.empty() || !mark.strict.empty()) && shown_++ < arguments_.show) {
      fmt::print("{} {}:{} {}\n       {}\n", mark.wrong.empty() ? "strict" : "FAIL  ", name, step["line"].dump(),
                 step["expr"].get<std::string>(), mark.wrong.empty() ? mark.strict : mark.wrong);
    }
  }

  // Cases that could not be read: wrong, as nobody knows better.
  void add_unread(const std::string& name, int cases, const std::string& why) {
    for (const std::string& group : {name, std::string("TOTAL"), std::string("  not readable")})
      groups_[group].run += cases;
    fmt::print("FAIL   {}: {} cases: {}\n", name, cases, why);
  }

  // How many values are wrong.
  int print(std::string_view title) {
    fmt::print("{:34} {:>5} {:>8} {:>8}\n", title, "run", "values%", "strict%");
    for (const auto& [group, t] : groups_)
      fmt::print("{:34} {:5} {:8.2f} {:8.2f}\n", group, t.run, 100.0 * t.values / t.run, 100.0 * t.strict / t.run);
    return groups_["TOTAL"].run - groups_["TOTAL"].values;
  }

 private:
  const Arguments& arguments_;
  std::map<std::string, Tally> groups_;
  int shown_ = 0;
};

void run_file(const std::string& path, const Arguments& arguments, Tallies& tallies) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const Json block = Json::parse(line);
    const std::string name = block["file"];
    if (name.find(arguments.only) == std::string::npos) continue;
    MemorySource source;
    for (const Json& step : block["steps"]) {
      if (step["op"] == "load") {
        for (const Json& s : step["series"]) source.add(series_of(s));
        continue;
      }
      tallies.run_step(name, step, source);
    }
  }
}

// Prometheus' own files.
int run_promqltest(const Arguments& arguments) {
  Tallies tallies(arguments);
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(arguments.promqltest))
    if (entry.path().extension() == ".test") files.insert(entry.path());
  for (const std::filesystem::path& path : files) {
    const std::string name = path.filename();
    if (name.find(arguments.only) == std::string::npos) continue;
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto steps = read_test(text);
    if (!steps) {
      std::istringstream lines(text);
      int cases = 0;
      for (std::string line; std::getline(lines >> std::ws, line);) cases += line.starts_with("eval") ? 1 : 0;
      tallies.add_unread(name, cases, steps.error().message);
      continue;
    }
    MemorySource source;
    for (const TestStep& step : *steps) {
      if (step.clear) source = {};
      for (const Series& series : step.series) source.add(series);
      if (!step.eval.is_null()) tallies.run_step(name, step.eval, source);
    }
  }
  const int wrong = tallies.print("promqltest");
  return wrong == 0 && !files.empty() ? 0 : 1;
}

int run_cases(const Arguments& arguments) {
  int failures = 0;
  for (const std::string& path : arguments.cases) {
    Tallies tallies(arguments);
    run_file(path, arguments, tallies);
    failures += tallies.print(std::filesystem::path(path).filename().string());
  }
  return failures == 0 ? 0 : 1;
}

int answer_lines(bool delayed) {
  Options options;
  options.features = {.experimental_functions = true,
                      .duration_expressions = true,
                      .delayed_name_removal = delayed,
                      .extended_range_selectors = true,
                      .fill_modifiers = true};
  for (std::string line; std::getline(std::cin, line);) {
    const Json block = Json::parse(line, nullptr, false);
    if (!block.is_object()) continue;
    MemorySource source;
    for (const Json& s : block["series"]) source.add(series_of(s));
    for (const Json& q : block["queries"]) {
      const auto got = evaluate(source, {q["expr"], q["start"], q["end"], q["step"]}, options);
      std::string out = "{";
      if (!got) {
        out += R"("error":)";
        write_json_string(out, got.error().message);
      } else {
        write_json_data(out, got->value);
        out += fmt::format(R"(,"warnings":{},"infos":{})", Json(got->warnings).dump(), Json(got->infos).dump());
      }
      std::cout << out << "}\n";
    }
  }
  return 0;
}

int parse_lines() {
  const Features all{.experimental_functions = true,
                     .duration_expressions = true,
                     .extended_range_selectors = true,
                     .fill_modifiers = true};
  for (std::string line; std::getline(std::cin, line);) {
    const Json query = Json::parse(line, nullptr, false);
    if (!query.is_string()) continue;
    Json out = {{"q", query}};
    for (const auto& [key, features] : {std::pair("0", Features{}), std::pair("1", all)}) {
      auto expr = parse_expr(query.get<std::string>(), features, Limits{});
      if (!expr) {
        out[std::string("err") + key] = expr.error().message;
      } else {
        out[std::string("text") + key] = to_text(**expr);
        out[std::string("pretty") + key] = to_pretty(**expr);
      }
    }
    std::cout << out.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
  }
  return 0;
}

}  // namespace

int run_main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto next = [&] { return i + 1 < argc ? std::string(argv[++i]) : std::string(); };
    if (word == "--cases")
      arguments.cases.push_back(next());
    else if (word == "--show")
      arguments.show = std::atoi(next().c_str());
    else if (word == "--promqltest")
      arguments.promqltest = next();
    else if (word == "--only")
      arguments.only = next();
    else if (word == "--parse")
      arguments.parse = true;
    else if (word == "--speed")
      arguments.speed = std::atoi(next().c_str());
    else if (word == "--answers")
      arguments.answers = true;
    else if (word == "--delayed")
      arguments.delayed = true;
    else if (word == "--no-features")
      arguments.features = false;
    else
      return fmt::print("unknown argument {}\n", word), 2;
  }
  if (arguments.speed > 0) return measure_speed(arguments.speed), 0;
  if (arguments.parse) return parse_lines();
  if (arguments.answers) return answer_lines(arguments.delayed);
  if (!arguments.promqltest.empty()) return run_promqltest(arguments);
  if (arguments.cases.empty()) {
    const char* shared = std::getenv("HOMEOSTAT_SHARED");
    const std::filesystem::path data =
        std::filesystem::path(shared != nullptr ? shared : "../shared") / "conformance/data";
    for (const char* name : {"promqltest.jsonl", "promql_compliance.jsonl"}) {
      if (std::filesystem::exists(data / name))
        arguments.cases.push_back(data / name);
      else
        fmt::print("no {}: not run\n", (data / name).string());
    }
  }
  return run_cases(arguments);
}

}  // namespace hs::promql

int main(int argc, char** argv) { return hs::promql::run_main(argc, argv); }
