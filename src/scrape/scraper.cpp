#include "scrape/scraper.h"

#include <fmt/format.h>

#include "base/log.h"
#include "scrape/fetch.h"
#include "scrape/samples.h"

namespace hs::scrape {
namespace {

constexpr int64_t look_ms = 1'000;      // how soon a changed file of targets is seen
constexpr size_t targets_max = 20'000;  // of all jobs: each remembers its series

metrics::Gauge targets_gauge("homeostat_scrape_targets", "Targets that are scraped.");
metrics::Counter scrapes("homeostat_scrapes_total", "Scrapes that brought samples.");
metrics::Counter failed("homeostat_scrape_failures_total", "Scrapes that failed: up is 0.");
metrics::Counter skipped("homeostat_scrape_skipped_total",
                         "Scrapes left out because the one before, or others, took too long: see scrape.threads.");
metrics::Counter refused("homeostat_scrape_refused_requests_total",
                         "Parts of scrapes that the journal refused, wholly or in part.");

std::shared_ptr<Target> known(const std::map<std::string, std::shared_ptr<Target>>& targets, const std::string& key) {
  const auto at = targets.find(key);
  return at == targets.end() ? nullptr : at->second;
}

// The same series in a new configuration go on: no stale markers.
void inherit(Target& target, Target& old) {
  target.memory = std::exchange(old.memory, {});
  target.state = std::exchange(old.state, {});
}

}  // namespace

Scraper::Scraper(Outside outside, Options options) : outside_(std::move(outside)), options_(options) {}

Scraper::~Scraper() {
  if (discoverer_.joinable()) discoverer_.request_stop();
  for (std::jthread& worker : workers_) worker.request_stop();
  wake_.notify_all();
  if (discoverer_.joinable()) discoverer_.join();
  workers_.clear();
}

Result<Scraper::Jobs> Scraper::prepare(const std::vector<config::ScrapeJob>& configs, int64_t interval_ms,
                                       int64_t timeout_ms) const {
  Jobs jobs;
  for (const config::ScrapeJob& config : configs) {
    HS_ASSIGN(auto job, Job::make(config, interval_ms, timeout_ms, outside_.make_https));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

void Scraper::apply(Jobs jobs) {
  const std::lock_guard lock(mutex_);
  jobs_ = std::move(jobs);
  ++generation_;
  if (!jobs_.empty() && !discoverer_.joinable())
    discoverer_ = std::jthread([this](const std::stop_token& stop) { discover(stop); });
  wake_.notify_all();
}

void Scraper::discover(const std::stop_token& stop) {
  std::vector<std::pair<std::shared_ptr<const Job>, Discovery>> looking;
  uint64_t generation = 0;
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      if (generation != generation_) {
        generation = generation_;
        looking.clear();
        for (const auto& job : jobs_)
          looking.emplace_back(job, Discovery(job->config, outside_.http, outside_.make_https, outside_.clock));
        for (auto pool = pools_.begin(); pool != pools_.end();) {
          const auto same = [&](const auto& job) { return job->config.job_name == pool->first; };
          if (std::any_of(jobs_.begin(), jobs_.end(), same)) {
            ++pool;
            continue;
          }
          for (const auto& [key, target] : pool->second.targets) retire(target);
          pool = pools_.erase(pool);
        }
      }
    }
    for (auto& [job, discovery] : looking)
      if (discovery.look(stop)) update(job, discovery.groups());
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, std::chrono::milliseconds(look_ms), [&] { return generation != generation_; });
  }
}

void Scraper::update(const std::shared_ptr<const Job>& job, std::vector<config::TargetGroup> groups) {
  Made made = make_targets(job, groups);
  for (const std::string& problem : made.problems)
    log::warn("a target cannot be scraped", {{"job", job->config.job_name}, {"why", problem}});
  const std::lock_guard lock(mutex_);
  Pool& pool = pools_[job->config.job_name];
  const bool same_job = pool.job != nullptr && pool.job->config == job->config;
  size_t all = 0;
  for (const auto& [name, other] : pools_) all += &other == &pool ? 0 : other.targets.size();
  std::map<std::string, std::shared_ptr<Target>> next;
  for (const auto& target : made.targets) {
    if (all + next.size() >= targets_max) {
      log::warn("too many targets: some are not scraped", {{"job", job->config.job_name}, {"max", targets_max}});
      break;
    }
    const std::string key = target->key();
    const auto old = known(pool.targets, key);
    const bool same = old && same_job && old->problem == target->problem;
    if (old && !same && !old->running) inherit(*target, *old);
    next.emplace(key, same ? old : target);
  }
  for (const auto& [key, target] : pool.targets)
    if (known(next, key) != target) retire(target);
  for (const auto& [key, target] : next)
    if (known(pool.targets, key) != target) schedule_first(target);
  pool.job = job;
  pool.targets = std::move(next);
  pool.dropped = std::move(made.dropped);
  pool.dropped_count = made.dropped_count;
  targets_gauge.set(static_cast<int64_t>(all + pool.targets.size()));
  if (workers_.empty() && !pool.targets.empty())
    for (int i = 0; i < options_.threads; ++i)
      workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  wake_.notify_all();
}

