#include "sim/world.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loop/json.h"

namespace hs::sim {
namespace {

constexpr int64_t epoch = 1'700'000'000;
constexpr int64_t twin_skip_s = 10, twin_s = 12, holds_s = 10;
constexpr double holds_bad = 0.04;
constexpr int64_t curable_after_s = 12;  // when a human who knew would act

struct Second {
  double n = 0, bad = 0;
  double share() const { return n > 0 ? bad / n : 0; }
};

class World {
 public:
  World(const Scenario& scenario, bool verbose)
      : scenario_(scenario),
        verbose_(verbose),
        dice_(scenario.seed * 7919 + 17),
        world_(dice_.split()),
        app_(make_app(dice_)) {
    choose_faults();
    if (!scenario.expectations)
      for (auto& s : app_.settings) s.knob.expect.clear();
    values_.emplace(app_, dice_.next());
    laws_.emplace(app_, *values_);
    telemetry_.emplace(app_, weather(), dice_.split(), epoch);
    oracle_.emplace(app_, faults_, scenario.right, dice_.split(), epoch);
    if (scenario.kind == "forged") laws_->forbid_changes("one sender alone told of a fault");
    if (scenario.kind == "healthy") laws_->forbid_changes("nothing is wrong");
    control_ = std::make_unique<loop::Control>(scenario.policy);
    kill_at_ = scenario.kill ? scenario.warm_s + dice_.integer(2, 60) : -1;
    back_at_ = kill_at_ + dice_.integer(2, 25);
    remembers_ = dice_.chance(0.85);
  }

  Judgement judge() {
    App alone = app_;  // the same world without a loop
    Dice alone_dice = world_;
    int64_t end = scenario_.warm_s + scenario_.fault_s + scenario_.after_s;
    start();
    for (second_ = 0; second_ < end; ++second_) step();
    judge_end();
    judge_restore();
    judge_alone(alone, alone_dice);
    out_.kind = scenario_.kind, out_.violations = laws_->violations();
    return std::move(out_);
  }

 private:
  Weather weather() {
    Weather w{.loss = dice_.chance(0.3) ? 0.02 : 0, .duplicate = dice_.chance(0.3) ? 0.03 : 0};
    w.export_s = dice_.chance(0.7) ? 1 : 2;
    w.one_credential = dice_.chance(0.2) && scenario_.kind != "forged";
    if (scenario_.kind == "survivors") w.lie = Lie::survivors;
    if (scenario_.kind == "inverted") w.lie = Lie::inverted;
    if (scenario_.kind == "forged") {
      w.forged_per_s = dice_.between(5, 40);
      w.forged_from = scenario_.warm_s, w.forged_to = scenario_.warm_s + scenario_.fault_s;
    }
    return w;
  }

  void choose_faults() {
    int64_t start = scenario_.warm_s, end = start + scenario_.fault_s;
    std::vector<std::string> kinds = {scenario_.kind};
    if (scenario_.kind == "two") kinds = {"failing", dice_.chance(0.5) ? "slow" : "pool"};
    if (scenario_.kind == "survivors" || scenario_.kind == "inverted") kinds = {"failing"};
    if (scenario_.kind == "healthy" || scenario_.kind == "forged") kinds.clear();
    for (const auto& kind : kinds) {
      Fault f = make_fault(kind, app_, dice_, start, end);
      if (!f.kind.empty()) faults_.push_back(std::move(f));
    }
    if (scenario_.kind == "survivors") blunt(app_, faults_);
  }

  // The knobs that would help do nothing: a PASS can only come from the lie.
  static void blunt(App& app, const std::vector<Fault>& faults) {
    for (const auto& f : faults)
      for (const auto& cure : f.cures) {
        Setting& s = app.settings[static_cast<size_t>(cure.setting)];
        if (s.edge >= 0) app.edges[static_cast<size_t>(s.edge)].settings[static_cast<size_t>(s.role)] = -1;
        s.role = Role::useless, s.edge = -1;
        s.service = 0;  // still read by every request
      }
  }

  void start() {
    send(loop::ConfigChanged{at(0), app_.declarations()});
    send(loop::Started{at(0), values_->states()});
  }
  UnixNanos at(double second) const { return epoch * nanos_per_s + static_cast<UnixNanos>(second * 1e9); }

