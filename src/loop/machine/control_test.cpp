#include "loop/machine/control.h"

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "loop/machine/record.h"

namespace hs::loop {
namespace {

constexpr int64_t begin_s = 1'000'000;

// One service that reads a knob and calls another that fails. What the knob's value does to a request is in `bad`.
struct World {
  World() {
    knob = {.key = "fallback", .base = false, .services = {"shop"}, .dependency = "pay"};
    fault = [](int s) { return s >= 60 ? 0.3 : 0.0; };
    bad = [](const config::Value& v, double broken) { return std::get<bool>(v) ? 0.01 : broken; };
  }
  config::Knob knob;
  std::function<double(int)> fault;                         // share of pay's requests that fail
  std::function<double(const config::Value&, double)> bad;  // and of shop's, by the knob's value
  std::vector<std::string> log;                             // what the loop did
  Policy policy;
  Control control{policy};
  bool actuator_answers = true, promotes = true, forged = false;
  bool values_away = false;  // requests have the default of the code, and say so
  bool one_user = false;     // all failed requests are of one user
  int bypassed = 1'000'000;  // from that second only one request in thirty comes to the knob
  int second = 0;

  // `values`, as far as the loop can tell.
  struct Candidate {
    Change change;
    int64_t revision = 0;
    int64_t deadline_s = 0;
  };
  std::optional<Candidate> candidate;
  std::optional<Change> promoted;
  int64_t revision = 10, settled_revision = 10;
  std::map<std::pair<std::string, int64_t>, uint64_t> served;

  config::Value settled() const { return promoted ? promoted->to : knob.base; }
  UnixNanos now() const { return (begin_s + second) * nanos_per_s; }

  void take(const std::vector<Action>& actions) {
    std::vector<Receipt> receipts;
    for (const auto& action : actions) {
      if (const auto* set = std::get_if<SetKnob>(&action)) {
        bool again = candidate && candidate->change.id == set->change.id;
        EXPECT_TRUE(!candidate || again) << "two candidates of one service";
        if (!actuator_answers) continue;
        candidate = {set->change, ++revision, second + 10};
        log.push_back(fmt("set {} {}", config::to_text(set->change.to), set->change.exposure));
        receipts.push_back(
            {.deed = Deed::set, .change = set->change.id, .revision = revision, .ok = true, .at = now()});
      } else if (const auto* renew = std::get_if<Renew>(&action)) {
        if (candidate && candidate->change.id == renew->change) candidate->deadline_s = second + 10;
      } else if (const auto* revert = std::get_if<Revert>(&action)) {
        log.push_back("revert");
        if (candidate && candidate->change.id == revert->change) candidate.reset();
        if (promoted && promoted->id == revert->change) promoted.reset(), settled_revision = ++revision;
        receipts.push_back({.deed = Deed::reverted, .change = revert->change, .ok = true, .at = now()});
      } else if (const auto* promote = std::get_if<Promote>(&action)) {
        log.push_back("promote");
        if (!promotes) {
          Receipt no{.deed = Deed::promoted, .change = promote->change, .at = now()};
          no.error = "the disk is full";
          receipts.push_back(no);
          continue;
        }
        ASSERT_TRUE(candidate && candidate->change.id == promote->change);
        promoted = candidate->change, settled_revision = candidate->revision;
        candidate.reset();
        receipts.push_back({.deed = Deed::promoted, .change = promote->change, .ok = true, .at = now()});
      } else if (const auto* record = std::get_if<Record>(&action)) {
        records.push_back(record->kind + " " + record->json);
      }
    }
    all.insert(all.end(), actions.begin(), actions.end());
    for (const auto& r : receipts) take(control.step(r, {}));
  }
  template <class... A>
  static std::string fmt(const char* pattern, A... args) {
    return ::fmt::format(::fmt::runtime(pattern), args...);
  }

