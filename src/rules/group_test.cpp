#include "rules/group.h"

#include <gtest/gtest.h>

#include "rules/memory.h"

namespace hs::rules {
namespace {

using promql::Labels;
using promql::Sample;

constexpr int64_t t0 = 1'790'000'000'000, minute = 60'000;

Labels labels(std::initializer_list<promql::Label> list) { return Labels::from(list); }

// Series, a group over them, and a clock that is asked for durations only.
struct World {
  explicit World(const std::string& rules, Group::Options options = {}) : group(spec_of(rules), std::move(options)) {}

  static GroupSpec spec_of(const std::string& rules) {
    RuleFile file = parse_rules("groups:\n- name: g\n  interval: 1m\n  rules:\n" + rules, "r.yml", {});
    EXPECT_EQ(file.problems, std::vector<std::string>{});
    return file.groups.at(0);
  }
  void set(const Labels& series, int64_t t, double v) { memory.add({series, t, v, nullptr}); }
  Group::Report evaluate(int64_t t) { return evaluate(group, t); }
  Group::Report evaluate(Group& which, int64_t t) {
    return which.evaluate(t, {.query = [&](const std::string& expr, int64_t at) { return query(expr, at); },
                              .write =
                                  [&](const std::vector<Sample>& samples) {
                                    for (const Sample& s : samples) memory.add(s), written.push_back(s);
                                  },
                              .clock = clock});
  }
  Result<promql::Vector> query(const std::string& expr, int64_t t) const { return query_vector(memory, expr, t, {}); }
  double value(const std::string& expr, int64_t t) const {
    const auto vector = query(expr, t);
    return vector && vector->size() == 1 ? vector->at(0).f : -1;
  }
  Alert alert() const {
    const auto view = group.view();
    return view->rules.at(0).alerts.empty() ? Alert{.state = AlertState::inactive} : view->rules[0].alerts[0];
  }

  Memory memory;
  std::vector<Sample> written;
  io::SimClock clock{t0 * nanos_per_ms};
  Group group;
};

TEST(Group, ARuleSeesWhatTheOneBeforeItWrote) {
  World w("  - {record: a, expr: sum(up)}\n  - {record: b, expr: a * 2, labels: {x: y}}\n");
  w.set(labels({{"__name__", "up"}, {"job", "1"}}), t0, 3);
  const Group::Report report = w.evaluate(t0);
  EXPECT_EQ(report.samples, 2U);
  EXPECT_EQ(w.value("b{x=\"y\"}", t0), 6);
}

TEST(Group, ASeriesThatDisappearsBecomesStale) {
  World w("  - {record: a, expr: up}\n");
  w.set(labels({{"__name__", "up"}, {"job", "1"}}), t0, 1);
  w.evaluate(t0);
  EXPECT_EQ(w.value("a", t0), 1);
  w.set(labels({{"__name__", "up"}, {"job", "1"}}), t0 + minute, promql::stale_marker());
  w.evaluate(t0 + minute);
  EXPECT_EQ(w.query("a", t0 + minute)->size(), 0U);
  EXPECT_TRUE(promql::is_stale(w.written.back().f));
}

TEST(Group, OneBadRuleDoesNotStopTheOthers) {
  World w("  - {record: a, expr: up + on() group_left() up}\n  - {record: b, expr: vector(1)}\n");
  w.set(labels({{"__name__", "up"}, {"job", "1"}}), t0, 1);
  w.set(labels({{"__name__", "up"}, {"job", "2"}}), t0, 1);
  const Group::Report report = w.evaluate(t0);
  EXPECT_EQ(report.failed, 1U);
  EXPECT_EQ(w.value("b", t0), 1);
  const auto view = w.group.view();
  EXPECT_EQ(view->rules[0].health, Health::err);
  EXPECT_NE(view->rules[0].last_error, "");
  EXPECT_EQ(view->rules[1].health, Health::ok);
}

TEST(Group, LimitsAndEqualLabelSetsFailTheRule) {
  World w("  - {record: a, expr: 'up', labels: {job: same}}\n");
  w.set(labels({{"__name__", "up"}, {"job", "1"}}), t0, 1);
  w.set(labels({{"__name__", "up"}, {"job", "2"}}), t0, 1);
  EXPECT_NE(w.evaluate(t0).errors.at(0).second.find("same labelset"), std::string::npos);
  GroupSpec limited = World::spec_of("  - {record: a, expr: up}\n");
  limited.limit = 1;
  Group group(limited, {});
  EXPECT_EQ(w.evaluate(group, t0).errors.at(0).second, "exceeded limit of 1 with 2 series");
}

TEST(Alerts, PendFireAndAreResolved) {
  World w(
      "  - alert: Down\n    expr: up == 0\n    for: 2m\n    labels: {severity: '{{ $labels.job }}!'}\n"
      "    annotations: {summary: 'is {{ $value }}'}\n");
  const Labels up = labels({{"__name__", "up"}, {"job", "a"}});
  for (int i = 0; i <= 3; ++i) w.set(up, t0 + i * minute, 0);
  w.set(up, t0 + 4 * minute, 1);
  w.evaluate(t0);
  EXPECT_EQ(w.alert().state, AlertState::pending);
  EXPECT_EQ(w.alert().labels, labels({{"alertname", "Down"}, {"job", "a"}, {"severity", "a!"}}));
  EXPECT_EQ(w.value("ALERTS{alertstate=\"pending\"}", t0), 1);
  EXPECT_EQ(w.value("ALERTS_FOR_STATE", t0), t0 / 1000.0);
  EXPECT_TRUE(w.group.to_send(t0, minute).empty());
  w.evaluate(t0 + minute);
  w.evaluate(t0 + 2 * minute);
  EXPECT_EQ(w.alert().state, AlertState::firing);
  EXPECT_EQ(w.query("ALERTS{alertstate=\"pending\"}", t0 + 2 * minute)->size(), 0U);  // stale
  const auto sent = w.group.to_send(t0 + 2 * minute, minute);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].alert.annotations.at(0).value, "is 0");
  EXPECT_EQ(sent[0].alert.valid_until_ms, t0 + 6 * minute);
  EXPECT_TRUE(w.group.to_send(t0 + 2 * minute + 1, minute).empty());
  EXPECT_EQ(w.group.to_send(t0 + 3 * minute + 1, minute).size(), 1U);  // again
  w.evaluate(t0 + 4 * minute);
  EXPECT_EQ(w.alert().state, AlertState::inactive);
  const auto resolved = w.group.to_send(t0 + 4 * minute, minute);
  ASSERT_EQ(resolved.size(), 1U);
  EXPECT_EQ(resolved[0].alert.resolved_at_ms, t0 + 4 * minute);
  // Told again for 15 minutes, then forgotten.
  w.evaluate(t0 + 19 * minute);
  EXPECT_EQ(w.group.to_send(t0 + 19 * minute, minute).size(), 1U);
  w.evaluate(t0 + 20 * minute);
  EXPECT_TRUE(w.group.to_send(t0 + 21 * minute, minute).empty());
}