// At the place in the interval that the target's hash says, the same after a restart.
void Scraper::schedule_first(const std::shared_ptr<Target>& target) {
  const int64_t interval = target->interval_ms * nanos_per_ms;
  const auto offset = static_cast<int64_t>(target->hash % static_cast<uint64_t>(interval));
  const int64_t into = outside_.clock.wall() % interval;
  due_.push({outside_.clock.mono() + (offset + interval - into) % interval, target});
}

void Scraper::retire(const std::shared_ptr<Target>& target) {
  target->retired = true;
  due_.push({outside_.clock.mono(), target});
}

void Scraper::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (due_.empty()) {
      wake_.wait(lock, stop, [&] { return !due_.empty(); });
      continue;
    }
    const MonoNanos left = due_.top().at - outside_.clock.mono();
    if (left > 0) {
      const MonoNanos seen = due_.top().at;
      wake_.wait_for(lock, stop, std::chrono::nanoseconds(left), [&] { return due_.empty() || due_.top().at < seen; });
      continue;
    }
    Due due = due_.top();
    due_.pop();
    if (due.target->running) continue;  // whoever runs it sees that it was retired
    due.target->running = true;
    lock.unlock();
    run(due.target, stop);
    lock.lock();
    due.target->running = false;
    finish(std::move(due));
  }
}

// Its next turn; with the lock.
void Scraper::finish(Due due) {
  Target& target = *due.target;
  if (target.retired) {
    if (target.memory.size() > 0 || target.state.last_scrape > 0) due_.push({outside_.clock.mono(), due.target});
    return;
  }
  const int64_t interval = target.interval_ms * nanos_per_ms;
  const int64_t late = outside_.clock.mono() - due.at;
  const int64_t turns = 1 + std::max<int64_t>(late, 0) / interval;
  skipped.add(static_cast<uint64_t>(turns - 1));
  due.at += turns * interval;
  due_.push(std::move(due));
}

void Scraper::run(const std::shared_ptr<Target>& target, const std::stop_token& stop) {
  bool retired = false;
  TargetState state;
  {
    const std::lock_guard lock(mutex_);
    retired = target->retired;
    state = target->state;
    if (retired) target->state.last_scrape = 0;
  }
  const UnixNanos now = outside_.clock.wall();
  if (retired) {
    if (state.last_scrape > 0) append(end_of(*target, now / nanos_per_ms), *target);
    return;
  }
  Scrape scrape;
  scrape.time_ms = now / nanos_per_ms;
  const MonoNanos started = outside_.clock.mono();
  if (!target->problem.empty()) scrape.status = fail(Code::resource_exhausted, target->problem);
  if (scrape.status) {
    auto answer = fetch(outside_.http, *target, options_.body_bytes_max, stop);
    if (stop.stop_requested()) return;
    const config::ScrapeJob& job = target->job->config;
    if (answer) {
      auto parsed = wire::prometheus::parse_exposition(
          std::move(answer->body), answer->format,
          {.native_histograms = job.scrape_native_histograms, .always_classic = job.always_scrape_classic_histograms});
      if (parsed)
        scrape.answer = std::make_shared<const wire::prometheus::Exposition>(std::move(*parsed));
      else
        scrape.status = tl::unexpected(parsed.error());
    } else {
      scrape.status = tl::unexpected(answer.error());
    }
  }
  state.duration_ns = outside_.clock.mono() - started;
  scrape.duration_s = static_cast<double>(state.duration_ns) / 1e9;
  Samples samples = samples_of(*target, scrape);
  state.last_scrape = now;
  state.health = samples.status ? Health::up : Health::down;
  state.error = samples.status ? "" : samples.status.error().message;
  (samples.status ? scrapes : failed).add();
  if (scrape.answer)
    state.metadata = std::make_shared<const std::map<std::string, Metadata>>(metadata_of(*scrape.answer));
  append(std::move(samples), *target);
  const std::lock_guard lock(mutex_);
  target->state = std::move(state);
}

void Scraper::append(Samples samples, Target& target) {
  for (wire::prometheus::WriteEncoder& part : samples.parts) {
    if (part.empty()) continue;
    const Status stored = outside_.append(std::move(part));
    if (stored) continue;
    refused.add();
    log::warn("samples of a target were refused",
              {{"job", target.job->config.job_name}, {"url", target.url}, {"why", stored.error().message}});
  }
}

Report Scraper::report() const {
  Report out;
  const std::lock_guard lock(mutex_);
  for (const auto& job : jobs_) out.jobs.push_back(job->config.job_name);
  for (const auto& [name, pool] : pools_) {
    for (const auto& [key, target] : pool.targets)
      out.active.push_back({.job = name,
                            .url = target->url,
                            .interval = format_duration_ms(target->interval_ms),
                            .timeout = format_duration_ms(target->timeout_ms),
                            .discovered = target->discovered,
                            .labels = target->labels,
                            .state = target->state});
    out.dropped.insert(out.dropped.end(), pool.dropped.begin(), pool.dropped.end());
    out.dropped_counts[name] = pool.dropped_count;
  }
  return out;
}

}  // namespace hs::scrape
