#pragma once
// One line of the ledger (docs/formats/ledger.md): canonical JSON, chained to the line before by its hash.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "ledger/merkle.h"

namespace hs::ledger {

inline constexpr size_t entry_bytes_max = 65'535;    // of a tiled transparency log's entries (c2sp.org/tlog-tiles)
inline constexpr size_t payload_bytes_max = 60'000;  // inline; a larger one goes to a side file, by its hash
inline constexpr size_t entry_depth_max = 64;        // nesting; a reader's stack is not the writer's to choose

// Kinds that the ledger writes itself; all others are the caller's.
inline constexpr std::string_view kind_head = "head";  // {"note": signed note over all entries before}
inline constexpr std::string_view kind_dropped =
    "dropped";  // {"first_segment": n, "first_index": n}: older ones are gone
inline constexpr std::string_view kind_recovered = "recovered";  // {"torn_bytes": n, "torn_sha256": hex}

struct Entry {
  uint64_t index = 0;
  UnixNanos time = 0;
  std::string kind;
  Digest previous{};  // SHA-256 of the line before, without its newline; zeroes for the first
  json::Json payload;
};

std::string encode(const Entry& entry);  // without newline
// Strict. Never recurses deeper than entry_depth_max, whatever the text is.
Result<Entry> decode_entry(std::string_view line);

// A payload that lies in the side file blobs/<sha256 in hex>: {"blob": hex, "bytes": n}.
json::Json blob_reference(std::string_view content);
struct BlobReference {
  std::string hash;  // 64 hex digits, checked: it becomes a path
  uint64_t bytes = 0;
};
std::optional<BlobReference> blob_of(const json::Json& payload);

}  // namespace hs::ledger
