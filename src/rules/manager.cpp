#include "rules/manager.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/log.h"
#include "io/files.h"
#include "promql/quote.h"
#include "rules/memory.h"

namespace hs::rules {
namespace {

constexpr int64_t idle_ms = 1'000;              // the longest that nothing is looked at
constexpr int64_t rule_timeout_min_ms = 5'000;  // also of a group that is due each second
constexpr int write_attempts = 3;
constexpr int64_t write_pause_ms = 300;
constexpr size_t errors_logged_max = 5;  // of one evaluation of a group

void log_errors(const Group& group, const Group::Report& report) {
  for (size_t i = 0; i < std::min(report.errors.size(), errors_logged_max); ++i)
    log::warn("a rule failed", {{"file", group.spec().file},
                                {"group", group.spec().name},
                                {"rule", report.errors[i].first},
                                {"why", report.errors[i].second}});
}

}  // namespace

Manager::Manager(ManagerSettings settings, ManagerOutside outside)
    : outside_(std::move(outside)), pool_(std::make_unique<WorkerPool>(threads, static_cast<size_t>(threads))) {
  load_state();
  configure(std::move(settings));
  thread_ = std::jthread([this](const std::stop_token& stop) { schedule_loop(stop); });
}

Manager::~Manager() {
  thread_.request_stop();
  cancel_.request_stop();
  if (thread_.joinable()) thread_.join();
  pool_.reset();
  save_state();
}

void Manager::configure(ManagerSettings settings) {
  std::unique_lock lock(mutex_);
  pausing_ = true;
  const auto still = [this] {
    return std::none_of(entries_.begin(), entries_.end(), [](const auto& e) { return e.second->running; });
  };
  wake_.wait(lock, still);
  std::map<GroupKey, EntryPtr> next;
  for (GroupSpec& spec : settings.groups) {
    const GroupKey key{spec.file, spec.name};
    auto entry = std::make_shared<Entry>(Group(std::move(spec), settings.group));
    if (const auto old = entries_.find(key); old != entries_.end()) {
      entry->group.take_over(old->second->group);
      entry->counters = old->second->counters;
      entry->memory = entry->group.memory();
      if (old->second->group.interval_ms() == entry->group.interval_ms()) {
        entry->schedule = old->second->schedule;
        entry->scheduled = old->second->scheduled;
      }
      entries_.erase(old);
    }
    entry->view = entry->group.view();
    next.emplace(key, std::move(entry));
  }
  std::vector<promql::Sample> gone;
  for (const auto& [key, entry] : entries_)
    for (promql::Sample& sample : entry->group.farewell(now_ms())) gone.push_back(std::move(sample));
  settings.groups.clear();
  settings_ = std::move(settings);
  entries_ = std::move(next);
  pausing_ = false;
  dirty_ = poked_ = true;
  lock.unlock();
  wake_.notify_all();
  if (const Status ok = gone.empty() ? Status{} : write(gone); !ok)
    log::warn("series of removed rules were not marked stale", {{"why", ok.error().message}});
}

void Manager::schedule_loop(const std::stop_token& stop) {
  MonoNanos saved = 0;
  while (!stop.stop_requested()) {
    const bool ready = outside_.ready();
    int64_t wait_ms = idle_ms;
    {
      std::unique_lock lock(mutex_);
      if (ready && !pausing_) wait_ms = submit_due(now_ms());
      wake_.wait_for(lock, stop, std::chrono::milliseconds(std::clamp<int64_t>(wait_ms, 1, idle_ms)),
                     [this] { return poked_; });
      poked_ = false;
    }
    const MonoNanos now = outside_.clock.mono();
    if (now - saved < save_every_ms * nanos_per_ms) continue;
    saved = now;
    save_state();
  }
}

// Hands over what is due, the oldest first; how long until the next is.
int64_t Manager::submit_due(int64_t now_ms) {
  std::multimap<int64_t, EntryPtr> due;
  int64_t next = now_ms + idle_ms;
  for (auto& [key, entry] : entries_) {
    if (!entry->scheduled) plan(*entry, now_ms);
    if (entry->running) continue;
    if (entry->schedule.due(now_ms)) due.emplace(entry->schedule.next_ms, entry);
    next = std::min(next, std::max(entry->schedule.next_ms, now_ms + 1));
  }
  for (auto& [slot, entry] : due) {
    entry->running = true;
    if (pool_->submit([this, entry = entry] { evaluate(entry); })) continue;
    entry->running = false;  // all threads are busy and as many wait: soon
    return write_pause_ms;
  }
  return next - now_ms;
}

// The first slot of a group, once there is something to ask.
void Manager::plan(Entry& entry, int64_t now_ms) {
  const GroupKey key{entry.group.spec().file, entry.group.spec().name};
  int64_t skipped = 0, evaluated = entry.group.last_slot_ms();
  const auto at = memories_.find(key);
  if (at != memories_.end()) evaluated = at->second.evaluated_ms;
  entry.schedule = Schedule::start(entry.group, evaluated, now_ms, settings_.catch_up_ms, skipped);
  entry.scheduled = true;
  if (at == memories_.end()) return;
  if (skipped > outage_tolerance_ms)
    for (auto& [rule, alerts] : at->second.alerts)
      std::erase_if(alerts, [](const Alert& alert) { return alert.state == AlertState::pending; });
  entry.group.remember(at->second, skipped);
  entry.memory = entry.group.memory();
  entry.view = entry.group.view();
  memories_.erase(at);
}

void Manager::evaluate(const EntryPtr& entry) {
  int64_t missed = 0, slot = 0;
  {
    const std::lock_guard lock(mutex_);
    slot = entry->schedule.take(now_ms(), entry->group.interval_ms(), missed);
  }
  const MonoNanos begin = outside_.clock.mono();
  Group::Report report;
  std::vector<Note> notes;
  const bool stopping = cancel_.stop_requested();
  if (!stopping) {
    refresh();
    report = run_group(entry->group, slot);
    // What was cut short by the end of the process is no failure of the rules.
    if (!cancel_.stop_requested()) log_errors(entry->group, report);
    notes = entry->group.to_send(slot, settings_.resend_ms);
  }
  if (!notes.empty() && outside_.notify) outside_.notify(std::move(notes));
  const double took_s = static_cast<double>(outside_.clock.mono() - begin) / 1e9;
  {
    const std::lock_guard lock(mutex_);
    Counters& c = entry->counters;
    c.evaluations += report.evaluated;
    c.failures += report.failed;
    c.iterations += 1 + static_cast<uint64_t>(missed);
    c.missed += static_cast<uint64_t>(missed);
    c.samples = report.samples;
    c.duration_s = took_s;
    c.total_s += took_s;
    entry->view = entry->group.view();
    entry->memory = entry->group.memory();
    entry->running = false;
    dirty_ = poked_ = true;
  }
  wake_.notify_all();
}

Group::Report Manager::run_group(Group& group, int64_t slot_ms) {
  const int64_t timeout_ms = std::min(settings_.query_timeout_ms, std::max(group.interval_ms(), rule_timeout_min_ms));
  const std::unique_ptr<promql::Source> store = outside_.source(timeout_ms, cancel_.get_token());
  Memory written;
  const Overlay source(*store, written);
  std::vector<promql::Sample> samples;
  const auto query = [&](const std::string& expr, int64_t t_ms) {
    promql::Options options = settings_.query;
    const MonoNanos deadline = outside_.clock.mono() + timeout_ms * nanos_per_ms;
    options.interrupt = [this, deadline] {
      if (cancel_.stop_requested()) return promql::Interrupt::canceled;
      return outside_.clock.mono() > deadline ? promql::Interrupt::timeout : promql::Interrupt::none;
    };
    return query_vector(source, expr, t_ms, options);
  };
  const auto keep = [&](std::vector<promql::Sample> more) {
    for (promql::Sample& sample : more) {
      written.add(sample);
      samples.push_back(std::move(sample));
    }
  };
  Group::Report report = group.evaluate(slot_ms, {.query = query, .write = keep, .clock = outside_.clock});
  if (samples.empty()) return report;
  const Status stored = write(samples);
  if (stored) return report;
  report.errors.emplace_back("(all)", "results were not stored: " + stored.error().message);
  report.failed = report.evaluated;
  group.write_failed(report.errors.back().second);
  return report;
}

Status Manager::write(const std::vector<promql::Sample>& samples) {
  Status status;
  for (int attempt = 0; attempt < write_attempts; ++attempt) {
    status = outside_.write(samples);
    const bool again =
        !status && (status.error().code == Code::unavailable || status.error().code == Code::resource_exhausted);
    if (!again || cancel_.stop_requested()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(write_pause_ms));
  }
  return status;
}

// Groups that are due together share one: each makes the engine take a block of its own.
void Manager::refresh() {
  if (!outside_.refresh) return;
  const std::lock_guard lock(refresh_mutex_);
  const MonoNanos now = outside_.clock.mono();
  if (refreshed_at_ != 0 && now - refreshed_at_ < refresh_every_ms * nanos_per_ms) return;
  refreshed_at_ = now;
  outside_.refresh();
}

void Manager::load_state() {
  const auto text = io::read_file(outside_.state_file, state_bytes_max);
  if (!text && text.error().code == Code::not_found) return;
  auto memories = text ? decode_state(*text) : tl::unexpected(text.error());
  if (memories)
    memories_ = std::move(*memories);
  else
    log::warn("alerts begin anew", {{"file", outside_.state_file}, {"why", memories.error().message}});
}

void Manager::save_state() {
  Memories memories;
  {
    const std::lock_guard lock(mutex_);
    if (!dirty_) return;
    dirty_ = false;
    memories = memories_;  // not planned yet: as they were
    for (const auto& [key, entry] : entries_)
      if (entry->scheduled) memories[key] = entry->memory;
  }
  const Status ok = io::replace_file(outside_.state_file, encode_state(memories), 0600, io::Durable::content);
  if (!ok) log::warn("what the rules remember was not saved", {{"why", ok.error().message}});
}

std::vector<GroupViewPtr> Manager::views() const {
  const std::lock_guard lock(mutex_);
  std::vector<GroupViewPtr> out;
  for (const auto& [key, entry] : entries_) out.push_back(entry->view);
  return out;
}

bool Manager::planned() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(entries_.begin(), entries_.end(), [](const auto& e) { return e.second->scheduled; });
}

