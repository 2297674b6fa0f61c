#include "app/rules_command.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <re2/re2.h>

#include "io/files.h"
#include "rules/files.h"
#include "rules/test_file.h"

namespace hs::app {
namespace {

constexpr int good = 0, failure = 1, wrong_usage = 2, lint_failure = 3;

struct Options {
  std::vector<std::string> files, features, run;
  bool ignore_unknown = false, lint_fatal = false;
};

bool read_features(const Options& options, promql::Features& out) {
  for (const std::string& name : options.features)
    if (!promql::enable(out, name)) {
      fmt::print(stderr, "--enable-feature={}: unknown; see prometheus.features in the configuration's reference\n",
                 name);
      return false;
    }
  return true;
}

// Rules that have the same name and labels: the last one to be evaluated wins, which is seldom meant.
size_t print_duplicates(const std::vector<rules::GroupSpec>& groups) {
  std::map<std::pair<std::string, std::vector<promql::Label>>, int> seen;
  for (const rules::GroupSpec& group : groups)
    for (const rules::RuleSpec& rule : group.rules) ++seen[{rule.name, rule.labels}];
  size_t duplicates = 0;
  for (const auto& [key, count] : seen) {
    if (count == 1) continue;
    ++duplicates;
    fmt::print("  {} rules are named {}, labels {}: they may write the same series\n", count, key.first,
               promql::Labels::from(key.second).text());
  }
  return duplicates;
}

int check_rules(const Options& options) {
  rules::ParseOptions parse{.ignore_unknown_fields = options.ignore_unknown};
  if (!read_features(options, parse.features)) return wrong_usage;
  int code = good;
  for (const std::string& file : options.files) {
    fmt::print("Checking {}\n", file);
    const rules::RuleFile loaded = rules::load_rules({file}, parse);
    size_t count = 0;
    for (const rules::GroupSpec& group : loaded.groups) count += group.rules.size();
    if (loaded.problems.empty()) {
      fmt::print("  SUCCESS: {} rules found\n", count);
      if (print_duplicates(loaded.groups) > 0 && options.lint_fatal && code == good) code = lint_failure;
    } else {
      fmt::print(stderr, "  FAILED:\n");
      for (const std::string& problem : loaded.problems) fmt::print(stderr, "{}\n", problem);
      code = failure;
    }
    fmt::print("\n");
  }
  return code;
}

std::vector<std::string> beside(const std::string& test_file, const std::vector<std::string>& patterns) {
  std::vector<std::string> out;
  const std::filesystem::path directory = std::filesystem::path(test_file).parent_path();
  for (const std::string& pattern : patterns) {
    out.push_back(std::filesystem::path(pattern).is_absolute() ? pattern : (directory / pattern).string());
    if (rules::matching_files(out.back()).empty())
      fmt::print(stderr, "  WARNING: no file match pattern {}\n", out.back());
  }
  return out;
}

std::vector<std::string> test_file(const std::string& path, const Options& options, const promql::Features& features,
                                   const re2::RE2* run) {
  const auto text = io::read_file(path, rules::rule_file_bytes_max);
  if (!text) return {path + ": " + text.error().message};
  const rules::TestFile file = rules::parse_tests(*text, path);
  if (!file.problems.empty()) return file.problems;
  const rules::RuleFile rules = rules::load_rules(
      beside(path, file.rule_files), {.features = features, .ignore_unknown_fields = options.ignore_unknown});
  if (!rules.problems.empty()) return rules.problems;
  std::vector<std::string> problems;
  for (const rules::TestGroup& test : file.tests) {
    if (run != nullptr && !re2::RE2::PartialMatch(test.name, *run)) continue;
    for (std::string& one : rules::run_test(file, test, rules.groups, features)) problems.push_back(std::move(one));
  }
  return problems;
}

int test_rules(const Options& options) {
  promql::Features features;
  if (!read_features(options, features)) return wrong_usage;
  std::unique_ptr<re2::RE2> run;
  if (!options.run.empty()) {
    run = std::make_unique<re2::RE2>(fmt::format("{}", fmt::join(options.run, "|")), re2::RE2::Quiet);
    if (!run->ok()) {
      fmt::print(stderr, "--run: {}\n", run->error());
      return wrong_usage;
    }
  }
  int code = good;
  for (const std::string& file : options.files) {
    fmt::print("Unit Testing:  {}\n", file);
    std::fflush(stdout);
    const std::vector<std::string> problems = test_file(file, options, features, run.get());
    if (problems.empty())
      fmt::print("  SUCCESS\n");
    else
      fmt::print(stderr, "  FAILED:\n");
    for (const std::string& problem : problems) fmt::print(stderr, "{}\n\n", problem);
    if (!problems.empty()) code = failure;
    fmt::print("\n");
  }
  return code;
}

CLI::App* add_command(CLI::App& app, const char* name, const char* help, const std::shared_ptr<Options>& options) {
  CLI::App* command = app.add_subcommand(name, help);
  command->add_option("FILE", options->files, "files in Prometheus' format")->required();
  command->add_option("--enable-feature", options->features, "a feature of PromQL, as prometheus.features")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_flag("--ignore-unknown-fields", options->ignore_unknown,
                    "fields of rule files that nobody knows are let through");
  return command;
}

}  // namespace

void add_rules(CLI::App& app, int& code) {
  const auto checking = std::make_shared<Options>(), testing = std::make_shared<Options>();
  CLI::App* check = add_command(app, "check-rules", "check rule files in Prometheus' format", checking);
  check->add_flag("--lint-fatal", checking->lint_fatal,
                  "rules with the same name and labels are an error (exit code 3)");
  check->callback([checking, &code] { code = check_rules(*checking); });
  CLI::App* test = add_command(app, "test-rules", "run unit tests of rules in promtool's format", testing);
  test->add_option("--run", testing->run, "only tests whose name matches this regular expression")
      ->allow_extra_args(false);
  test->callback([testing, &code] { code = test_rules(*testing); });
}

}  // namespace hs::app
