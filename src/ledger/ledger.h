#pragma once
// The tamper-evident record of events and decisions (docs/formats/ledger.md).

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/random.h"
#include "ledger/entry.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "ledger/scan.h"

namespace hs::ledger {

struct SignedHead {
  Head head;
  std::string note;  // C2SP signed note; keep it on another machine
  UnixNanos at = 0;
};

inline constexpr size_t uncommitted_bytes_max = 1UL << 20;

struct Options {
  uint64_t head_every_entries = 64;  // tick() signs and syncs at the latest after so many entries...
  int64_t head_every_ms = 1'000;     // ...or so long after the first of them
  uint64_t segment_bytes = segment_bytes_max;
  uint64_t max_bytes =
      1UL << 30;  // of all segments and side files; beyond it the oldest segments are dropped, and that
                  // is recorded. The segment at hand always stays, with the side files of its entries
  std::function<void(const SignedHead&)> on_head = nullptr;  // metric, log line; must not call the ledger
};

// The private key in <directory>/key (0600), made once; the public one beside it in <directory>/vkey.
Result<SignerKey> ensure_key(const std::string& directory, io::Random& random);
Result<VerifierKey> read_verifier_key(const std::string& directory);

// Thread-safe. One process a directory (the caller holds the data directory's lock).
class Ledger {
 public:
  // Reads the last segment, from the signed anchor that it began with (everything, where an anchor is missing). What a
  // crash tore off is put aside and recorded as such; a ledger that was tampered with is not continued (conflict: our
  // signature would cover it): the error says what was found. Only verify() looks at the segments before.
  static Result<std::unique_ptr<Ledger>> open(std::string directory, io::Disk& disk, io::Clock& clock, SignerKey key,
                                              Options options);

  // `payload` is a JSON text, canonicalised here. Durable only after the next commit() that succeeds, however many fail
  // before it. After an error of append this entry is not in the ledger, and all earlier ones are.
  Result<uint64_t> append(std::string_view kind, std::string_view payload);
  // Signs a head over everything and makes it durable: called before an action is emitted. Nothing new: nothing done.
  Status commit();
  // Commits when it is time: called about once a second.
  Status tick();

  SignedHead head() const;  // the last committed one; size 0 before the first
  const VerifierKey& verifier_key() const { return key_.verifier(); }
  uint64_t size() const;
  uint64_t first() const;  // the oldest entry that is still here
  // Of the newest segment in which `f` finds any value, the greatest; nothing when it finds none in all of them.
  std::optional<int64_t> newest(const std::function<std::optional<int64_t>(const Entry&)>& f) const;
  // Entries [from, from + limit) that exist; for people, so it reads the files.
  Result<std::vector<Entry>> read(uint64_t from, size_t limit) const;
  // The text of a payload that lies in a side file.
  Result<std::string> blob(const BlobReference& reference) const;

 private:
  // Where the chain stands. `written` runs ahead of `committed` until a commit succeeds.
  struct Position {
    MerkleTree tree;
    Digest last{};
    UnixNanos last_time = 0;
    uint64_t segment_bytes = 0;
  };

  Ledger(std::string directory, io::Disk& disk, io::Clock& clock, SignerKey key, Options options);
  Status load();
  Status begin_segment();
  Status write_anchor(uint64_t segment);
  Status drop_old();
  Status remove_segment(const SegmentInfo& segment);
  Result<std::vector<std::string>> blobs_only_in(const SegmentInfo& segment);
  Status count_blobs();
  Status rewrite_last_segment(uint64_t bytes, std::string_view more);
  Status repair();
  Status write(std::string_view kind, json::Json payload, UnixNanos at);
  Result<json::Json> to_payload(std::string_view text);
  Status store_blob(std::string_view content, const std::string& hash);
  Status commit_locked();
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  const std::string directory_;
  io::Disk& disk_;
  io::Clock& clock_;
  const SignerKey key_;
  const Options options_;

  mutable std::mutex mutex_;
  bool broken_ = false;  // a write or sync failed: what the file holds after `committed_` is not certain
  Position written_, committed_;
  std::string uncommitted_;  // the lines between the two; append() commits before it grows beyond its bound
  std::vector<SegmentInfo> segments_;
  std::unique_ptr<io::File> file_;                    // the last segment
  uint64_t blob_bytes_ = 0, segment_blob_bytes_ = 0;  // of all side files; of those of the last segment since the start
  bool names_synced_ = true;
  MonoNanos first_uncommitted_ = 0;
  SignedHead head_;
};

}  // namespace hs::ledger
