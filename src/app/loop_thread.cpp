#include "app/loop_thread.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>

#include "app/version.h"
#include "base/log.h"
#include "base/metrics.h"
#include "io/files.h"
#include "loop/machine/record.h"

namespace hs::app {
namespace {

constexpr size_t state_bytes_max = 256UL << 20;  // thousands of closed incidents with their evidence
constexpr int64_t tick_ms = 1'000;

metrics::Counter ledger_failures("homeostat_ledger_failures_total", "Entries or heads that could not be written");
metrics::Counter changes_made("homeostat_changes_total", "Changes of knobs that the actuator made");

// What cannot be written down is not done.
loop::Policy policy_of(const config::Settings& settings, bool has_ledger) {
  loop::Policy policy;
  policy.act = settings.flag("loop.act") && has_ledger;
  policy.lease_ms = settings.ms("loop.lease");
  policy.changes_per_hour = static_cast<size_t>(settings.integer("loop.changes_per_hour"));
  policy.changes_per_incident = static_cast<size_t>(settings.integer("loop.changes_per_incident"));
  policy.cooldown_ms = settings.ms("loop.cooldown");
  return policy;
}

bool is_record(const loop::Action& action) { return std::holds_alternative<loop::Record>(action); }
bool changes_something(const loop::Action& action) {
  return !is_record(action) && !std::holds_alternative<loop::Renew>(action);
}

loop::KnobState to_loop(const values::KnobState& knob) {
  return {.knob = knob.key,
          .settled = knob.settled(),
          .promoted = knob.promoted ? knob.promoted->change : "",
          .candidate = knob.candidate ? knob.candidate->change : ""};
}

}  // namespace

LoopThread::LoopThread(Outside outside, std::shared_ptr<const config::Snapshot> config)
    : outside_(std::move(outside)),
      config_(std::move(config)),
      machine_(policy_of(config_->settings, outside_.ledger != nullptr)) {
  stream_.declare(config_->declarations);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

LoopThread::~LoopThread() {
  thread_.request_stop();
  jobs_.close();
}

void LoopThread::add(const model::Batch& batch, UnixNanos received_at, std::string_view credential) {
  const std::lock_guard lock(stream_mutex_);
  stream_.add(batch, received_at, credential);
}

bool LoopThread::order(loop::Operator word) {
  return jobs_.try_push([this, word = std::move(word)] { handle(word); });
}

bool LoopThread::reset(std::string knob, std::string who, std::string why) {
  return jobs_.try_push([this, knob = std::move(knob), who = std::move(who), why = std::move(why)] {
    const auto before = outside_.actuator.state();
    handle(
        loop::Operator{.at = outside_.clock.wall(), .order = loop::Order::reset, .knob = knob, .who = who, .why = why});
    if (!before) return;
    for (const values::KnobState& one : before->knobs)  // also what the loop knows nothing of
      if (knob.empty() || one.key == knob) reset_one(one, who, why);
    if (const auto state = outside_.actuator.state()) note_revision(state->revision);
  });
}

void LoopThread::reset_one(const values::KnobState& knob, const std::string& who, const std::string& why) {
  const std::string change = knob.candidate ? knob.candidate->change : knob.promoted ? knob.promoted->change : "";
  const auto done = outside_.actuator.reset(knob.key);
  const loop::Changes::Entry* about = machine_.changes().find(change);
  const std::string words = done ? fmt::format("{} resets {} to {}{}{}", who, knob.key, config::to_text(done->value),
                                               why.empty() ? "" : ": ", why)
                                 : fmt::format("{} could not be reset: {}", knob.key, done.error().message);
  const nlohmann::json entry = {{"knob", knob.key}, {"change", change},
                                {"who", who},       {"why", why},
                                {"words", words},   {"incident", about == nullptr ? "" : about->change.incident}};
  record("reset", entry.dump());
  if (!done) log::error("a knob could not be reset", {{"knob", knob.key}, {"why", done.error().message}});
}

bool LoopThread::tell(stream::RecentChange change) {
  return jobs_.try_push([this, change = std::move(change)] {
    outside_.recorder.add(change);
    machine_.note(change);
  });
}

bool LoopThread::injected(loop::InjectedFault fault) {
  return jobs_.try_push([this, fault = std::move(fault)] {
    outside_.recorder.add(fault);
    machine_.injected(fault);
    dirty_ = true;  // a fault that is forgotten would be counted as a natural one
  });
}

void LoopThread::alerts_from(std::function<void(stream::Frame&)> fill) {
  const std::lock_guard lock(alerts_mutex_);
  fill_alerts_ = std::move(fill);
}

bool LoopThread::configure(std::shared_ptr<const config::Snapshot> config) {
  return jobs_.try_push([this, config = std::move(config)] {
    config_ = config;
    const loop::Policy policy = policy_of(config->settings, outside_.ledger != nullptr);
    outside_.recorder.add(loop::replay::Settings::of(policy));
    machine_.set_policy(policy);
    {
      const std::lock_guard lock(stream_mutex_);
      stream_.declare(config->declarations);
    }
    handle(loop::ConfigChanged{outside_.clock.wall(), config->declarations});
    if (const auto state = outside_.actuator.state()) note_revision(state->revision);
  });
}

void LoopThread::run(const std::stop_token& stop) {
  start();
  MonoNanos next = outside_.clock.mono() + tick_ms * nanos_per_ms;
  while (!stop.stop_requested()) {
    const int64_t left_ms = (next - outside_.clock.mono()) / nanos_per_ms;
    if (left_ms > 0) {
      if (const auto job = jobs_.pop_for(left_ms)) (*job)();
      continue;
    }
    tick();
    // After a stall (a stopped process) one tick stands for the missed ones.
    next = std::max(next + tick_ms * nanos_per_ms, outside_.clock.mono());
  }
  save();
  save_learned();
}

// The stream is not part of what is replayed: its frames are.
void LoopThread::recall_stream() {
  const auto bytes = io::read_file(outside_.stream_file, state_bytes_max);
  if (!bytes) return;
  const std::lock_guard lock(stream_mutex_);
  if (const Status ok = stream_.restore(*bytes, outside_.clock.wall()); !ok)
    log::warn("who calls whom is learned anew: what the stream had saved is not used", {{"why", ok.error().message}});
}

void LoopThread::start() {
  recall_stream();
  begin_run(io::read_file(outside_.state_file, state_bytes_max).value_or(""),
            io::read_file(outside_.baselines_file, state_bytes_max).value_or(""));
  handle(loop::ConfigChanged{outside_.clock.wall(), config_->declarations});
  tell_what_is_in_force();
}

// A loop with what it remembers: from here on it can be replayed.
void LoopThread::begin_run(std::string snapshot, std::string baselines) {
  const UnixNanos at = outside_.clock.wall();
  const loop::Policy policy = policy_of(config_->settings, outside_.ledger != nullptr);
  machine_ = loop::Machine(policy);
  if (!snapshot.empty())
    if (const Status ok = machine_.restore(snapshot, config_->declarations); !ok)
      log::error("the loop starts without its memory", {{"why", ok.error().message}});
  if (!baselines.empty())
    if (const Status ok = machine_.restore_baselines(baselines, at); !ok)
      log::warn("what is usual is learned anew: the saved baselines are not used", {{"why", ok.error().message}});
  outside_.recorder.add(loop::replay::Begin{.at = at,
                                            .version = version_text,
                                            .has_ledger = outside_.ledger != nullptr,
                                            .ledger_index = outside_.ledger == nullptr ? 0 : outside_.ledger->size(),
                                            .settings = loop::replay::Settings::of(policy),
                                            .declarations = config_->declarations,
                                            .snapshot = std::move(snapshot),
                                            .baselines = std::move(baselines)});
}

void LoopThread::tell_what_is_in_force() {
  loop::Started started{.at = outside_.clock.wall()};
  const auto state = outside_.actuator.state();
  if (state)
    for (const values::KnobState& knob : state->knobs) started.knobs.push_back(to_loop(knob));
  handle(started);
  if (state) note_revision(state->revision);
}

// Declarations give out revisions too. The ledger knows the greatest, so that an older state file, put back from a
// backup, does not make one come again with another meaning.
void LoopThread::note_revision(int64_t revision) {
  if (revision <= noted_revision_) return;
  noted_revision_ = revision;
  const std::string words = fmt::format("the knobs are declared; the newest revision is {}", revision);
  record("declared", nlohmann::json{{"revision", revision}, {"words", words}}.dump());
}

void LoopThread::tick() {
  stream::Frame frame;
  {
    const std::lock_guard lock(stream_mutex_);
    frame = stream_.tick(outside_.clock.wall());
  }
  outside_.observer.fill(frame);
  {
    const std::lock_guard lock(alerts_mutex_);
    if (fill_alerts_) fill_alerts_(frame);
  }
  const UnixNanos at = frame.tick;
  outside_.seen(frame);
  code_defaults_.see(frame.seen, config_->declarations.knobs, at);
  handle(std::move(frame));
  if (outside_.ledger != nullptr && !outside_.ledger->tick()) ledger_failures.add();
  outside_.publish(machine_, code_defaults_, at);
  if (dirty_ || at / nanos_per_s >= saved_s_ + snapshot_every_s) save();
  if (at / nanos_per_s >= learned_s_ + snapshot_every_s) save_learned();
}

// One event, and the receipts that follow from it.
void LoopThread::handle(const loop::Event& event) {
  std::deque<loop::Event> events{event};
  bool changed = false;
  while (!events.empty()) {
    outside_.recorder.add(events.front());
    const std::vector<loop::Action> actions = machine_.step(events.front());
    events.pop_front();
    for (const loop::Receipt& receipt : perform(actions)) events.push_back(receipt);
    const bool decided = std::any_of(actions.begin(), actions.end(), is_record);
    if (decided) outside_.recorder.hurry();
    dirty_ = dirty_ || decided;
    changed = changed || std::any_of(actions.begin(), actions.end(), changes_something);
  }
  if (changed) save();  // a kill in the next second must not forget why a value is in force
}

// What was decided is durable before it is done (law 4).
std::vector<loop::Receipt> LoopThread::perform(const std::vector<loop::Action>& actions) {
  for (const loop::Action& action : actions)
    if (const auto* entry = std::get_if<loop::Record>(&action)) record(entry->kind, entry->json);
  Status durable;
  if (std::any_of(actions.begin(), actions.end(), changes_something)) durable = commit();
  if (!durable) {
    ledger_failures.add();
    log::error("nothing is changed: the ledger cannot be written", {{"why", durable.error().message}});
  }
  std::vector<loop::Receipt> receipts;
  for (const loop::Action& action : actions) {
    if (is_record(action)) continue;
    if (auto receipt = perform_one(action, durable)) receipts.push_back(std::move(*receipt));
  }
  return receipts;
}

std::optional<loop::Receipt> LoopThread::perform_one(const loop::Action& action, const Status& durable) {
  // Taking something back never waits for the ledger: the safe side first.
  if (const auto* a = std::get_if<loop::Revert>(&action))
    return receipt(loop::Deed::reverted, a->change, outside_.actuator.revert(a->change));
  if (const auto* a = std::get_if<loop::Renew>(&action)) return renew(*a);
  const auto unless_refused = [&](auto f) -> Result<values::Receipt> {
    if (!durable) return tl::unexpected(durable.error());
    return f();
  };
  if (const auto* a = std::get_if<loop::Promote>(&action))
    return receipt(loop::Deed::promoted, a->change,
                   unless_refused([&] { return outside_.actuator.promote(a->change); }));
  const loop::Change& change = std::get<loop::SetKnob>(action).change;
  return receipt(loop::Deed::set, change.id, unless_refused([&] {
                   return outside_.actuator.apply({.id = change.id,
                                                   .knob = change.knob,
                                                   .value = change.to,
                                                   .exposure = change.exposure,
                                                   .service = change.service,
                                                   .lease_ms = change.lease_ms,
                                                   .instance = change.instance});
                 }));
}

std::optional<loop::Receipt> LoopThread::renew(const loop::Renew& renew) {
  const std::string ids[] = {renew.change};
  const auto gone = outside_.actuator.renew(ids, renew.lease_ms);
  if (gone && gone->empty()) return std::nullopt;
  loop::Receipt late{.deed = loop::Deed::renewed, .change = renew.change, .at = outside_.clock.wall()};
  late.error = gone ? "the lease had ended" : gone.error().message;
  return late;
}

loop::Receipt LoopThread::receipt(loop::Deed deed, const std::string& change, const Result<values::Receipt>& done) {
  loop::Receipt out{.deed = deed, .change = change, .ok = done.has_value(), .at = outside_.clock.wall()};
  if (done) {
    out.revision = done->revision;
    out.previous = done->previous;
    changes_made.add();
  } else {
    out.error = done.error().message;
    log::warn("a change was not made", {{"change", change}, {"why", out.error}});
  }
  return out;
}

Status LoopThread::commit() {
  if (outside_.ledger == nullptr) return fail(Code::unavailable, "there is no ledger that could be continued");
  return outside_.ledger->commit();
}

void LoopThread::record(std::string_view kind, std::string_view json) {
  if (outside_.ledger == nullptr) return ledger_failures.add();
  if (const auto entry = outside_.ledger->append(kind, json); !entry) {
    ledger_failures.add();
    log::error("a ledger entry could not be written", {{"kind", kind}, {"why", entry.error().message}});
  }
}

void LoopThread::save() {
  saved_s_ = outside_.clock.wall() / nanos_per_s;
  dirty_ = false;
  saver_.save(outside_.state_file, machine_.snapshot());
}

void LoopThread::save_learned() {
  learned_s_ = outside_.clock.wall() / nanos_per_s;
  saver_.save(outside_.baselines_file, machine_.baselines());
  std::string stream;
  {
    const std::lock_guard lock(stream_mutex_);
    stream = stream_.memory(outside_.clock.wall());
  }
  saver_.save(outside_.stream_file, std::move(stream));
}

}  // namespace hs::app