TEST(Alerts, KeepFiringFor) {
  World w("  - {alert: A, expr: up == 0, keep_firing_for: 2m}\n");
  const Labels up = labels({{"__name__", "up"}});
  w.set(up, t0, 0);
  w.evaluate(t0);
  EXPECT_EQ(w.alert().state, AlertState::firing);
  w.set(up, t0 + minute, 1);
  w.evaluate(t0 + minute);
  EXPECT_EQ(w.alert().state, AlertState::firing);
  EXPECT_EQ(w.alert().keep_firing_since_ms, t0 + minute);
  w.evaluate(t0 + 2 * minute);
  EXPECT_EQ(w.alert().state, AlertState::firing);
  w.evaluate(t0 + 3 * minute);
  EXPECT_EQ(w.alert().state, AlertState::inactive);
}

TEST(Alerts, ARestartForgetsNothing) {
  const std::string rule = "  - {alert: A, expr: up == 0, for: 5m}\n";
  World before(rule), after(rule);
  const Labels up = labels({{"__name__", "up"}});
  for (int i = 0; i < 12; ++i) before.set(up, t0 + i * minute, 0), after.set(up, t0 + i * minute, 0);
  for (int i = 0; i < 3; ++i) before.evaluate(t0 + i * minute);
  after.group.remember(before.group.memory(), 4 * minute);  // four slots that nobody evaluates
  EXPECT_EQ(after.group.last_slot_ms(), t0 + 2 * minute);
  after.evaluate(t0 + 7 * minute);
  EXPECT_EQ(after.alert().state, AlertState::pending);
  EXPECT_EQ(after.alert().active_at_ms, t0 + 4 * minute);
  after.evaluate(t0 + 9 * minute);
  EXPECT_EQ(after.alert().state, AlertState::firing);
  // What was firing and does not hold any more is resolved, and told.
  World later(rule);
  later.set(up, t0 + 10 * minute, 1);
  later.group.remember(after.group.memory(), 0);
  later.evaluate(t0 + 10 * minute);
  const auto sent = later.group.to_send(t0 + 10 * minute, minute);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].alert.resolved_at_ms, t0 + 10 * minute);
  EXPECT_TRUE(promql::is_stale(later.written.at(0).f));
}

TEST(Group, AReloadKeepsWhatItsRulesRemember) {
  World w("  - {alert: A, expr: up == 0, for: 5m}\n  - {record: a, expr: up}\n");
  w.set(labels({{"__name__", "up"}}), t0, 0);
  w.evaluate(t0);
  Group next(World::spec_of("  - {record: b, expr: up}\n  - {alert: A, expr: up < 1, for: 5m}\n"), {});
  next.take_over(w.group);
  EXPECT_EQ(next.view()->rules[1].alerts.at(0).active_at_ms, t0);
  w.written.clear();
  w.evaluate(next, t0 + minute);
  EXPECT_EQ(w.query("a", t0 + minute)->size(), 0U);  // its rule is gone: stale
  EXPECT_EQ(w.value("b", t0 + minute), 0);
}

TEST(Group, SlotsAreTheSameForEver) {
  const World w("  - {record: a, expr: up}\n");
  const int64_t slot = w.group.slot_before(t0);
  EXPECT_LE(slot, t0);
  EXPECT_GT(slot, t0 - minute);
  EXPECT_EQ(w.group.slot_before(slot), slot);
  EXPECT_EQ(w.group.slot_before(slot - 1), slot - minute);
  EXPECT_EQ(w.group.slot_before(slot + 10 * minute + 17), slot + 10 * minute);
}

TEST(Group, QueryOffsetLooksBackAndWritesThere) {
  World w("  - {record: a, expr: up}\n",
          {.external_labels = {}, .external_url = "", .default_query_offset_ms = minute});
  w.set(labels({{"__name__", "up"}}), t0, 5);
  w.set(labels({{"__name__", "up"}}), t0 + minute, 7);
  w.evaluate(t0 + minute);
  ASSERT_EQ(w.written.size(), 1U);
  EXPECT_EQ(w.written[0].t_ms, t0);
  EXPECT_EQ(w.written[0].f, 5);
}

}  // namespace
}  // namespace hs::rules