  stream::Cell cell(std::string service, double n, double errors) const {
    stream::Cell c{.second = begin_s + second, .service = service, .operation = "op", .instance = service + "-1"};
    c.credential = service + "-key", c.count = n, c.errors = errors;
    for (int i = 0; i < static_cast<int>(n); ++i) c.duration_ms.add(20);
    return c;
  }
  stream::Frame frame() {
    stream::Frame f{.tick = now() + nanos_per_s};
    std::uniform_real_distribution<> uniform;
    double failed = 0, pay_failed = 0;
    for (int i = 0; i < 30; ++i) {
      stream::Outcome o{.second = begin_s + second, .trace = random(), .unit = random() % 500 + 1, .knob = knob.key};
      config::Value value = settled();
      o.variant = promoted ? "promoted" : "base", o.revision = settled_revision;
      if (candidate) {
        o.revision = candidate->revision;
        uint64_t mixed = (o.unit * 0x9E3779B97F4A7C15ULL) ^ (static_cast<uint64_t>(candidate->revision) << 40);
        double bucket = static_cast<double>(hash64(std::to_string(mixed)) >> 11) * 0x1.0p-53;
        bool again = bucket < candidate->change.exposure;
        if (again) value = candidate->change.to, o.variant = "candidate";
      }
      if (values_away) value = knob.base, o.variant = "", o.revision = 0;
      o.service = "shop", o.operation = "op", o.instance = "shop-1", o.credential = "shop-key", o.entry = true;
      o.error = uniform(random) < bad(value, fault(second)), o.duration_ms = 20;
      if (one_user && o.error) o.unit = 7;
      o.started = o.second * nanos_per_s + i * 33 * nanos_per_ms;
      failed += o.error, pay_failed += uniform(random) < fault(second);
      if (!values_away) served[{o.variant, o.revision}]++;
      if (i == 0 || second < bypassed) f.outcomes.push_back(o);
    }
    f.cells = {cell("shop", 30, failed), cell("pay", 30, forged ? 0 : pay_failed)};
    f.calls = {{.second = begin_s + second, .service = "shop", .operation = "op", .callee = "pay"}};
    for (const auto& [key, count] : served) f.served.push_back({knob.key, key.first, key.second, count});
    lately.push_back(failed / 30);
    return f;
  }

