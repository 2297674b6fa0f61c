#include "sim/world.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loop/json.h"
#include "sim/pilot.h"
#include "sim/telemetry.h"
#include "sim/truth.h"

namespace hs::sim {
namespace {

constexpr int64_t epoch = 1'700'000'000;
constexpr int64_t holds_s = 10;
constexpr double holds_bad = 0.04, felt_bad = 0.06;
constexpr int64_t human_after_s = 12;  // when a human who knew would act
constexpr int64_t lease_s = 12;
constexpr int64_t killed_for_s = 25, stopped_for_s = 30;

// What goes wrong, by kind: mostly one fault of that name.
std::vector<std::string> faults_of(const std::string& kind, Dice& dice) {
  static const std::set<std::string> none = {"healthy", "forged"};
  static const std::set<std::string> failing = {"survivors", "inverted", "late", "lossy", "killed", "stopped"};
  if (none.contains(kind)) return {};
  if (failing.contains(kind)) return {"failing"};
  if (kind == "two" || kind == "budget") return {"failing", dice.chance(0.5) ? "slow" : "pool"};
  return {kind};
}

class Run {
 public:
  Run(const Scenario& scenario, bool verbose)
      : scenario_(scenario), verbose_(verbose), dice_(scenario.seed * 7919 + 17), world_(dice_.split()) {
    app_ = make_app(dice_);
    choose_faults();
    if (scenario.renamed) rename(app_, scenario.seed);
    calibrate(app_, dice_.split());
    if (!scenario.expectations)
      for (auto& s : app_.settings) s.knob.expect.clear();
    if (scenario.kind == "budget") scenario_.policy.changes_per_hour = 2;
    values_.emplace(app_, dice_.next());
    laws_.emplace(app_, *values_, scenario_.policy);
    telemetry_.emplace(app_, weather(), dice_.split(), epoch);
    if (breaks_ >= 0) laws_->forbid_keeping(app_.settings[static_cast<size_t>(breaks_)].knob.key);
    if (scenario.kind == "forged") laws_->forbid_changes("one sender alone told of a fault");
    probed_ = dice_.chance(0.3);
    kill_at_ = scenario.dies ? scenario.warm_s + dice_.integer(2, 60) : -1;
    back_at_ = kill_at_ + dice_.integer(2, 25);
    remembers_ = dice_.chance(0.85);
    stop_at_ = scenario.kind == "stopped" ? scenario.warm_s + dice_.integer(8, 40) : -1;
  }
  void add(const Fault& fault) { faults_.push_back(fault); }
  const App& app() const { return app_; }
  Dice& dice() { return dice_; }

  Judgement judge() {
    App alone = app_;  // the same world without a loop
    Dice alone_dice = world_;
    pilot_.emplace(Pilot::Outside{*values_, *laws_, [this](const loop::Action& a) { note(a); },
                                  [this] { return at(static_cast<double>(second_ + 1) + 0.02); }},
                   scenario_.policy, scenario_.replayed);
    pilot_->start(at(0), app_.declarations());
    int64_t end = scenario_.warm_s + scenario_.fault_s + scenario_.after_s;
    for (second_ = 0; second_ < end; ++second_) step();
    finish();
    if (scenario_.judged) judge_alone(alone, alone_dice);
    judge_restore();
    out_.kind = scenario_.kind, out_.violations = laws_->violations();
    return std::move(out_);
  }

 private:
  Weather weather() {
    const std::string& kind = scenario_.kind;
    Weather w{.loss = dice_.chance(0.3) ? 0.02 : 0, .duplicate = dice_.chance(0.3) ? 0.03 : 0};
    w.export_s = dice_.chance(0.7) ? 1 : 2;
    if (scenario_.export_s > 0) w.export_s = scenario_.export_s;
    w.kept = scenario_.kept;
    w.one_credential = dice_.chance(0.2) && kind != "forged";
    if (kind == "survivors") w.lie = Lie::survivors;
    if (kind == "inverted") w.lie = Lie::inverted;
    if (kind == "lossy") w.loss = 0.2;
    if (kind == "late") w.late_service = static_cast<int>(dice_.below(3)), w.late_s = dice_.between(3, 6);
    if (kind == "forged") {
      w.forged_per_s = dice_.between(5, 40);
      w.forged_from = scenario_.warm_s, w.forged_to = scenario_.warm_s + scenario_.fault_s;
    }
    return w;
  }

