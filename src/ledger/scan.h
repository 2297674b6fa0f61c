#pragma once
// Reads a ledger from its first byte to its last and says what does not fit. What `open` and `verify` share.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/disk.h"
#include "ledger/anchor.h"
#include "ledger/entry.h"
#include "ledger/merkle.h"
#include "ledger/note.h"

namespace hs::ledger {

inline constexpr uint64_t segment_bytes_max = 16UL << 20;  // a segment is read whole
inline constexpr size_t findings_max = 20;                 // after the first, most are its consequences
inline constexpr size_t blob_bytes_max = 16UL << 20;

struct Finding {
  uint64_t index = 0;  // the entry at or before which it is
  std::string what;
};

struct ScanRequest {
  const VerifierKey* key = nullptr;  // nullptr: heads are not checked
  std::optional<uint64_t> root_at;   // also give the root over so many entries
  bool check_blobs = true;
  // Only the last segment, when the signed anchors of all segments allow it: what a start reads.
  bool only_last = false;
  std::function<void(const Entry&, std::string_view line)> on_entry;
};

struct SegmentInfo {
  uint64_t number = 0;  // from 1
  std::string name;
  uint64_t first_index = 0;
  uint64_t bytes = 0;
};

struct Scan {
  MerkleTree tree;
  Digest last{};            // hash of the last line
  UnixNanos last_time = 0;  // its time
  std::vector<SegmentInfo> segments;
  uint64_t first_index = 0;         // of the first entry that was read; those before were dropped, or not asked for
  std::optional<Anchor> anchor;     // that it began from
  uint64_t last_segment_bytes = 0;  // without a torn tail
  std::vector<Finding> findings;
  uint64_t heads = 0;
  uint64_t signed_size = 0;           // entries below the last good head
  std::optional<Digest> wanted_root;  // of ScanRequest::root_at; nothing when there are fewer entries
  uint64_t recoveries = 0;            // torn tails that earlier starts found and cut off
  uint64_t torn_bytes = 0;            // damage at the very end that a crash can have left
  Digest torn_hash{};
};

// Never fails because of what the files contain; only when they cannot be read.
Result<Scan> scan(io::Disk& disk, const std::string& directory, const ScanRequest& request);

std::string segment_name(uint64_t number);  // from 1

}  // namespace hs::ledger
