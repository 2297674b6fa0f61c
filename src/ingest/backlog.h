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
  bool held = false;
  Admission::Account* account = nullptr;
  std::shared_ptr<const model::Batch> batch;  // none: decode it again
};

struct Cut {
  uint64_t id = 0;
  CutRange range;
  Location at;                // of its first request
  uint64_t memory_bytes = 0;  // of its requests, decoded
  UnixNanos oldest = 0;
  std::vector<Pending> requests;  // all of them with their batches, or none: read the journal
  std::vector<std::pair<Admission::Account*, uint64_t>> held;
  uint64_t held_memory_bytes = 0;
  bool undecided = false;  // held: which of its spans are stored is not known yet
  bool observed = false;   // the sampler has seen it
  bool deciding = false;   // its verdicts are on their way to the disk
  MonoNanos born = 0;      // when it was made
  std::string verdicts;    // the payload of its record `decided`; "": all of it is stored
  bool ask_first = false;  // an earlier attempt, or an earlier life, may have delivered some of it
  bool taken = false;
  bool short_of_requests = false;  // told already
  int attempts = 0;
  MonoNanos not_before = 0;
};

// Decides where to cut while a group is being written; what it decides counts when the group is durable.
class CutPlanner {
 public:
  CutPlanner(uint64_t max_rows, uint64_t max_bytes, bool held)
      : max_rows_(max_rows), max_bytes_(max_bytes), held_(held) {}
  // A range that is full with this request.
  std::optional<CutRange> add(uint64_t sequence, uint64_t rows, uint64_t memory_bytes);
  // What is left.
  std::optional<CutRange> rest();
  // As if add() had been called for these already.
  void resume(const CutRange& open, uint64_t weight, uint64_t bytes) { open_ = open, weight_ = weight, bytes_ = bytes; }

 private:
  uint64_t max_rows_, max_bytes_;
  bool held_;
  CutRange open_;
  uint64_t weight_ = 0, bytes_ = 0;
};

// Two lanes: what goes to the engine as soon as it is cut, and what is held until the sampler has decided on it.
// Not thread-safe: Ingest's lock guards it.
class Backlog {
 public:
  struct Bounds {
    uint64_t cut_max_rows = 0, cut_max_bytes = 0;
    int64_t cut_max_age_ms = 0;
    uint64_t waiting_max_bytes = 0;
  };
  Backlog(Bounds bounds, Admission& admission) : bounds_(bounds), admission_(admission) {}

  // A planner that begins with the requests of the lane that wait; ranges that are full already are put into `full`.
  CutPlanner planner(bool held, std::vector<CutRange>& full) const;
  // Is it time to cut what waits? `through`: a flush wants everything up to this sequence that is not held.
  bool cut_is_due(bool held, MonoNanos now, uint64_t through) const;

  // `held_bytes_max`: beyond twice as much memory a held request is stored without being looked at.
  void add(Pending request, uint64_t held_bytes_max = 0);
  void cut(uint64_t id, const CutRange& range, bool ask_first, MonoNanos now);
  // Takes the batches out of a cut whose blocks are made: who needs them again reads the journal. They are given to the
  // caller, who destroys them when it has left the lock.
  std::vector<Pending> release_batches(Cut& cut);
  // The cut is delivered (or was in a former life).
  void finish(uint64_t id);

  // The first held cut that the sampler has not seen; the first that it has seen and not decided. nullptr: none.
  std::shared_ptr<Cut> unobserved() const;
  std::shared_ptr<Cut> undecided() const;
  // It is durable which of its spans are stored: it can be delivered. What it returns is for the caller to destroy.
  std::vector<Pending> decide(uint64_t id, std::string verdicts);
  // Batches of held requests that the engine does not have, with the verdicts of their cut ("": none yet).
  struct Held {
    std::shared_ptr<const model::Batch> batch;
    uint64_t sequence = 0;
    UnixNanos received_at = 0;
    std::shared_ptr<const Cut> cut;  // none: not cut yet
  };
  std::vector<Held> held(const std::string& tenant) const;

  // The first cut that may be tried now, marked as taken.
  std::shared_ptr<Cut> take(MonoNanos now);
  void give_back(Cut& cut, MonoNanos not_before);
  // Ends the pauses of all cuts.
  void hurry();

  // All requests below it are delivered.
  uint64_t lowest_needed() const;
  // The same, of those that do not wait for a decision.
  uint64_t lowest_asked() const;
  bool has_uncut() const { return !prompt_.uncut.empty() || !held_.uncut.empty(); }
  uint64_t cuts() const { return prompt_.cuts.size() + held_.cuts.size(); }
  // Of what does not wait for a decision; and of what does.
  uint64_t rows() const { return rows_; }
  uint64_t memory_bytes() const { return memory_bytes_; }
  uint64_t undecided_rows() const { return undecided_rows_; }
  uint64_t undecided_bytes() const { return undecided_bytes_; }
  std::optional<UnixNanos> oldest() const;

 private:
  struct Lane {
    std::deque<Pending> uncut;
    uint64_t weight = 0, bytes = 0, rows = 0;       // of uncut
    std::map<uint64_t, std::shared_ptr<Cut>> cuts;  // by id: also the order of their requests
  };
  Lane& lane(bool held) { return held ? held_ : prompt_; }
  const Lane& lane(bool held) const { return held ? held_ : prompt_; }
  bool is_full(const Lane& lane) const {
    return lane.weight >= bounds_.cut_max_rows || lane.bytes >= bounds_.cut_max_bytes;
  }
  std::shared_ptr<Cut> take_requests(Lane& from, uint64_t last, bool& all_decoded);
  void count_as_decided(const Cut& cut);
  const Cut* first_decided() const;

  const Bounds bounds_;
  Admission& admission_;
  Lane prompt_, held_;
  uint64_t rows_ = 0, memory_bytes_ = 0, undecided_rows_ = 0, undecided_bytes_ = 0;
};

}  // namespace hs::ingest