  void choose_faults() {
    int64_t start = scenario_.warm_s, end = start + scenario_.fault_s;
    for (const auto& kind : faults_of(scenario_.kind, dice_)) {
      Fault f = make_fault(kind, app_, dice_, start, end);
      if (!f.kind.empty()) faults_.push_back(std::move(f));
    }
    if (scenario_.kind == "survivors") blunt(app_, faults_);
    if (scenario_.kind == "tradeoff" && !faults_.empty()) breaks_ = faults_[0].setting;
  }

  // The knobs that would help do nothing: a PASS can only come from the lie.
  static void blunt(App& app, std::vector<Fault>& faults) {
    for (auto& f : faults) {
      for (const auto& cure : f.cures) {
        Setting& s = app.settings[static_cast<size_t>(cure.setting)];
        Edge& edge = app.edges[static_cast<size_t>(s.edge)];
        edge.settings[static_cast<size_t>(s.role)] = -1;
        s.service = app.operations[static_cast<size_t>(edge.from)].service;  // still read there
        s.role = Role::useless, s.edge = -1;
      }
      f.cures.clear();
    }
  }

  UnixNanos at(double second) const { return epoch * nanos_per_s + static_cast<UnixNanos>(second * 1e9); }

  void step() {
    laws_->set_second(second_);
    for (const auto& f : faults_)
      if (f.start == second_) tell(fmt::format("{} of size {:.2f} begins", f.kind, f.size));
    operator_acts();
    app_.heal();
    for (const auto& f : faults_) f.apply(app_, second_);
    values_->set_time(static_cast<double>(second_));
    Score sum;
    for (const auto& request : app_.step(second_, world_, *values_)) {
      sum.add(app_, request);
      telemetry_->add(request);
    }
    seconds_.push_back(sum);
    stream::ProbeResult probe = ask();
    values_->set_time(static_cast<double>(second_ + 1));
    if (second_ == kill_at_) die();
    auto frame = telemetry_->flush(second_, pilot_->alive());
    frame.served = values_->served();
    if (probed_) frame.probes.push_back(probe);
    live(frame);
    laws_->end_of_second(pilot_->alive() ? 0 : second_ - died_at_);
  }

  // What we observe ourselves.
  stream::ProbeResult ask() {
    if (!probed_) return {};
    Request r = app_.probe(static_cast<double>(second_) + 0.5, world_, *values_);
    telemetry_->add(r);
    const Service& service = app_.services[0];
    return {epoch + second_, "probe", service.name, !r.error, (r.end - r.start) * 1000};
  }

  void operator_acts() {
    const double now = static_cast<double>(second_);
    // A bad configuration value is set by people, and after a while by the same people set right.
    for (const auto& f : faults_) {
      if (f.kind != "bad_config" || (second_ != f.start && second_ != f.end)) continue;
      Setting& s = app_.settings[static_cast<size_t>(f.setting)];
      if (second_ == f.start) good_base_ = s.knob.base;
      s.knob.base = second_ == f.start ? f.bad_base : good_base_;
      values_->set_base(s.knob.key, s.knob.base);
      if (pilot_->alive()) pilot_->handle(loop::ConfigChanged{at(now), app_.declarations()});
    }
    if (stop_at_ < 0 || (second_ != stop_at_ && second_ != stop_at_ + stopped_for_s) || !pilot_->alive()) return;
    loop::Order order = second_ == stop_at_ ? loop::Order::stop : loop::Order::resume;
    loop::Operator word{at(now), order, "", "ops", "for a try"};
    laws_->on(word);
    pilot_->handle(word);
  }

  void live(const stream::Frame& frame) {
    if (!pilot_->alive() && died_at_ < second_ && second_ >= back_at_) come_back();
    if (!pilot_->alive()) return;
    pilot_->handle(frame);
    pilot_->save(second_);
    look();
    bool in_flight = scenario_.kind == "killed" && kill_at_ < 0 && second_ >= scenario_.warm_s &&
                     !pilot_->machine().control().in_flight().empty();
    if (in_flight) kill_at_ = second_ + dice_.integer(1, 4), back_at_ = kill_at_ + killed_for_s;
  }