void Manager::metrics(std::vector<metrics::Sample>& out) const {
  const std::lock_guard lock(mutex_);
  double total_s = 0;
  uint64_t iterations = 0;
  for (const auto& [key, entry] : entries_) {
    const std::string labels = "rule_group=" + promql::quote(key.first + ";" + key.second);
    const auto add = [&](std::string name, std::string help, std::string type, double value) {
      out.push_back({"prometheus_rule_" + name, std::move(help), std::move(type), labels, value});
    };
    const Counters& c = entry->counters;
    add("evaluations_total", "Rule evaluations.", "counter", static_cast<double>(c.evaluations));
    add("evaluation_failures_total", "Rule evaluations that failed.", "counter", static_cast<double>(c.failures));
    add("group_iterations_total", "Evaluations of a group that were due.", "counter",
        static_cast<double>(c.iterations));
    add("group_iterations_missed_total",
        "Evaluations of a group that were left out because those before took too long.", "counter",
        static_cast<double>(c.missed));
    add("group_interval_seconds", "Interval of a group.", "gauge",
        static_cast<double>(entry->group.interval_ms()) / 1e3);
    add("group_rules", "Rules of a group.", "gauge", static_cast<double>(entry->group.spec().rules.size()));
    add("group_last_evaluation_samples", "Samples that the last evaluation made.", "gauge",
        static_cast<double>(c.samples));
    add("group_last_duration_seconds", "How long the last evaluation took.", "gauge", c.duration_s);
    add("group_last_evaluation_timestamp_seconds", "When the last evaluation was.", "gauge",
        static_cast<double>(entry->view->evaluated_at_ms) / 1e3);
    total_s += c.total_s;
    iterations += c.iterations - c.missed;
  }
  out.push_back(
      {"prometheus_rule_group_duration_seconds_sum", "How long evaluations of groups took.", "counter", "", total_s});
  out.push_back({"prometheus_rule_group_duration_seconds_count", "Evaluations of groups.", "counter", "",
                 static_cast<double>(iterations)});
}

}  // namespace hs::rules
