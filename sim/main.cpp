// homeostat_sim: the real loop against simulated applications. Exit code 1: a law was broken.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>

#include <fmt/format.h>

#include "sim/mutants.h"
#include "sim/suite.h"

namespace {

constexpr const char* usage =
    R"(./dev sim [OPTION ...]: incidents in simulated applications, seen and repaired by the real loop

What runs: random applications send spans, flag events and logs through the real stream into the real loop (detect,
explain, decide, verify, learn); knobs are answered by the real evaluator. Every run is checked against the laws of
docs/simulator.md and replayed byte for byte. The same arguments give the same output.

  --seeds N          incidents (default 60)
  --from S           first seed (default 1)
  --kind KIND        only incidents of this kind; may be given more than once
  --healthy-hours H  hours without a fault, but with surges, releases and single users' errors; alone: no incidents
  --no-expectations  knobs are declared without what they are expected to do
  --renamed          every service, operation, knob and objective has a name that says nothing
  --mutant NAME      break the loop on purpose; the laws should notice
  --mutants          try every mutant on a few fixed incidents: exit code 1 if one is not noticed
  --export-s S       each instance sends its telemetry every S seconds
  --kept P           a share of the traces is recorded (head sampling, and nothing says so)
  --jobs N           runs at once (default: one); the output does not depend on it
  --verbose          tell every decision, with the truth about it

The table: `detected` of those incidents that users felt, and how many seconds after the injection; `repaired` of those
that users felt and that a knob could repair (while the fault went on; how many seconds after its injection users were
served well again); `promoted` changes and how many of them `harm` by the truth; knobs that are `left` changed at the
end; incidents opened too `early`, before anything was wrong; bad requests with the loop on and off.
)";

// What may be said about each word; false: not understood.
bool parse(int count, char** words, hs::sim::Options& options, bool& mutants) {
  bool healthy_only = true;
  const std::map<std::string, std::function<void()>> flags = {
      {"--no-expectations", [&] { options.expectations = false; }},
      {"--renamed", [&] { options.renamed = true; }},
      {"--verbose", [&] { options.verbose = true; }},
      {"--mutants", [&] { mutants = true; }},
  };
  const std::map<std::string, std::function<void(const char*)>> values = {
      {"--seeds", [&](auto* v) { options.seeds = std::strtoull(v, nullptr, 10), healthy_only = false; }},
      {"--from", [&](auto* v) { options.from = std::strtoull(v, nullptr, 10); }},
      {"--kind", [&](auto* v) { options.kinds.emplace_back(v), healthy_only = false; }},
      {"--mutant", [&](auto* v) { options.mutant = v; }},
      {"--jobs", [&](auto* v) { options.jobs = std::max(1U, static_cast<unsigned>(std::strtoul(v, nullptr, 10))); }},
      {"--export-s", [&](auto* v) { options.export_s = std::strtod(v, nullptr); }},
      {"--kept", [&](auto* v) { options.kept = std::strtod(v, nullptr); }},
      {"--healthy-hours", [&](auto* v) { options.healthy_hours = std::strtod(v, nullptr); }},
  };
  for (int i = 1; i < count; ++i) {
    if (auto flag = flags.find(words[i]); flag != flags.end()) {
      flag->second();
    } else if (auto value = values.find(words[i]); value != values.end() && i + 1 < count) {
      value->second(words[++i]);
    } else {
      return false;
    }
  }
  if (healthy_only && options.healthy_hours > 0) options.seeds = 0;
  auto known = [](const auto& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  bool kinds = std::all_of(options.kinds.begin(), options.kinds.end(),
                           [&](const auto& kind) { return known(hs::sim::scenario_kinds(), kind); });
  return kinds && (options.mutant.empty() || known(hs::sim::mutant_names(), options.mutant));
}

void tell_usage(std::FILE* to) {
  fmt::print(to, "{}\nkinds: {}\nmutants: {}\n", usage, fmt::join(hs::sim::scenario_kinds(), " "),
             fmt::join(hs::sim::mutant_names(), " "));
}

}  // namespace

int main(int count, char** words) {
  hs::sim::Options options;
  bool mutants = false, asked = count == 2 && std::string(words[1]) == "--help";
  if (asked || !parse(count, words, options, mutants)) {
    tell_usage(asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  if (mutants) return hs::sim::notice_mutants(options.mutant) ? 0 : 1;
  auto summary = hs::sim::run_suite(options);
  fmt::print("{}", hs::sim::text_of(summary));
  return summary.violations.empty() ? 0 : 1;
}
