#pragma once
// Scrapes the targets of all jobs: one thread looks for targets, a fixed number of threads ask them, each target at its
// own offset within its interval, so that they spread.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <queue>
#include <thread>

#include "base/metrics.h"
#include "scrape/discovery.h"
#include "scrape/samples.h"
#include "scrape/target.h"

namespace hs::scrape {

struct Options {
  int threads = 16;
  size_t body_bytes_max = 64 << 20;  // of any answer; body_size_limit of a job can only be less
};

struct Outside {
  io::Http& http;
  MakeHttps make_https;
  io::Clock& clock;
  // Stores what was encoded; blocks until it is durable. Called from several threads.
  std::function<Status(wire::prometheus::WriteEncoder)> append;
};

// For /api/v1/targets.
struct TargetReport {
  std::string job, url, interval, timeout;
  config::LabelMap discovered, labels;
  TargetState state;
};
struct Report {
  std::vector<std::string> jobs;  // in the order of the configuration
  std::vector<TargetReport> active;
  std::vector<DroppedTarget> dropped;  // some of them
  std::map<std::string, uint64_t> dropped_counts;
};

class Scraper {
 public:
  Scraper(Outside outside, Options options);
  // Ends without stale markers, as a restart is no end of the targets.
  ~Scraper();
  Scraper(const Scraper&) = delete;
  Scraper& operator=(const Scraper&) = delete;

  using Jobs = std::vector<std::shared_ptr<const Job>>;
  // Checks; changes nothing.
  Result<Jobs> prepare(const std::vector<config::ScrapeJob>& jobs, int64_t interval_ms, int64_t timeout_ms) const;
  // Replaces all jobs; targets that stay keep what they remember.
  void apply(Jobs jobs);

  Report report() const;

 private:
  struct Pool {
    std::shared_ptr<const Job> job;
    std::map<std::string, std::shared_ptr<Target>> targets;  // by key
    std::vector<DroppedTarget> dropped;
    uint64_t dropped_count = 0;
  };
  struct Due {
    MonoNanos at = 0;
    std::shared_ptr<Target> target;
    bool operator<(const Due& other) const { return at > other.at; }  // the earliest on top
  };
  void discover(const std::stop_token& stop);
  void update(const std::shared_ptr<const Job>& job, std::vector<config::TargetGroup> groups);
  void schedule_first(const std::shared_ptr<Target>& target);
  void retire(const std::shared_ptr<Target>& target);
  void work(const std::stop_token& stop);
  void run(const std::shared_ptr<Target>& target, const std::stop_token& stop);
  void finish(Due due);
  void append(Samples samples, Target& target);

  const Outside outside_;
  const Options options_;
  mutable std::mutex mutex_;  // for all below
  std::condition_variable_any wake_;
  Jobs jobs_;
  uint64_t generation_ = 0;  // of jobs_
  std::map<std::string, Pool> pools_;
  std::priority_queue<Due> due_;
  std::vector<std::jthread> workers_;  // started with the first target
  std::jthread discoverer_;            // started with the first job
};

}  // namespace hs::scrape
