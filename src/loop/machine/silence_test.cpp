#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include "loop/machine/control.h"

namespace hs::loop {
namespace {

constexpr int64_t begin_s = 1'000'000;
constexpr int hangs_from = 60, noticed_after = 6, heals_after = 1;

// One service and one credential. "book" asks something that takes requests and never answers, unless the knob leads
// them past it; "look" does not ask it. Nobody tells of requests that have not ended.
struct Hang {
  config::Knob knob{.key = "source", .base = false, .services = {"shop"}, .dependency = "db"};
  Control control{Policy{}};
  std::optional<Change> candidate, promoted;
  int64_t revision = 1, since = 0;
  int second = 0;
  uint64_t served_base = 0, served_candidate = 0;
  Incident incident;

  bool cured() const { return promoted || (candidate && candidate->exposure >= 1 && second > since + heals_after); }
  UnixNanos now() const { return (begin_s + second) * nanos_per_s; }

  void take(const std::vector<Action>& actions) {
    for (const auto& action : actions) {
      Receipt receipt{.ok = true, .at = now()};
      if (const auto* set = std::get_if<SetKnob>(&action)) {
        candidate = set->change, since = second, served_candidate = 0;
        receipt.deed = Deed::set, receipt.change = set->change.id, receipt.revision = ++revision;
      } else if (const auto* revert = std::get_if<Revert>(&action)) {
        candidate.reset();
        receipt.deed = Deed::reverted, receipt.change = revert->change;
      } else if (const auto* promote = std::get_if<Promote>(&action)) {
        promoted = std::exchange(candidate, {});
        receipt.deed = Deed::promoted, receipt.change = promote->change;
      } else {
        continue;
      }
      take(control.step(receipt, {}));
    }
  }
  void tell(stream::Frame& f, const std::string& operation, int answers) {
    stream::Cell c{.second = begin_s + second, .service = "shop", .operation = operation, .credential = "all"};
    c.count = answers, c.spans = static_cast<uint32_t>(answers);
    if (answers > 0) f.cells.push_back(c);
    for (int i = 0; operation == "book" && i < answers; ++i) {
      stream::Outcome o{.second = c.second, .knob = "source", .service = "shop", .operation = "book", .entry = true};
      o.trace = static_cast<uint64_t>(100 * second + i), o.unit = o.trace % 97, o.started = now();
      o.variant = candidate && candidate->exposure >= 1 ? "candidate" : "base", o.revision = revision;
      f.outcomes.push_back(o);
    }
  }
  void step() {
    stream::Frame f{.tick = now() + nanos_per_s};
    const bool silent = second >= hangs_from && !cured();
    tell(f, "book", silent ? 0 : 12), tell(f, "look", 12);
    f.calls = {{.second = begin_s + second, .service = "shop", .operation = "book", .callee = "db"}};
    (candidate && candidate->exposure >= 1 ? served_candidate : served_base) += 12;
    f.served = {{"source", "base", 1, served_base}, {"source", "candidate", revision, served_candidate}};
    if (second == hangs_from + noticed_after) {
      Symptom s{.id = "s", .kind = SymptomKind::throughput, .service = "shop", .operation = "book", .baseline = 12};
      s.started = (begin_s + hangs_from) * nanos_per_s, s.detected = now();
      incident = {.id = "inc", .state = IncidentState::explained, .started = s.started, .detected = now()};
      incident.symptoms = {s};
      incident.causes = {{.entity = "peer:db", .kind = "slow", .probability = 0.9, .service = "shop", .peer = "db"}};
    }
    if (!incident.id.empty()) incident.symptoms[0].latest = silent ? 0 : 12;
    take(control.step(f,
                      incident.id.empty() ? std::vector<const Incident*>{} : std::vector<const Incident*>{&incident}));
    ++second;
  }
};

// The change comes a moment after the detection: what the operation was since its onset is what it is compared with.
TEST(Silence, of_one_operation_is_repaired_with_one_credential) {
  Hang world;
  world.knob.expect = {{.service = "shop", .operation = "book", .when = "enabled"}};
  world.take(world.control.step(ConfigChanged{world.now(), {.knobs = {world.knob}}}, {}));
  while (world.second < hangs_from + 40) world.step();
  EXPECT_TRUE(world.promoted);
}

}  // namespace
}  // namespace hs::loop
