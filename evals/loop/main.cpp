// Measures detection and explanation on systems of our own making (src/loop/testing).
//
//   loop_eval false-alarms HOURS [SEED] [no-bursts]   symptoms in so many healthy system-hours
//   loop_eval causes SEEDS [FAULT]                    rank of the true cause on random applications; details of one
//   fault loop_eval delays [SEEDS]                          seconds from a departure's first data to its symptom

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "causes.h"
#include "loop/detect/detector.h"
#include "loop/testing/healthy.h"

namespace {

using namespace hs;

int false_alarms(double hours, uint64_t seed, bool bursts) {
  loop::Detector detector;
  loop::testing::HealthyOptions options{.seed = seed};
  if (!bursts) options.bursts_per_hour = 0;
  loop::testing::Healthy system(options);
  const config::Declarations none;
  int raised = 0;
  for (int64_t s = 0; s < static_cast<int64_t>(hours * 3600); ++s)
    for (const loop::Turn& t : detector.step(system.next(), none))
      if (t.started) fmt::print("{:6} s: {}\n", s, t.symptom.evidence), ++raised;
  fmt::print("{} symptoms in {} healthy hours, {} watches, seed {}\n", raised, hours, detector.watches(), seed);
  return 0;
}

int delays(int seeds) {
  const config::Declarations none;
  struct Row {
    const char* name;
    double rate, errors, slowness;
  };
  for (const Row& row : {Row{"10 % errors, 30/s", 30, 0.1, 1}, Row{"30 % errors, 30/s", 30, 0.3, 1},
                         Row{"5 % errors, 30/s", 30, 0.05, 1}, Row{"latency x3, 30/s", 30, 0, 3},
                         Row{"latency x2, 30/s", 30, 0, 2}, Row{"30 % errors, 5/s", 5, 0.3, 1}}) {
    std::vector<int> all;
    for (int seed = 1; seed <= seeds; ++seed) {
      loop::Detector detector;
      loop::testing::Healthy system(
          {.seed = static_cast<uint64_t>(seed), .requests_per_s = row.rate, .surges_per_hour = 0});
      system.set(seed % 24, row.rate, 25);
      for (int s = 0; s < 600; ++s) detector.step(system.next(), none);
      system.disturb(seed % 24, row.errors, row.slowness);
      int delay = 999;
      for (int s = 1; s <= 120 && delay == 999; ++s)
        for (const loop::Turn& t : detector.step(system.next(), none))
          if (t.started && t.symptom.service == system.service_of(seed % 24)) delay = s;
      all.push_back(delay);
    }
    std::sort(all.begin(), all.end());
    fmt::print("{:20} median {} s, p90 {} s, worst {} s, n {}\n", row.name, all[all.size() / 2],
               all[all.size() * 9 / 10], all.back(), all.size());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const double number = argc > 2 ? std::atof(argv[2]) : 0;
  const bool bursts = argc <= 4 || std::string(argv[4]) != "no-bursts";
  const uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  if (what == "false-alarms") return false_alarms(number > 0 ? number : 1, seed, bursts);
  if (what == "delays") return delays(number > 0 ? static_cast<int>(number) : 10);
  if (what == "causes") return causes(number > 0 ? static_cast<int>(number) : 5, argc > 3 ? argv[3] : nullptr);
  fmt::print(stderr,
             "usage: loop_eval false-alarms HOURS [SEED] [no-bursts] | causes SEEDS [FAULT] | delays [SEEDS]\n");
  return 2;
}
