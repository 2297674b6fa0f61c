#pragma once
// How long data are kept: by age, by signal, and by the size of the whole store. Partitions (6 h of event time) that
// are too old go whole. Beyond the size the oldest go first; inside the newest partition the parts that were written
// first, and the last part written stays whatever the bound is.

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/clock.h"
#include "store/client.h"

namespace hs::store {

struct RetentionPolicy {
  int64_t max_age_ms = 0;                                                      // 0: for ever
  int64_t traces_max_age_ms = 0, logs_max_age_ms = 0, metrics_max_age_ms = 0;  // 0: as max_age_ms
  uint64_t max_bytes = 0;                                                      // 0: no bound
  bool operator==(const RetentionPolicy&) const = default;
};

// A part of a table, as the engine lists it.
struct StoredPart {
  std::string table;
  int64_t partition = 0;  // its first Unix second
  std::string name;
  uint64_t first_block = 0;  // parts are written in this order
  uint64_t bytes = 0;
};

struct Drop {
  std::string table;
  int64_t partition = 0;
  std::string part;  // "": the whole partition
  bool for_age = true;
  bool operator==(const Drop&) const = default;
};

// What to drop, in order. Pure. Descriptions (resources, scopes, facets) of a partition stay as long as any facts of
// it do.
std::vector<Drop> plan_drops(std::span<const StoredPart> parts, const RetentionPolicy& policy, UnixNanos now);

struct RetentionReport {
  uint64_t bytes = 0;    // of the store, before
  uint64_t dropped = 0;  // partitions and parts
};
// One round. A part that was merged away in between is left for the next round.
Result<RetentionReport> apply_retention(Client& client, const RetentionPolicy& policy, UnixNanos now);

// Does that again and again on a thread of its own, and at once when the policy changes.
class RetentionKeeper {
 public:
  // `client` and `clock` must outlive it.
  RetentionKeeper(Client& client, io::Clock& clock, RetentionPolicy policy, int64_t period_ms = 60'000);
  ~RetentionKeeper();
  void set_policy(const RetentionPolicy& policy);

 private:
  void run(const std::stop_token& stop);
  Client& client_;
  io::Clock& clock_;
  const int64_t period_ms_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  RetentionPolicy policy_;
  bool changed_ = false;
  std::jthread thread_;
};

}  // namespace hs::store
