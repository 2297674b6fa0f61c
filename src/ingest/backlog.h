#pragma once
// What is durable and not yet in the engine: requests that wait for a cut, cuts that wait for delivery.
//
// A cut fixes, in the journal, which requests form one delivery. Memory is bounded whatever the engine does: decoded
// batches are kept up to a bound, beyond it a cut is only a range of the journal that will be read again.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "ingest/admission.h"
#include "ingest/journal.h"
#include "ingest/record.h"
#include "model/batch.h"

namespace hs::ingest {

struct Pending {  // a durable request
  uint64_t sequence = 0;
  Location at;
  uint64_t rows = 0, memory_bytes = 0, journal_bytes = 0;
  UnixNanos received_at = 0;
  MonoNanos born = 0;  // when it became durable, on this process's clock
  std::string tenant;
  Admission::Account* account = nullptr;
  std::shared_ptr<const model::Batch> batch;  // none: decode it again
};

struct Cut {
  uint64_t id = 0;
  CutRange range;
  Location at;  // of its first request
  UnixNanos oldest = 0;
  std::vector<Pending> requests;  // all of them with their batches, or none: read the journal
  std::vector<std::pair<Admission::Account*, uint64_t>> held;
  uint64_t held_memory_bytes = 0;
  bool ask_first = false;  // an earlier attempt, or an earlier life, may have delivered some of it
  bool taken = false;
  bool short_of_requests = false;  // told already
  int attempts = 0;
  MonoNanos not_before = 0;
};

// Decides where to cut while a group is being written; what it decides counts when the group is durable.
class CutPlanner {
 public:
  CutPlanner(uint64_t max_rows, uint64_t max_bytes) : max_rows_(max_rows), max_bytes_(max_bytes) {}
  // A range that is full with this request.
  std::optional<CutRange> add(uint64_t sequence, uint64_t rows, uint64_t memory_bytes);
  // What is left.
  std::optional<CutRange> rest();
  // As if add() had been called for these already.
  void resume(const CutRange& open, uint64_t weight, uint64_t bytes) { open_ = open, weight_ = weight, bytes_ = bytes; }

 private:
  uint64_t max_rows_, max_bytes_;
  CutRange open_;
  uint64_t weight_ = 0, bytes_ = 0;
};

// Not thread-safe: Ingest's lock guards it.
class Backlog {
 public:
  struct Bounds {
    uint64_t cut_max_rows = 0, cut_max_bytes = 0;
    int64_t cut_max_age_ms = 0;
    uint64_t waiting_max_bytes = 0;
  };
  Backlog(Bounds bounds, Admission& admission) : bounds_(bounds), admission_(admission) {}

  // A planner that begins with the requests that wait; ranges that are full already are put into `full`.
  CutPlanner planner(std::vector<CutRange>& full) const;
  // Is it time to cut what waits? `through`: a flush wants everything up to this sequence.
  bool cut_is_due(MonoNanos now, uint64_t through) const;

  void add(Pending request);
  void cut(uint64_t id, const CutRange& range, bool ask_first);
  // Takes the batches out of a cut whose blocks are made: who needs them again reads the journal. They are given to the
  // caller, who destroys them when it has left the lock.
  std::vector<Pending> release_batches(Cut& cut);
  // The cut is delivered (or was in a former life).
  void finish(uint64_t id);

  // The first cut that may be tried now, marked as taken.
  std::shared_ptr<Cut> take(MonoNanos now);
  void give_back(Cut& cut, MonoNanos not_before);
  // Ends the pauses of all cuts.
  void hurry();

  // All requests below it are delivered.
  uint64_t lowest_needed() const;
  bool has_uncut() const { return !uncut_.empty(); }
  uint64_t cuts() const { return cuts_.size(); }
  uint64_t rows() const { return rows_; }
  uint64_t memory_bytes() const { return memory_bytes_; }
  std::optional<UnixNanos> oldest() const;

 private:
  bool is_full() const { return uncut_weight_ >= bounds_.cut_max_rows || uncut_bytes_ >= bounds_.cut_max_bytes; }

  const Bounds bounds_;
  Admission& admission_;
  std::deque<Pending> uncut_;
  uint64_t uncut_weight_ = 0, uncut_bytes_ = 0, uncut_rows_ = 0;
  std::map<uint64_t, std::shared_ptr<Cut>> cuts_;  // by id: also the order of their requests
  uint64_t rows_ = 0, memory_bytes_ = 0;
};

}  // namespace hs::ingest