  // A detector that is right, three seconds late.
  std::vector<const Incident*> incidents() {
    double sum = 0;
    size_t n = std::min<size_t>(lately.size(), 3);
    for (size_t i = lately.size() - n; i < lately.size(); ++i) sum += lately[i] / static_cast<double>(n);
    bool open = !incident.id.empty() && incident.restored == 0;
    if (!open && second > 20 && sum > 0.08) {
      incident = {.id = "inc-" + std::to_string(second), .state = IncidentState::explained};
      incident.started = now() - 2 * nanos_per_s, incident.detected = incident.explained = now();
      Symptom s{.id = "s", .service = "shop", .operation = "op", .started = incident.started, .observed = 0.3};
      incident.symptoms = {s};
      incident.causes = {{.entity = "service:pay", .kind = "errors", .probability = 0.9, .service = "pay"}};
    } else if (open && sum < 0.03) {
      incident.restored = now(), incident.symptoms[0].ended = now();
      restored_s = second;
    }
    if (incident.id.empty()) return {};
    if (!twin) return {&incident};
    second_incident = incident, second_incident.id += "-twin";
    return {&incident, &second_incident};
  }
  void start() { take(control.step(ConfigChanged{now(), {.knobs = {knob}}}, {})); }
  void run(int until) {
    for (; second < until; ++second) {
      if (candidate && second >= candidate->deadline_s) candidate.reset(), log.push_back("expired");
      auto f = frame();
      events.push_back(f);
      take(control.step(f, incidents()));
    }
  }
  bool said(const std::string& what) const {
    return std::any_of(records.begin(), records.end(), [&](auto& r) { return r.find(what) != std::string::npos; });
  }
  Incident incident, second_incident;
  bool twin = false;  // the same trouble is told as two incidents
  int restored_s = 0;
  std::vector<double> lately;
  std::vector<std::string> records;
  std::vector<Action> all;
  std::vector<Event> events;
  std::mt19937_64 random{5};
};

std::string text_of(const std::vector<std::string>& log) {
  std::string out;
  for (const auto& line : log) out += line + "; ";
  return out;
}

TEST(Control, repairs_holds_and_releases) {
  World w;
  w.fault = [](int s) { return s >= 60 && s < 130 ? 0.3 : 0.0; };
  w.start();
  w.run(58);
  EXPECT_EQ(text_of(w.log), "");  // a healthy system is left alone
  w.run(100);
  ASSERT_GE(w.log.size(), 3) << text_of(w.log);
  EXPECT_EQ(w.log[0].substr(0, 8), "set true");
  EXPECT_EQ(w.log[1], "promote");
  EXPECT_EQ(w.log[2], "set false 0.05");  // a share keeps the old value as control
  EXPECT_TRUE(w.promoted);
  EXPECT_TRUE(w.said("\"kind\":\"PASS\""));
  EXPECT_LE(w.restored_s, 60 + 20);
  w.run(230);
  EXPECT_FALSE(w.promoted) << text_of(w.log);  // the fault is over: released
  EXPECT_FALSE(w.candidate);
  EXPECT_TRUE(w.said("released"));
}

// Nobody gets through without the change: 5 % of those would break the promise of 97 % for as long as it is held.
World world_with_target(double target, double fault) {
  World w;
  w.fault = [fault](int s) { return s >= 60 && s < 130 ? fault : 0.0; };
  config::Declarations declared{.knobs = {w.knob}};
  declared.objectives = {{.name = "works", .service = "shop", .operation = "op", .target = target}};
  w.take(w.control.step(ConfigChanged{w.now(), declared}, {}));
  w.run(100);
  return w;
}

TEST(Control, who_is_held_back_leaves_the_promise_kept) {
  World w = world_with_target(0.97, 1);
  ASSERT_GE(w.log.size(), 3) << text_of(w.log);
  EXPECT_EQ(w.log[2], "set false 0.012") << text_of(w.log);
  EXPECT_TRUE(w.promoted);
  w.run(260);
  EXPECT_FALSE(w.promoted) << text_of(w.log);
}

TEST(Control, more_are_held_back_when_the_few_fare_well) {
  World w = world_with_target(0.998, 0.15);
  ASSERT_TRUE(w.promoted) << text_of(w.log);
  w.run(450);
  const auto few = std::find(w.log.begin(), w.log.end(), "set false 0.01");
  ASSERT_NE(few, w.log.end()) << text_of(w.log);
  EXPECT_NE(std::find(few, w.log.end(), "set false 0.05"), w.log.end()) << text_of(w.log);
}

TEST(Control, what_was_just_promoted_is_not_made_again_for_another_incident) {
  World w;
  w.twin = true;
  w.fault = [](int s) { return s >= 60 && s < 130 ? 0.3 : 0.0; };
  w.start();
  w.run(100);
  ASSERT_TRUE(w.promoted) << text_of(w.log);
  EXPECT_EQ(std::count_if(w.log.begin(), w.log.end(), [](auto& l) { return l.rfind("set true", 0) == 0; }), 1)
      << text_of(w.log);
}

TEST(Control, takes_back_what_does_not_help) {
  World w;
  w.bad = [](const config::Value&, double broken) { return broken; };
  w.start();
  w.run(200);
  EXPECT_FALSE(w.promoted);
  EXPECT_FALSE(w.candidate);
  EXPECT_TRUE(w.said("INCONCLUSIVE"));
  EXPECT_TRUE(w.said("nothing: every change near the cause was tried")) << w.records.back();
}

TEST(Control, what_ended_a_jam_is_remembered_although_it_did_not_come_back) {
  World w;
  w.knob.effect = config::KnobEffect::shared;
  w.knob.expect = {{.service = "shop", .measure = config::Measure::errors, .when = "enabled", .improves = true}};
  int relieved = 0;  // since that second the jam drains, slowly, and whatever comes then
  w.fault = [&](int s) {
    if (relieved == 0 && w.candidate && w.candidate->change.exposure >= 1) relieved = s;
    return s < 60 ? 0 : relieved == 0 ? 0.6 : std::max(0.0, 0.6 - 0.05 * (s - relieved));
  };
  w.bad = [](const config::Value&, double broken) { return broken; };
  w.start();
  w.run(150);
  ASSERT_TRUE(w.said("restored_only")) << text_of(w.log);
  EXPECT_FALSE(w.promoted) << "no promotion without a contrast";
  const auto effects = w.control.snapshot()["effects"];
  ASSERT_EQ(effects.size(), 1u);
  EXPECT_GT(effects[0][4], 0) << effects;  // repaired
  EXPECT_LT(effects[0][4], 1) << "it may have ended by itself";
  EXPECT_EQ(effects[0][5], 0) << effects;  // failed
}

TEST(Control, a_trial_ends_when_the_requests_are_well_without_it) {
  World w;
  w.bypassed = 65;
  w.fault = [](int s) { return s >= 60 && s < 65 ? 0.3 : 0.0; };
  w.start();
  w.run(90);
  EXPECT_TRUE(w.said("well again")) << text_of(w.log);
  EXPECT_FALSE(w.candidate);
}

TEST(Control, takes_back_what_harms) {
  World w;
  w.bad = [](const config::Value& v, double broken) { return std::get<bool>(v) ? 0.9 : broken; };
  w.start();
  w.run(120);
  EXPECT_FALSE(w.promoted);
  EXPECT_TRUE(w.said("\"kind\":\"FAIL\""));
}

TEST(Control, needs_a_second_witness) {
  World w;
  w.forged = true;  // pay itself says that all is well, and so does what was served
  w.start();
  w.run(60);
  w.knob.key = "other";  // no evaluations are reported for what is served
  w.control.step(ConfigChanged{w.now(), {.knobs = {w.knob}}}, {});
  w.served.clear();
  w.run(61);
  for (; w.second < 120; ++w.second) {
    auto f = w.frame();
    f.outcomes.clear(), f.served.clear();
    w.take(w.control.step(f, w.incidents()));
  }
  EXPECT_EQ(text_of(w.log), "");
  EXPECT_TRUE(w.said("nothing yet: only one of 2 senders")) << text_of(w.records);
}

TEST(Control, one_user_is_no_reason) {
  World w;
  w.one_user = true;
  w.start();
  w.run(120);
  EXPECT_EQ(text_of(w.log), "");
  EXPECT_TRUE(w.said("of one or two users")) << text_of(w.records);
}

TEST(Control, stops_when_told) {
  World w;
  w.start();
  w.run(80);
  ASSERT_TRUE(w.promoted) << text_of(w.log);
  w.take(w.control.step(Operator{w.now(), Order::stop, "", "ann", "enough"}, {}));
  EXPECT_FALSE(w.promoted);
  EXPECT_FALSE(w.candidate);
  size_t before = w.log.size();
  w.run(140);
  EXPECT_EQ(w.log.size(), before) << text_of(w.log);
}

// The operator stopped everything and lets it go on: what repaired the incident before repairs it again.
TEST(Control, what_passed_and_was_taken_back_may_be_made_again) {
  World w;
  w.start();
  while (!w.promoted && w.second < 120) w.run(w.second + 1);
  ASSERT_TRUE(w.promoted) << text_of(w.log);
  w.incident.restored = 0;  // it is one incident all the time
  w.take(w.control.step(Operator{w.now(), Order::stop, "", "ann", "enough"}, {}));
  w.take(w.control.step(Operator{w.now(), Order::resume, "", "ann", "go on"}, {}));
  EXPECT_FALSE(w.promoted);
  w.run(w.second + 30);
  EXPECT_TRUE(w.promoted) << text_of(w.log) << text_of(w.records);
}

TEST(Control, obeys_prohibitions_and_budgets) {
  for (auto order : {Order::forbid, Order::freeze}) {
    World w;
    w.start();
    w.take(w.control.step(Operator{w.now(), order, "fallback", "ann", ""}, {}));
    w.run(100);
    EXPECT_EQ(text_of(w.log), "");
  }
  World w;
  w.policy.changes_per_hour = 0;
  w.control.set_policy(w.policy);
  w.start();
  w.run(100);
  EXPECT_EQ(text_of(w.log), "");
}

TEST(Control, an_actuator_that_is_silent_ends_the_trial) {
  World w;
  w.actuator_answers = false;
  w.start();
  w.run(100);
  EXPECT_FALSE(w.candidate);
  EXPECT_TRUE(w.said("the actuator did not answer"));
}

// Silence says nothing of the value: what was not tried properly is tried again, and not without end.
TEST(Control, what_told_nothing_is_tried_again) {
  World w;
  w.actuator_answers = false;
  w.start();
  while (!w.said("the actuator did not answer") && w.second < 120) w.run(w.second + 1);
  w.actuator_answers = true;
  w.run(w.second + 40);
  EXPECT_TRUE(w.promoted) << text_of(w.log) << text_of(w.records);
  World never;
  never.actuator_answers = false;
  never.start();
  never.run(600);
  auto asked = std::count_if(never.all.begin(), never.all.end(),
                             [](const Action& a) { return std::holds_alternative<SetKnob>(a); });
  EXPECT_EQ(asked, 3);
}

TEST(Control, what_the_actuator_did_not_promote_is_no_broken_promise) {
  World w;
  w.promotes = false;
  w.start();
  while (!w.said("not promoted") && w.second < 120) w.run(w.second + 1);
  EXPECT_TRUE(w.said("not promoted: the disk is full")) << text_of(w.records);
  EXPECT_FALSE(w.candidate) << text_of(w.log);
  w.promotes = true;
  w.run(w.second + 40);
  EXPECT_TRUE(w.promoted) << text_of(w.log) << text_of(w.records);
}

TEST(Control, the_lease_ends_what_a_dead_loop_left) {
  World w;
  w.bad = [](const config::Value& v, double broken) { return std::get<bool>(v) ? broken * 0.6 : broken; };
  w.start();
  while (!w.candidate && w.second < 120) w.run(w.second + 1);
  ASSERT_TRUE(w.candidate);
  for (int i = 0; i < 11; ++i) {  // nobody steps the loop
    w.second++;
    if (w.candidate && w.second >= w.candidate->deadline_s) w.candidate.reset();
  }
  EXPECT_FALSE(w.candidate);
}

TEST(Control, goes_on_after_a_restart) {
  World w;
  w.start();
  while (!w.promoted && w.second < 120) w.run(w.second + 1);
  ASSERT_TRUE(w.promoted);
  auto state = nlohmann::json::parse(w.control.snapshot().dump());
  Control again(w.policy);
  ASSERT_TRUE(again.restore(state, {.knobs = {w.knob}}));
  EXPECT_EQ(again.snapshot(), state);
  w.control = std::move(again);
  w.fault = [](int s) { return s < 100 ? 0.3 : 0.0; };
  w.run(260);
  EXPECT_FALSE(w.promoted) << text_of(w.log);  // it still knew what to release
}

// What senders kept while nobody listened is of a time when nothing was held: no reason to take a repair back.
void late_news(bool restarted) {
  World w;
  w.start();
  while (!w.promoted && w.second < 120) w.run(w.second + 1);
  w.run(w.second + 30);
  ASSERT_TRUE(w.promoted) << text_of(w.log);
  if (restarted) {
    Control again(w.policy);
    ASSERT_TRUE(again.restore(w.control.snapshot(), {.knobs = {w.knob}}));
    w.control = std::move(again);
  } else {
    w.second += 18;  // the process was stopped
  }
  const auto as_it_is = std::exchange(w.bad, [](const config::Value&, double) { return 0.9; });
  w.run(w.second + 2);
  w.bad = as_it_is;
  w.run(w.second + 12);
  EXPECT_TRUE(w.promoted) << text_of(w.log);
  EXPECT_FALSE(w.said("as bad as before"));
}

TEST(Control, what_clients_met_without_the_value_does_not_end_a_hold) {
  World w;
  w.start();
  while (!w.promoted && w.second < 120) w.run(w.second + 1);
  w.run(w.second + 30);
  ASSERT_TRUE(w.promoted) << text_of(w.log);
  w.values_away = true;
  w.fault = [](int) { return 0.9; };
  w.run(w.second + 8);
  w.values_away = false;
  w.run(w.second + 12);
  EXPECT_TRUE(w.promoted) << text_of(w.log);
  EXPECT_FALSE(w.said("as bad as before"));
}

TEST(Control, late_news_of_the_time_without_it_does_not_end_a_hold) { late_news(true); }
TEST(Control, late_news_of_the_time_it_was_stopped_does_not_end_a_hold) { late_news(false); }

TEST(Control, a_candidate_of_before_a_restart_is_taken_back) {
  World w;
  w.start();
  while (!w.candidate && w.second < 120) w.run(w.second + 1);
  ASSERT_TRUE(w.candidate);
  std::string id = w.candidate->change.id;
  auto state = w.control.snapshot();
  Control again(w.policy);
  ASSERT_TRUE(again.restore(state, {.knobs = {w.knob}}));
  w.control = std::move(again);
  w.run(w.second + 1);
  EXPECT_TRUE(w.said(id)) << text_of(w.records);
  EXPECT_NE(w.candidate ? w.candidate->change.id : "", id);
}

TEST(Control, is_a_function_of_its_events) {
  auto run = [] {
    World w;
    w.start();
    w.run(120);
    return w;
  };
  World a = run(), b = run();
  EXPECT_EQ(a.records, b.records);
  EXPECT_EQ(text_of(a.log), text_of(b.log));
  EXPECT_EQ(a.control.snapshot().dump(), b.control.snapshot().dump());
}

}  // namespace
}  // namespace hs::loop
