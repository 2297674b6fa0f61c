#pragma once
// Evaluates groups when they are due, on threads of its own; keeps what they remember in a file; applies a changed set
// of rules whole.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "base/worker_pool.h"
#include "rules/schedule.h"
#include "rules/state.h"

namespace hs::rules {

struct ManagerSettings {
  std::vector<GroupSpec> groups;
  Group::Options group;
  promql::Options query;               // without interrupt
  int64_t query_timeout_ms = 120'000;  // of one rule; never longer than its group's interval (but 5 s at least)
  int64_t resend_ms = 60'000;
  int64_t catch_up_ms = 600'000;  // missed slots of a restart that are evaluated afterwards
};

struct ManagerOutside {
  io::Clock& clock;
  // What rules read. Made for each evaluation; `cancel` ends what is under way.
  std::function<std::unique_ptr<promql::Source>(int64_t timeout_ms, std::stop_token cancel)> source;
  std::function<bool()> ready;    // false: nothing can be asked yet; slots wait
  std::function<void()> refresh;  // everything acknowledged is readable when it returns
  // Returns when the samples are durable. unavailable, resource_exhausted: it is tried again.
  std::function<Status(const std::vector<promql::Sample>&)> write;
  std::function<void(std::vector<Note>)> notify;  // must not block
  std::string state_file;
};

class Manager {
 public:
  // Alerts of a process that was away longer do not go on pending.
  static constexpr int64_t outage_tolerance_ms = 3'600'000;
  static constexpr int threads = 4;  // groups at once: a slow one does not hold up the others
  static constexpr int64_t save_every_ms = 1'000;
  static constexpr int64_t refresh_every_ms = 1'000;

  Manager(ManagerSettings settings, ManagerOutside outside);
  ~Manager();  // evaluations under way end soon; what they remember is saved

  // Groups that are the same go on; of changed ones the rules that are the same. Waits for evaluations under way.
  void configure(ManagerSettings settings);

  std::vector<GroupViewPtr> views() const;  // by file and name
  bool planned() const;                     // every group remembers what it knew before a restart: views() are whole
  void metrics(std::vector<metrics::Sample>& out) const;

 private:
  struct Counters {
    uint64_t evaluations = 0, failures = 0, iterations = 0, missed = 0, samples = 0;
    double duration_s = 0, total_s = 0;
  };
  struct Entry {
    explicit Entry(Group given) : group(std::move(given)) {}
    Group group;  // of the thread that evaluates it while `running`
    Schedule schedule;
    bool running = false, scheduled = false;
    GroupViewPtr view;
    Group::Memory memory;
    Counters counters;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  void schedule_loop(const std::stop_token& stop);
  int64_t submit_due(int64_t now_ms);
  void plan(Entry& entry, int64_t now_ms);
  void evaluate(const EntryPtr& entry);
  Group::Report run_group(Group& group, int64_t slot_ms);
  Status write(const std::vector<promql::Sample>& samples);
  void refresh();
  void load_state();
  void save_state();
  int64_t now_ms() const { return outside_.clock.wall() / nanos_per_ms; }

  ManagerOutside outside_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any wake_;
  ManagerSettings settings_;
  std::map<GroupKey, EntryPtr> entries_;
  Memories memories_;  // of the process before, until its group is planned
  bool dirty_ = false, pausing_ = false;
  bool poked_ = false;  // something was done that may make a group due
  std::atomic<MonoNanos> refreshed_at_{0};
  std::mutex refresh_mutex_;
  std::stop_source cancel_;
  std::unique_ptr<WorkerPool> pool_;
  std::jthread thread_;  // last: stops first
};

}  // namespace hs::rules
