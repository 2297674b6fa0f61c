#pragma once
// Ingest makes an acknowledgement true: a request is answered "ok" after its bytes are on disk, then its rows reach the
// engine exactly once, whatever is killed in between (docs/formats/journal.md). It also recognises retries, refuses
// what it has no room for, and passes each new batch to the stream once.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "ingest/incoming.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/random.h"

namespace hs::ingest {

struct Options {
  std::string data_directory;  // holds journal/ and quarantine/; one process at a time (the caller locks it)

  uint64_t segment_bytes = 64ULL << 20;     // a file of the journal is closed at this size: deleting is by file
  uint64_t journal_max_bytes = 4ULL << 30;  // then senders are told to retry; bounds disk use and the time of a replay
  uint64_t min_free_bytes = 256ULL << 20;   // of the file system: the engine needs room to take what is in the journal
  uint64_t group_max_bytes = 8ULL << 20;    // one write of the journal, unless a single request is larger

  // Of all batches and blocks in memory. In sixteenths: 4 in flight, 6 waiting, 1 for the stream, 5 for delivering. The
  // bounds of each below are those of a large budget.
  uint64_t memory_max_bytes = 576ULL << 20;
  uint64_t in_flight_max_bytes = 256ULL << 20;  // requests, decoded, that wait for the disk
  uint64_t in_flight_max_requests = 16384;      // as many answers are owed
  uint64_t waiting_max_bytes = 1ULL << 30;      // decoded batches that wait to be encoded; more are decoded again later
  uint64_t tee_max_batches = 1024;              // batches that wait for the stream; the oldest are shed and counted
  uint64_t tee_max_bytes = 64ULL << 20;         // the same by their memory
  uint64_t quarantine_max_bytes = 1ULL << 30;   // then refused blocks stay in the journal, which fills and refuses

  uint64_t cut_max_rows = 100'000;        // one insert: three blocks, 20 ms of the engine's CPU each beside its rows
  uint64_t cut_max_bytes = 128ULL << 20;  // of decoded memory, so that small rows and large ones both have a bound
  int64_t cut_max_age_ms = 1000;          // how late the engine may see a row
  int64_t retry_window_ms = 300'000;      // a request with equal bytes inside it is a retry
  uint64_t retry_window_max_entries = 131'072;  // 3 MiB of every segment at most; beyond it the oldest are forgotten
  // An agent has a stream for each of its lives and tenants, of some 250 bytes of memory and 40 of every segment.
  uint64_t agent_streams_max = 16'384;

  int sender_threads = 2;  // 0: no threads at all, the caller turns the crank (tests: Ingest::turn)
};

using Done = std::function<void(Status)>;

// What ingest needs from outside. All must be callable from any thread and outlive it.
struct Outside {
  io::Disk& disk;
  io::Clock& clock;
  io::Random& random;
  Sink& sink;
  // Decodes a request again at replay: pure, the same batch as the first time.
  std::function<Result<model::Batch>(const Incoming&)> decode;
  // Sees each new batch once, on one thread of its own, after it is durable. `incoming.body` is empty by then.
  // Replayed requests are not shown again: the stream starts cold and the loop's state is its own.
  std::function<void(std::shared_ptr<const model::Batch>, const Incoming&)> tee;
  // Optional: decides which spans of what it holds are stored.
  Sampler* sampler = nullptr;
  // Optional: bytes that requests of this tenant may have in flight; 0: its share.
  std::function<uint64_t(const std::string& tenant)> in_flight_max;
  // Optional: told of each request that is refused, with the bound's name.
  std::function<void(const std::string& tenant, std::string_view reason)> refused;
};

// For /readyz, /healthz and the console.
struct Health {
  bool accepting = true;       // false: requests are refused, `reason` says why
  bool engine_answers = true;  // the last insert was answered
  std::string reason;
  uint64_t journal_bytes = 0, journal_segments = 0;
  uint64_t in_flight_bytes = 0, in_flight_requests = 0;
  uint64_t memory_bytes = 0;  // all batches and blocks
  uint64_t waiting_cuts = 0, waiting_rows = 0, waiting_memory_bytes = 0;
  int64_t oldest_waiting_ms = 0;  // age of the oldest acknowledged request that the engine does not have
  // Spans that wait for a decision, and the memory of their batches; not counted in what waits.
  uint64_t held_rows = 0, held_bytes = 0;
  bool replaying = false;  // requests of a former life are still on their way to the engine
  uint64_t quarantined_blocks = 0, quarantined_requests = 0, corrupt_segments = 0;  // since the process started
};

// A batch that the engine does not have because which of its spans are stored is, or was a moment ago, undecided.
struct HeldBatch {
  std::shared_ptr<const model::Batch> batch;
  UnixNanos received_at = 0;
  std::vector<uint8_t> codes;  // model::Kept; empty: undecided, or whole
  std::vector<uint64_t> thresholds;
};

class Ingest {
 public:
  // Reads the journal and starts the threads. Errors: the directory cannot be used. Damage does not stop it: what is
  // damaged is put aside, logged, counted.
  static Result<std::unique_ptr<Ingest>> open(Options options, Outside outside);
  // Stops intake, lets the open group finish, does not wait for the engine: the journal keeps what it does not have.
  ~Ingest();

  // Takes one decoded request. `done` is called exactly once, on this thread (refusals, known retries) or on the commit
  // thread; it must not block. ok: durable. resource_exhausted, unavailable: not taken, `retry_after_ms` is set and the
  // message names the bound; the sender should retry. A refused request is never stored later.
  void append(Incoming incoming, model::Batch batch, Done done);
  // To be asked before a request is decoded: resource_exhausted when append() would refuse it for want of memory.
  Status has_room(const Incoming& incoming) const;

  // `done(ok)` when everything acknowledged before this call is in the engine (or put aside), but for spans that wait
  // for a decision; deadline_exceeded after `timeout_ms`; unavailable when stopping.
  void flush(int64_t timeout_ms, Done done);

  Health health() const;
  // Of this tenant, as far as memory has them.
  std::vector<HeldBatch> held(const std::string& tenant) const;

  // Only with sender_threads = 0: does one piece of work that is due. False when nothing is.
  enum class Crank : uint8_t { commit, send, tee, hold };
  bool turn(Crank crank);

 private:
  struct Parts;
  explicit Ingest(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace hs::ingest
