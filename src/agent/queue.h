#pragma once
// The agent's queue on disk: what was answered ok is here until the receiver has it (docs/formats/agent_queue.md).
// It is a journal as serve's (src/ingest/journal.h); memory holds what is on its way in and out, never the backlog.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "agent/item.h"
#include "base/error.h"
#include "ingest/journal.h"
#include "ingest/journal_cursor.h"
#include "ingest/retry_window.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/random.h"

namespace hs::agent {

struct QueueOptions {
  std::string directory;                       // one process at a time (the caller locks it)
  uint64_t max_bytes = 1ULL << 30;             // on disk; then senders are told to retry
  uint64_t min_free_bytes = 256ULL << 20;      // of the file system
  uint64_t waiting_max_bytes = 8ULL << 20;     // requests that wait for the disk
  uint64_t group_max_bytes = 4ULL << 20;       // one write, unless a single request is larger
  int64_t retry_window_ms = 300'000;           // a request with equal bytes inside it is a client's retry
  uint64_t retry_window_max_entries = 16'384;  // some 2 MiB of memory; the oldest are forgotten beyond
  bool thread = true;                          // false: the caller turns the crank (tests: commit_once)
};

struct QueueHealth {
  bool accepting = true;  // false: `reason` says why not
  std::string reason;
  uint64_t bytes = 0;     // on disk
  uint64_t requests = 0;  // that the receiver does not have; a bound from above in the first moments of a life
  int64_t oldest_ms = 0;  // age of the oldest of them
};

// Thread-safe.
class Queue {
 public:
  using Done = std::function<void(Status)>;

  // A receiver remembers which numbers beyond the oldest open one it has: no more than this.
  static constexpr uint64_t window = 128;

  // Reads what a former life left. Errors: the directory cannot be used.
  static Result<std::unique_ptr<Queue>> open(QueueOptions options, io::Disk& disk, io::Clock& clock,
                                             io::Random& random);
  // Lets the open group finish, notes what was settled.
  ~Queue();

  // `done` is called exactly once, here or on the queue's thread; it must not block. ok: durable, or a retry of what
  // is. resource_exhausted, unavailable: not taken, with retry_after_ms and the bound's name.
  void append(Item item, Done done);

  // The next request to send, each once in a life; nothing: none now, or too many are open. The caller owns it until
  // settle(). Errors: the disk cannot be read.
  Result<std::optional<Item>> take();
  // It needs not be sent again: the receiver has it, or never will.
  void settle(uint64_t number);
  // All numbers below it are settled.
  uint64_t oldest();
  // Changes when take() may have something again. Ask before take(), wait with what it was then, at most `wait_ms`.
  uint64_t ticket();
  void wait_for_work(uint64_t ticket, const std::stop_token& stop, int64_t wait_ms);

  QueueHealth health();
  // Only without a thread: one write of what waits; false when there is nothing to do.
  bool commit_once();

 private:
  struct Owed {
    Item item;
    Done done;
  };
  struct Taken {
    uint64_t sequence = 0;  // of the journal
    UnixNanos received_at = 0;
  };
  Queue(QueueOptions options, io::Disk& disk, io::Clock& clock, io::Random& random);
  Status recover();
  void restore(const ingest::SegmentReader::Record& record);
  Status admit(const Item& item);
  bool has_housekeeping(MonoNanos now) const;
  struct Group {
    std::vector<Owed> requests;
    uint64_t first = 0;     // number
    std::string done_note;  // "": none
    bool give_up = false;   // the disk has just failed: not now
  };
  bool collect(Group& group);
  Status write(Group& group);
  void settle_group(Group& group, const Status& written);
  void check_space(MonoNanos now);
  std::vector<uint64_t> settled_note() const;
  uint64_t oldest_locked() const;
  void run(const std::stop_token& stop);

  const QueueOptions options_;
  io::Disk& disk_;
  io::Clock& clock_;
  const Hash128 stream_;
  std::unique_ptr<ingest::Journal> journal_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any wake_, work_;
  ingest::RetryWindow retries_;
  std::deque<Owed> waiting_;  // bounded by waiting_max_bytes
  uint64_t waiting_bytes_ = 0;
  uint64_t next_number_ = 1;
  std::string refusal_;
  MonoNanos heal_at_ = 0, space_checked_at_ = 0, noted_at_ = 0;
  bool stopping_ = false;

  // Where sending is. What was settled before this life and not yet read again is below `found_oldest_` or in `found_`.
  std::map<uint64_t, Taken> taken_;  // by number; at most `window`
  uint64_t last_taken_ = 0, last_sequence_ = 0;
  uint64_t found_oldest_ = 1;
  std::set<uint64_t> found_;
  bool settled_unnoted_ = false;
  uint64_t ticket_ = 0;

  std::mutex cursor_mutex_;  // guards the cursor; taken before mutex_
  std::unique_ptr<ingest::JournalCursor> cursor_;
  std::jthread thread_;
};

}  // namespace hs::agent