  void die() {
    pilot_->die(), telemetry_->forget();
    died_at_ = second_;
  }
  void come_back() {
    pilot_->come_back(at(static_cast<double>(second_)), app_.declarations(), remembers_);
    tell(remembers_ ? "the loop is back" : "the loop is back, and has forgotten everything");
  }

  // What the loop says is wrong.
  void look() {
    for (const loop::Incident* incident : pilot_->machine().understanding().current()) {
      if (!known_.insert(incident->id).second) continue;
      out_.incidents++;
      bool early = second_ < scenario_.warm_s;
      if (early) out_.before++;
      if (!early && out_.detected_s < 0) out_.detected_s = static_cast<double>(second_ + 1 - scenario_.warm_s);
      for (const auto& s : incident->symptoms) tell(fmt::format("{} opened by {}: {}", incident->id, s.id, s.evidence));
      if (!incident->causes.empty()) tell(incident->id + " cause " + incident->causes[0].entity);
    }
  }

  void note(const loop::Action& action) {
    double since = static_cast<double>(second_ + 1 - scenario_.warm_s);
    if (const auto* set = std::get_if<loop::SetKnob>(&action)) {
      out_.changes++;
      if (out_.changed_s < 0) out_.changed_s = since;
      tell(fmt::format("set {} to {} for {:.0f} %", set->change.knob, config::to_text(set->change.to),
                       100 * set->change.exposure));
    }
    const auto* record = std::get_if<loop::Record>(&action);
    if (record == nullptr || record->kind == "change" || record->kind == "incident") return;
    auto what = nlohmann::json::parse(record->json, nullptr, false);
    if (record->kind == "decision") out_.last_decision = loop::field(what, "decision", std::string());
    tell(record->kind + " " + record->json);
    if (record->kind == "verdict") judge_trial(what);
  }
  void tell(const std::string& what) {
    if (verbose_) out_.story.push_back(fmt::format("{:4} {}", second_ + 1 - scenario_.warm_s, what));
  }

  World now() const { return {app_, world_, faults_, second_}; }

  void judge_trial(const nlohmann::json& what) {
    Trial t{.knob = loop::field(what, "knob", std::string()), .verdict = loop::field(what, "kind", std::string())};
    t.breaks = breaks_ >= 0 && t.knob == app_.settings[static_cast<size_t>(breaks_)].knob.key;
    t.seen = t.breaks && !app_.toll.silent;
    t.second = second_, t.evidence = loop::field(what, "evidence", std::string());
    const auto* knob = values_->state().find(t.knob);
    if (knob != nullptr && knob->candidate && scenario_.judged) {
      auto values = values_->settled();
      t.without = would_be(now(), values).total();
      for (size_t i = 0; i < app_.settings.size(); ++i)
        if (app_.settings[i].knob.key == t.knob) values[i] = knob->candidate->value;
      t.with = would_be(now(), values).total();
      t.by_instance = knob->scope == config::KnobScope::instance;
      t.everybody = knob->candidate->exposure >= 1 && knob->candidate->instance.empty();
      tell(fmt::format("truth of {}: bad {:.1f} % without, {:.1f} % with", t.knob, 100 * t.without, 100 * t.with));
    }
    out_.trials.push_back(std::move(t));
  }

  // The loop goes away for good; what it leaves must be what it promoted.
  void finish() {
    if (scenario_.judged) {
      double settled = would_be(now(), values_->settled()).total(), bases = would_be(now(), values_->bases()).total();
      if (settled > bases * 1.5 + 0.03)
        laws_->broken(
            fmt::format("left worse than the base: {:.1f} % bad, {:.1f} % with the base", 100 * settled, 100 * bases));
    }
    if (scenario_.replayed)
      if (std::string difference = pilot_->replay(); !difference.empty()) laws_->broken(difference);
    values_->set_time(static_cast<double>(second_ + lease_s));
    laws_->at_end();
    for (const auto& k : values_->state().knobs) out_.left += k.promoted.has_value();
  }

