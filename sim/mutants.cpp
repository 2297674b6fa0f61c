#include "sim/mutants.h"

#include <fmt/format.h>

#include "sim/suite.h"

namespace hs::sim {
namespace {

struct Mutant {
  std::string name;
  std::vector<std::string> kinds;
  uint64_t seeds = 1;  // incidents; what one run cannot show takes more
};

const std::vector<Mutant>& mutants() {
  static const std::vector<Mutant> all = {
      {"no-lease", {"killed"}, 2},
      {"swapped-arms", {"failing", "few_users", "hopeless"}, 9},
      {"first-look", {"hopeless"}, 4},
      {"no-mismatch-check", {"survivors", "inverted"}, 16},
      {"no-corroboration", {"forged"}, 4},
      {"no-revert", {"hopeless"}, 1},
      {"everybody-first", {"by_instance", "traps"}, 4},
  };
  return all;
}

bool notice(const Mutant& mutant) {
  Options options{.seeds = mutant.seeds, .kinds = mutant.kinds};
  auto sound = run_suite(options).violations;
  options.mutant = mutant.name;
  auto broken = run_suite(options).violations;
  bool ok = sound.empty() && !broken.empty();
  fmt::print("{:<18} {:>2} incidents: {}\n", mutant.name, mutant.seeds,
             !sound.empty()   ? "the loop as it is breaks a law: " + sound[0]
             : broken.empty() ? "NOT NOTICED"
                              : "noticed: " + broken.back());
  return ok;
}

}  // namespace

std::vector<std::string> mutant_names() {
  std::vector<std::string> out;
  for (const auto& m : mutants()) out.push_back(m.name);
  return out;
}

bool notice_mutants(const std::string& only) {
  bool ok = true;
  for (const auto& m : mutants())
    if (only.empty() || only == m.name) ok = notice(m) && ok;
  return ok;
}

}  // namespace hs::sim
