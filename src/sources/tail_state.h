#pragma once
// How far files were read: kept in one small file of text that is replaced whole.

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace hs::sources {

// A file that is read. It is known again, under whatever name, by device, inode and its first bytes (inodes come
// again).
struct TailedFile {
  std::string path;  // where it was found last
  uint64_t device = 0, inode = 0;
  uint64_t head_bytes = 0, head_hash = 0;
  uint64_t offset = 0;   // all before it is in the journal
  uint64_t pending = 0;  // > offset: what is up to here was about to be handed over
};

struct TailState {
  UnixNanos observed = 0;  // of the pending request: a part of its bytes
  std::vector<TailedFile> files;
};

// An absent file is an empty state.
Result<TailState> load_tail_state(const std::string& path);
Status save_tail_state(const std::string& path, const TailState& state);  // durable when it returns

}  // namespace hs::sources