  void step() {
    operator_acts();
    for (const auto& f : faults_) f.apply(app_, second_);
    values_->set_time(static_cast<double>(second_));
    Second sum;
    for (const auto& request : app_.step(second_, world_, *values_)) {
      if (!request.attack) sum.n += 1, sum.bad += !app_.good(request);
      telemetry_->add(request);
    }
    seconds_.push_back(sum);
    values_->set_time(static_cast<double>(second_ + 1));
    auto frame = telemetry_->flush(second_);
    frame.served = values_->served();
    if (second_ == scenario_.warm_s && (scenario_.kind == "deploy" || scenario_.kind == "healthy"))
      frame.changes.push_back({epoch + second_, app_.services[0].name, "deploy", "v2", "ci"});
    live(frame);
  }

  // A bad configuration value is set by people, and after a while by the same people set right.
  void operator_acts() {
    for (const auto& f : faults_) {
      if (f.kind != "bad_config" || (second_ != f.start && second_ != f.end)) continue;
      Setting& s = app_.settings[static_cast<size_t>(f.setting)];
      if (second_ == f.start) good_base_ = s.knob.base;
      s.knob.base = second_ == f.start ? f.bad_base : good_base_;
      values_->set_base(s.knob.key, s.knob.base);
      if (control_) send(loop::ConfigChanged{at(static_cast<double>(second_)), app_.declarations()});
    }
  }

  void live(const stream::Frame& frame) {
    auto incidents = oracle_->step(frame, second_);
    if (out_.detected_s < 0 && !incidents.empty() && second_ >= scenario_.warm_s)
      out_.detected_s = static_cast<double>(second_ + 1 - scenario_.warm_s);
    if (second_ == kill_at_) memory_ = control_->snapshot().dump(), control_.reset(), died_at_ = second_;
    if (!control_ && second_ >= back_at_) come_back();
    laws_->on_second(second_, control_ ? 0 : second_ - died_at_);
    if (!control_) return;
    take(control_->step(frame, incidents));
    laws_->end_of_step(second_);
  }

  void come_back() {
    control_ = std::make_unique<loop::Control>(scenario_.policy);
    auto state = nlohmann::json::parse(memory_, nullptr, false);
    if (remembers_ && !control_->restore(state, app_.declarations()))
      laws_->broken(second_, "its own state is refused");
    send(loop::ConfigChanged{at(static_cast<double>(second_)), app_.declarations()});
    send(loop::Started{at(static_cast<double>(second_)), values_->states()});
  }

  void send(const loop::Event& event) { take(control_->step(event, {})); }

  void take(const std::vector<loop::Action>& actions) {
    std::vector<loop::Receipt> receipts;
    for (const auto& action : actions) {
      laws_->on(action, second_);
      note(action);
      for (auto& r : values_->act(action, at(static_cast<double>(second_ + 1) + 0.02)))
        receipts.push_back(std::move(r));
    }
    for (const auto& r : receipts) send(r);
  }

  void note(const loop::Action& action) {
    double since = static_cast<double>(second_ + 1 - scenario_.warm_s);
    if (const auto* set = std::get_if<loop::SetKnob>(&action)) {
      out_.changes++;
      if (out_.changed_s < 0) out_.changed_s = since;
      tell(fmt::format("set {} to {} for {:.0f} %", set->change.knob, config::to_text(set->change.to),
                       100 * set->change.exposure));
    }
    if (const auto* promote = std::get_if<loop::Promote>(&action)) {
      if (out_.promoted_s < 0) out_.promoted_s = since;
      judge_promotion(*promote);
    }
    const auto* record = std::get_if<loop::Record>(&action);
    if (record == nullptr || record->kind == "change") return;
    auto what = nlohmann::json::parse(record->json, nullptr, false);
    if (record->kind == "decision") out_.last_decision = loop::field(what, "decision", std::string());
    if (record->kind == "verdict") out_.verdicts[loop::field(what, "kind", std::string())]++;
    tell(record->kind + " " + record->json);
  }
  void tell(const std::string& what) {
    if (verbose_) out_.story.push_back(fmt::format("{:4} {}", second_ + 1 - scenario_.warm_s, what));
  }

  // Bad share of the coming seconds, if everybody had these values from now on.
  double would_be(const std::vector<config::Value>& values, App app, Dice dice) const {
    Fixed fixed(values);
    Second sum;
    for (int64_t s = 0; s < twin_skip_s + twin_s; ++s) {  // what queued up before drains first
      for (const auto& f : faults_) f.apply(app, second_);
      for (const auto& r : app.step(second_ + 1 + s, dice, fixed))
        if (!r.attack && s >= twin_skip_s) sum.n += 1, sum.bad += !app.good(r);
    }
    return sum.share();
  }

