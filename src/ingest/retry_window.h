#pragma once
// Recognises a request that was sent before: a sender whose answer got lost sends the same bytes again.

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/time.h"
#include "ingest/record.h"

namespace hs::ingest {

// Not thread-safe: Ingest's lock guards it.
class RetryWindow {
 public:
  using Done = std::function<void(Status)>;
  enum class Seen : uint8_t { never, in_flight, durable };

  RetryWindow(int64_t window_ms, uint64_t max_entries) : window_ns_(window_ms * nanos_per_ms), max_(max_entries) {}

  Seen find(const Hash128& hash, UnixNanos now);
  // The request is on its way to the disk.
  void begin(const Hash128& hash) { flights_[hash]; }
  // A retry of it: `done` gets the answer of the first.
  void wait(const Hash128& hash, Done done);
  uint64_t waiting() const { return waiting_; }  // retries that wait for their firsts
  // The way ended. Returns who waited.
  std::vector<Done> settle(const Hash128& hash, bool durable, UnixNanos at);
  // A durable request of a former life.
  void restore(const SeenRequest& seen);
  // All durable ones, for the head of a segment.
  std::string snapshot(UnixNanos now);

  size_t size() const { return durable_.size(); }

 private:
  void expire(UnixNanos now);

  const int64_t window_ns_;
  const uint64_t max_;
  uint64_t waiting_ = 0;
  std::unordered_map<Hash128, UnixNanos> durable_;
  std::deque<SeenRequest> order_;  // oldest first; an entry counts only while durable_ has the same time
  std::unordered_map<Hash128, std::vector<Done>> flights_;  // bounded by admission: each holds an owed answer
};

}  // namespace hs::ingest