  void judge_restore() {
    auto from = static_cast<size_t>(scenario_.warm_s), to = from + static_cast<size_t>(scenario_.fault_s);
    Score hurt;
    for (size_t s = from + 1; s < std::min(to, from + 15); ++s) hurt.add(seconds_[s]);
    out_.felt = hurt.total() > felt_bad;
    for (size_t s = from + 2; s + holds_s <= to; ++s) {
      Score sum;
      for (size_t i = s; i < s + holds_s; ++i) sum.add(seconds_[i]);
      if (sum.total() > well_) continue;
      out_.restored = true, out_.restored_s = static_cast<double>(s - from);
      break;
    }
    for (size_t s = from; s < to; ++s) out_.bad_on += seconds_[s].bad;
  }

  // The same without a loop; and what the knobs could do, told a moment after the fault.
  void judge_alone(App& app, Dice dice) {
    Values bases(app, 1);
    for (int64_t s = 0; s < scenario_.warm_s + scenario_.fault_s; ++s) {
      app.heal();
      for (const auto& f : faults_) {
        f.apply(app, s);
        if (f.kind == "bad_config" && s == f.start)
          bases.set_base(app.settings[static_cast<size_t>(f.setting)].knob.key, f.bad_base);
      }
      if (s == scenario_.warm_s + human_after_s) {
        Best best = best_of({app, dice, faults_, s}, bases.bases());
        out_.curable = best.cured < std::max(0.5 * best.untouched, holds_bad) && best.untouched > holds_bad;
        well_ = std::max(holds_bad, 1.25 * best.cured + 0.01);
      }
      for (const auto& r : app.step(s, dice, bases))
        if (!r.attack && s >= scenario_.warm_s) out_.bad_off += !app.good(r);
    }
  }

  Scenario scenario_;
  bool verbose_;
  Dice dice_, world_;
  App app_;
  std::vector<Fault> faults_;
  std::optional<Values> values_;
  std::optional<Laws> laws_;
  std::optional<Telemetry> telemetry_;
  std::optional<Pilot> pilot_;
  std::vector<Score> seconds_;
  std::set<std::string> known_;  // incidents
  Judgement out_;
  config::Value good_base_;
  double well_ = holds_bad;
  int breaks_ = -1;  // a setting whose change breaks what was declared
  bool remembers_ = false, probed_ = false;
  int64_t second_ = 0, kill_at_ = -1, back_at_ = -1, died_at_ = 0, stop_at_ = -1;
};

}  // namespace

const std::vector<std::string>& scenario_kinds() {
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> all = fault_kinds();
    std::erase_if(all, [](const auto& k) { return k == "surge" || k == "release" || k == "burst"; });
    all.insert(all.end(), {"two", "late", "lossy", "forged", "survivors", "inverted", "killed", "stopped", "budget"});
    return all;
  }();
  return kinds;
}

Judgement run(const Scenario& scenario, bool verbose) { return Run(scenario, verbose).judge(); }

Healthy run_healthy(Scenario s, double hours, bool verbose) {
  constexpr double surges_per_hour = 2, releases_per_hour = 2, bursts_per_hour = 12;
  s.kind = "healthy", s.warm_s = 0, s.fault_s = static_cast<int64_t>(hours * 3600), s.after_s = 0;
  s.judged = s.replayed = false;
  Run run(s, verbose);
  auto happen = [&](const std::string& kind, double per_hour, int64_t lasts_s) {
    for (double at = 0;;) {
      at += run.dice().exponential(3600 / per_hour);
      if (at >= static_cast<double>(s.fault_s)) return;
      App unchanged = run.app();
      auto from = static_cast<int64_t>(at);
      run.add(make_fault(kind, unchanged, run.dice(), from, from + lasts_s));
    }
  };
  happen("surge", surges_per_hour, 240), happen("release", releases_per_hour, 1), happen("burst", bursts_per_hour, 5);
  Judgement j = run.judge();
  auto services = std::count_if(run.app().services.begin(), run.app().services.end(), [](auto& x) { return x.traced; });
  Healthy h{.system_hours = hours, .service_hours = hours * static_cast<double>(services)};
  h.changes = j.changes, h.incidents = j.incidents, h.violations = j.violations, h.story = std::move(j.story);
  return h;
}

}  // namespace hs::sim