  void judge_promotion(const loop::Promote& promote) {
    const auto* knob = values_->state().find(promote.knob);
    if (knob == nullptr || !knob->candidate || !scenario_.twins) return;
    auto without = values_->settled(), with = without;
    for (size_t i = 0; i < app_.settings.size(); ++i)
      if (app_.settings[i].knob.key == promote.knob) with[i] = knob->candidate->value;
    Promotion p{.knob = promote.knob, .second = second_};
    p.without = would_be(without, app_, world_), p.with = would_be(with, app_, world_);
    tell(fmt::format("promoted {}: bad {:.1f} % without, {:.1f} % with", p.knob, 100 * p.without, 100 * p.with));
    if (scenario_.kind == "stuffing") p.without = p.with = 0;  // its good is not in the requests of honest users
    out_.promotions.push_back(p);
  }

  void judge_end() {
    if (!scenario_.twins) return;
    double settled = would_be(values_->settled(), app_, world_), bases = would_be(values_->bases(), app_, world_);
    if (settled > bases * 1.5 + 0.03)
      laws_->broken(second_, fmt::format("left worse than the base: {:.1f} % bad, {:.1f} % with the base",
                                         100 * settled, 100 * bases));
  }

  void judge_restore() {
    auto from = static_cast<size_t>(scenario_.warm_s), to = from + static_cast<size_t>(scenario_.fault_s);
    double hurt = 0;
    for (size_t s = from + 1; s < from + 15; ++s) hurt += seconds_[s].share() / 14;
    out_.felt = hurt > 0.06 || scenario_.kind == "stuffing";
    for (size_t s = from + 2; s + holds_s <= to; ++s) {
      Second sum;
      for (size_t i = s; i < s + holds_s; ++i) sum.n += seconds_[i].n, sum.bad += seconds_[i].bad;
      if (sum.share() > holds_bad) continue;
      out_.restored = true, out_.restored_s = static_cast<double>(s - from);
      break;
    }
    for (size_t s = from; s < to; ++s) out_.bad_on += seconds_[s].bad;
  }

  // Whether one knob (or one for each fault) brings most of it back, tried in the world without a loop.
  bool is_curable(const App& app, const Dice& dice, const std::vector<config::Value>& bases) const {
    double ill = would_be(bases, app, dice);
    auto cured = bases;
    for (const auto& f : faults_) {
      double best = 1;
      const Cure* which = nullptr;
      for (const auto& cure : f.cures) {
        auto one = cured;
        one[static_cast<size_t>(cure.setting)] = cure.to;
        if (double bad = would_be(one, app, dice); bad < best) best = bad, which = &cure;
      }
      if (which != nullptr) cured[static_cast<size_t>(which->setting)] = which->to;
    }
    return would_be(cured, app, dice) < std::max(0.3 * ill, holds_bad);
  }

  void judge_alone(App& app, Dice dice) {
    Values bases(app, 1);
    second_ = scenario_.warm_s + curable_after_s;
    for (int64_t s = 0; s < scenario_.warm_s + scenario_.fault_s; ++s) {
      if (s == second_) out_.curable = scenario_.kind == "stuffing" || is_curable(app, dice, bases.bases());
      for (const auto& f : faults_) {
        f.apply(app, s);
        if (f.kind == "bad_config" && s == f.start)
          bases.set_base(app.settings[static_cast<size_t>(f.setting)].knob.key, f.bad_base);
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
  std::optional<Oracle> oracle_;
  std::unique_ptr<loop::Control> control_;
  std::vector<Second> seconds_;
  Judgement out_;
  config::Value good_base_;
  std::string memory_;
  bool remembers_ = false;
  int64_t second_ = 0, kill_at_ = -1, back_at_ = -1, died_at_ = 0;
};

}  // namespace

Judgement run(const Scenario& scenario, bool verbose) { return World(scenario, verbose).judge(); }

Healthy run_healthy(uint64_t seed, double hours, const loop::Policy& policy) {
  Scenario s{.seed = seed, .kind = "healthy"};
  s.warm_s = 600, s.fault_s = static_cast<int64_t>(hours * 3600) - 600, s.after_s = 0, s.twins = false,
  s.policy = policy;
  Judgement j = World(s, false).judge();
  Healthy h{.changes = j.changes, .violations = j.violations};
  h.service_hours = hours * 6;
  return h;
}

}  // namespace hs::sim
