#include <algorithm>
#include <optional>
#include <utility>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "loop/machine/control.h"

namespace hs::loop {
namespace {

constexpr int64_t begin_s = 1'000'000;
constexpr int fails_from = 60, noticed_after = 10;

// "book" fails unless a shared knob leads it past what is broken; "look" pays for it, `pays_after` seconds later.
struct Shop {
  config::Knob knob{.key = "past", .base = false, .services = {"shop"}, .effect = config::KnobEffect::shared};
  config::Declarations declarations;
  Control control{Policy{}};
  std::optional<Change> candidate, promoted;
  int64_t revision = 1;
  int second = 0, cured_since = -1, pays_after = 1'000'000;
  uint64_t served_base = 0, served_other = 0;
  std::string verdict, ended;  // the last one's kind and reason; how the hold ended
  Incident incident;

  Shop() {
    knob.expect = {{.service = "shop", .operation = "book", .when = "enabled"}};
    declarations.knobs = {knob};
    declarations.objectives = {{.name = "booking", .service = "shop", .operation = "book", .target = 0.97},
                               {.name = "looking", .service = "shop", .operation = "look", .target = 0.97}};
    take(control.step(ConfigChanged{now(), declarations}, {}));
  }
  UnixNanos now() const { return (begin_s + second) * nanos_per_s; }
  bool everybody() const { return promoted || (candidate && candidate->exposure >= 1); }

  void take(const std::vector<Action>& actions) {
    for (const auto& action : actions) {
      Receipt receipt{.ok = true, .at = now()};
      if (const auto* set = std::get_if<SetKnob>(&action)) {
        candidate = set->change;
        receipt.deed = Deed::set, receipt.change = set->change.id, receipt.revision = ++revision;
      } else if (const auto* revert = std::get_if<Revert>(&action)) {
        (candidate && candidate->id == revert->change ? candidate : promoted).reset();
        receipt.deed = Deed::reverted, receipt.change = revert->change;
      } else if (const auto* promote = std::get_if<Promote>(&action)) {
        promoted = std::exchange(candidate, {});
        receipt.deed = Deed::promoted, receipt.change = promote->change;
      } else {
        note(std::get_if<Record>(&action));
        continue;
      }
      take(control.step(receipt, {}));
    }
  }
  void note(const Record* record) {
    if (record == nullptr) return;
    const auto what = nlohmann::json::parse(record->json);
    if (record->kind == "verdict") verdict = what["kind"].get<std::string>() + " " + what["why"].get<std::string>();
    if (record->kind == "hold_ended") ended = what["how"].get<std::string>() + " " + what["why"].get<std::string>();
  }
  void tell(stream::Frame& f, const std::string& operation, double bad) {
    stream::Cell c{.second = begin_s + second, .service = "shop", .operation = operation, .credential = "all"};
    c.count = 20, c.spans = 20, c.errors = 20 * bad;
    for (int i = 0; i < 20; ++i) c.duration_ms.add(10);
    f.cells.push_back(c);
    for (uint64_t i = 0; i < 20; ++i) {
      stream::Outcome o{.second = c.second, .knob = "past", .service = "shop", .operation = operation, .entry = true};
      o.trace = static_cast<uint64_t>(second) * 100 + i + (operation == "look" ? 50 : 0), o.unit = o.trace % 97;
      o.started = now(), o.error = static_cast<double>(i) < 20 * bad, o.duration_ms = 10;
      o.variant = promoted ? "promoted" : everybody() ? "candidate" : "base", o.revision = revision;
      f.outcomes.push_back(o);
    }
    (everybody() ? served_other : served_base) += 20;
  }
  void step() {
    stream::Frame f{.tick = now() + nanos_per_s};
    if (everybody() && cured_since < 0) cured_since = second;
    if (!everybody()) cured_since = -1;
    tell(f, "book", second < fails_from || everybody() ? 0 : 0.6);
    tell(f, "look", everybody() && second >= cured_since + pays_after ? 0.3 : 0);
    f.served = {{"past", "base", 1, served_base}, {"past", "candidate", revision, served_other}};
    if (second == fails_from + noticed_after) {
      Symptom s{.id = "s", .service = "shop", .operation = "book", .objective = "booking", .observed = 0.6};
      s.started = (begin_s + fails_from) * nanos_per_s, s.detected = now();
      incident = {.id = "inc", .state = IncidentState::explained, .started = s.started, .detected = now()};
      incident.symptoms = {s};
      incident.causes = {{.entity = "service:shop", .kind = "errors", .probability = 0.9, .service = "shop"}};
    }
    std::vector<const Incident*> incidents;
    if (!incident.id.empty()) incidents = {&incident};
    take(control.step(f, incidents));
    ++second;
  }
  void run(int seconds) {
    for (const int end = second + seconds; second < end;) step();
  }
  bool run_until_promoted() {
    while (second < 140 && !promoted) step();
    return promoted.has_value();
  }
};

TEST(Guarded, what_costs_nothing_is_kept) {
  Shop shop;
  ASSERT_TRUE(shop.run_until_promoted()) << shop.verdict;
  shop.run(28);
  EXPECT_EQ(shop.ended, "");
}

TEST(Guarded, another_objective_that_breaks_at_once_fails_the_change) {
  Shop shop;
  shop.pays_after = 0;
  EXPECT_FALSE(shop.run_until_promoted());
  EXPECT_EQ(shop.verdict.substr(0, 4), "FAIL") << shop.verdict;
}

TEST(Guarded, another_objective_that_breaks_after_the_promotion_takes_it_back_and_is_named) {
  Shop shop;
  ASSERT_TRUE(shop.run_until_promoted()) << shop.verdict;
  shop.pays_after = shop.second - shop.cured_since + 6;
  shop.run(20);
  EXPECT_NE(shop.ended.find("harmful objective looking is missed since the change"), std::string::npos) << shop.ended;
  EXPECT_FALSE(shop.promoted);
}

TEST(Guarded, goes_on_over_a_restart) {
  Shop shop;
  ASSERT_TRUE(shop.run_until_promoted()) << shop.verdict;
  const auto saved = shop.control.snapshot();
  ASSERT_TRUE(shop.control.restore(saved, shop.declarations));
  EXPECT_EQ(shop.control.snapshot(), saved);
  shop.pays_after = shop.second - shop.cured_since + 6;
  shop.run(20);
  EXPECT_EQ(shop.ended.substr(0, 7), "harmful") << shop.ended;
}

// An hour later it is somebody else's doing.
TEST(Guarded, what_breaks_long_after_is_not_the_changes_doing) {
  Shop shop;
  ASSERT_TRUE(shop.run_until_promoted()) << shop.verdict;
  shop.pays_after = shop.second - shop.cured_since + 90;
  while (shop.second < 400 && shop.ended.empty()) shop.step();
  EXPECT_EQ(shop.ended.find("harmful"), std::string::npos) << shop.ended;
}

}  // namespace
}  // namespace hs::loop
