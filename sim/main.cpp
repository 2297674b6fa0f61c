// homeostat_sim: the loop against simulated applications. Exit code 1: a law was broken.

#include <cstdio>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "sim/suite.h"

namespace {

constexpr const char* usage = R"(homeostat_sim [--seeds N] [--from S] [--kind KIND] [--mutant NAME] [--healthy-hours H]
              [--no-expectations] [--renamed] [--verbose]

  --seeds N          incidents to simulate (default 60)
  --from S           first seed (default 1)
  --kind KIND        only this: slow failing bad_config pool cache_loss retry_storm overload stuffing few_users instance
                     retrying unrepairable hopeless deploy two late lossy forged survivors inverted killed stopped budget
  --mutant NAME      break the loop on purpose: no-lease swapped-arms first-look no-mismatch-check no-corroboration
                     no-revert. The laws must notice: exit code 1
  --healthy-hours H  also this many hours without a fault
  --no-expectations  knobs are declared without what they are expected to do
  --renamed          every service, operation, knob and objective has a name that says nothing
  --verbose          tell every decision
)";

bool parse(int count, char** words, hs::sim::Options& options) {
  for (int i = 1; i < count; ++i) {
    std::string word = words[i];
    bool more = i + 1 < count;
    if (word == "--no-expectations") {
      options.expectations = false;
    } else if (word == "--renamed") {
      options.renamed = true;
    } else if (word == "--verbose") {
      options.verbose = true;
    } else if (!more) {
      return false;
    } else if (word == "--seeds") {
      options.seeds = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--from") {
      options.from = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--kind") {
      options.kind = words[++i];
    } else if (word == "--mutant") {
      options.mutant = words[++i];
    } else if (word == "--healthy-hours") {
      options.healthy_hours = std::strtod(words[++i], nullptr);
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int count, char** words) {
  hs::sim::Options options;
  bool asked = count == 2 && std::string(words[1]) == "--help";
  if (asked || !parse(count, words, options)) {
    std::fputs(usage, asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  auto summary = hs::sim::run_suite(options);
  fmt::print("{}", hs::sim::text_of(summary));
  return summary.violations.empty() ? 0 : 1;
}
