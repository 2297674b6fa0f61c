#pragma once
// The inside of Ingest: what its threads share. Included by ingest's own sources only.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bounded_queue.h"
#include "ingest/admission.h"
#include "ingest/backlog.h"
#include "ingest/delivery.h"
#include "ingest/ingest.h"
#include "ingest/journal.h"
#include "ingest/memory.h"
#include "ingest/quarantine.h"
#include "ingest/retry_window.h"
#include "ingest/shipments.h"

namespace hs::ingest {

// A request on its way to the disk.
struct Owed {
  Incoming incoming;
  model::Batch batch;
  Done done;
  Hash128 hash;
  std::string prefix;  // of the record's payload; the body follows
  uint32_t payload_crc = 0;
  uint32_t rows = 0;
  uint64_t batch_bytes = 0;
  Admission::Ask ask;
  Admission::Account* account = nullptr;
  Memory::Share share;  // of batch and body; then of the batch alone
};

struct CutVerdicts {  // on their way to the disk
  uint64_t cut = 0;
  std::string payload;
};

struct Teed {  // on its way to the stream
  std::shared_ptr<const model::Batch> batch;
  Incoming incoming;
  uint64_t bytes = 0;
};

struct Flush {
  uint64_t through = 0;  // sequence
  MonoNanos deadline = 0;
  Done done;
};

struct Ingest::Parts {
  Parts(Options chosen, Outside given);

  // append.cpp
  void append(Incoming incoming, model::Batch batch, Done done);
  Status has_room(const Incoming& incoming);
  void flush(int64_t timeout_ms, Done done);

  // commit.cpp: one piece of work of the commit thread; false when there is none.
  bool commit_once();
  // hold.cpp: shows the sampler what is held, asks it what is due, and forgets what it was told in former lives.
  bool hold_once();
  std::vector<HeldBatch> held(const std::string& tenant);
  // ingest.cpp
  bool send_once(Delivery& delivery);
  bool tee_once(int64_t wait_ms);
  Status open();
  void start_threads();
  void stop();
  Health health();
  // Spans without a decision: what the sampler wants, if the budget has it.
  uint64_t held_bytes_max() const;
  Delivery new_delivery();

  const Options options;
  Outside outside;
  Quarantine quarantine;
  std::unique_ptr<Journal> journal;  // set by open()
  Memory memory;                     // before all that holds shares of it

  std::mutex mutex;  // guards what follows
  std::condition_variable commit_wanted, send_wanted, hold_wanted;
  Admission admission;
  RetryWindow window;
  Shipments shipments;
  Backlog backlog;
  std::deque<Owed> queue;  // bounded by admission
  std::vector<Flush> flushes;
  std::vector<uint64_t> done_cuts;   // not yet noted in the journal
  std::vector<CutVerdicts> decided;  // the same; no more than there are held cuts
  MonoNanos done_since = 0;
  uint64_t last_durable = 0;  // sequence of the last durable request
  uint64_t flush_through = 0;
  uint64_t replay_through = 0;  // requests up to it are of a former life
  bool stopping = false;
  bool release_due = false;
  bool commit_poked = false;  // somebody gave the commit thread work since it looked last
  void poke_commit() { commit_poked = true, commit_wanted.notify_one(); }  // under the lock
  std::string refusal;                                                     // why nothing is taken now; "" = all is well
  MonoNanos heal_at = 0, space_checked_at = 0;
  MonoNanos engine_gate = 0;  // no attempt before
  int engine_failures = 0;    // in a row
  JournalReport report;

  BoundedQueue<Teed> tee_queue;
  std::atomic<uint64_t> tee_bytes{0};  // of what waits in it
  std::vector<std::thread> threads;
  std::optional<Delivery> cranked;  // of turn()

 private:
  struct Group {  // what one write of the journal carries
    std::vector<Owed> requests;
    std::vector<Pending> pending;
    std::vector<std::pair<uint64_t, CutRange>> cuts;  // id, range
    std::vector<uint64_t> done;
    std::vector<CutVerdicts> decided;
    bool cut_rest = false, cut_held_rest = false;
  };
  bool take_group(Group& group, MonoNanos now);
  bool has_housekeeping(MonoNanos now) const;
  Status write_group(Group& group);
  struct Planners {
    CutPlanner prompt, held;
  };
  void plan_cuts(Group& group, Planners planners, const std::vector<CutRange>& full);
  void settle_decided(Group& group, bool written, std::vector<Pending>& released);
  std::shared_ptr<Cut> due_to_observe();
  std::shared_ptr<Cut> due_to_decide(bool& early);
  std::vector<std::pair<Done, Status>> settle_group(Group& group, const Status& written);
  void settle_request(Owed& owed, Pending pending, const Status& written, UnixNanos now,
                      std::vector<std::pair<Done, Status>>& answers);
  void check_space(MonoNanos now);
  void collect_flushes(MonoNanos now, std::vector<std::pair<Done, Status>>& answers);
  void restore(const SegmentReader::Record& record, Location at);
  void restore_request(const SegmentReader::Record& record, Location at);
  void commit_loop();
  void send_loop();
  void hold_loop();
  void tee_loop();
  Status admit(Owed& owed, std::string_view& reason);
  void show_stream(Teed item);
  RetryWindow::Seen find(const Owed& owed);
};

// Tells callers, without a lock.
inline void answer(std::vector<std::pair<Done, Status>>& answers) {
  for (auto& [done, status] : answers) done(std::move(status));
}

}  // namespace hs::ingest
