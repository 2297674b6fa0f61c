#include "causes.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "loop/detect/detector.h"
#include "loop/explain/explain.h"
#include "loop/testing/application.h"
#include "stream/stream.h"

namespace {

using namespace hs;
using loop::testing::Application;
using loop::testing::Disturbance;

constexpr int warm_s = 120, limit_s = 60, look_after_s = 4;  // how long after the first symptom the causes are read

struct Tally {
  int n = 0, undetected = 0, first = 0, third = 0, groups = 0, early = 0;
  double brier = 0;
  std::vector<int> delays;
};

int rank_of(const std::vector<loop::Cause>& causes, const std::vector<std::string>& truth) {
  for (size_t i = 0; i < causes.size(); ++i)
    if (std::find(truth.begin(), truth.end(), causes[i].entity) != truth.end()) return static_cast<int>(i) + 1;
  return 999;
}

void one(uint64_t seed, Disturbance kind, Tally& tally, bool verbose) {
  Application application({.seed = seed});
  stream::Stream stream;
  loop::Detector detector;
  const config::Declarations none;
  std::vector<stream::RecentChange> recent;
  const Application::Case c = application.draw(kind, warm_s);
  if (!c.visible) return;
  application.inject(c.fault);
  int64_t first = -1;
  for (int64_t s = 0; s < warm_s + limit_s; ++s) {
    const UnixNanos now = (Application::epoch_s + s + 1) * nanos_per_s;
    for (const loop::testing::Delivery& d : application.run(s)) stream.add(d.batch, d.at, "one");
    const stream::Frame frame = stream.tick(now);
    recent.insert(recent.end(), frame.changes.begin(), frame.changes.end());
    const auto turns = detector.step(frame, none);
    if (s < warm_s && !turns.empty()) ++tally.early;
    if (s >= warm_s && first < 0 && !detector.active().empty()) first = s;
    if (first >= 0 && s >= first + look_after_s) {
      auto why = loop::explain(detector, detector.active(), recent, now);
      if (why.empty()) break;
      std::sort(why.begin(), why.end(),
                [](const auto& a, const auto& b) { return a.symptoms.size() > b.symptoms.size(); });
      const int rank = rank_of(why[0].causes, c.truth);
      ++tally.n;
      tally.first += rank == 1;
      tally.third += rank <= 3;
      tally.groups += static_cast<int>(why.size());
      const double p = why[0].causes[0].probability;
      tally.brier += (p - (rank == 1)) * (p - (rank == 1));
      tally.delays.push_back(static_cast<int>(first - warm_s + 1));
      if (verbose && (rank != 1 || why.size() > 1)) {
        fmt::print("seed {} {}: truth {} at rank {}, {} groups\n", seed, name_of(kind), c.truth[0], rank, why.size());
        for (const auto& e : why) {
          for (size_t i = 0; i < std::min<size_t>(3, e.causes.size()); ++i)
            fmt::print("    {:.2f} {} ({}) {}\n", e.causes[i].probability, e.causes[i].entity, e.causes[i].kind,
                       e.causes[i].evidence.empty() ? "" : e.causes[i].evidence[0].says);
          for (const loop::Symptom* x : detector.active())
            if (std::find(e.symptoms.begin(), e.symptoms.end(), x->id) != e.symptoms.end())
              fmt::print("      - {}\n", x->evidence);
        }
      }
      return;
    }
  }
  ++tally.n;
  ++tally.undetected;
  if (verbose) fmt::print("seed {} {}: truth {} not detected\n", seed, name_of(kind), c.truth[0]);
}

}  // namespace

int causes(int seeds, const char* only) {
  Tally all;
  fmt::print("{:16} {:>4} {:>6} {:>6} {:>8} {:>7} {:>7} {:>6}\n", "fault", "n", "top-1", "top-3", "missed", "median",
             "worst", "groups");
  for (int k = 0; k < loop::testing::disturbances; ++k) {
    const auto kind = static_cast<Disturbance>(k);
    const bool verbose = only != nullptr && name_of(kind) == only;
    if (only != nullptr && !verbose) continue;
    Tally t;
    for (int seed = 1; seed <= seeds; ++seed)
      one(static_cast<uint64_t>(seed) * 101 + static_cast<uint64_t>(k), kind, t, verbose);
    std::sort(t.delays.begin(), t.delays.end());
    if (t.n == 0) continue;
    const int seen = std::max(1, t.n - t.undetected);
    fmt::print("{:16} {:4} {:6.2f} {:6.2f} {:8} {:5} s {:5} s {:6.2f}  early {}\n", name_of(kind), t.n,
               t.first / static_cast<double>(t.n), t.third / static_cast<double>(t.n), t.undetected,
               t.delays.empty() ? 0 : t.delays[t.delays.size() / 2], t.delays.empty() ? 0 : t.delays.back(),
               t.groups / static_cast<double>(seen), t.early);
    std::fflush(stdout);
    all.n += t.n, all.first += t.first, all.third += t.third, all.undetected += t.undetected, all.brier += t.brier;
  }
  fmt::print("all: n {}, top-1 {:.3f}, top-3 {:.3f}, not detected {}, Brier of rank 1 {:.3f}\n", all.n,
             all.first / static_cast<double>(all.n), all.third / static_cast<double>(all.n), all.undetected,
             all.brier / std::max(1, all.n - all.undetected));
  return 0;
}
