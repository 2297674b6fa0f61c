#pragma once
// Long files that must survive: the journal's segments and what is put aside. Small whole files go through io/files.h.
// Real: system_disk(). Simulated, with power cuts and faults: SimDisk (io/disk_sim.h).
//
// Errors: not_found, conflict (exists already), permission_denied, resource_exhausted (no space left),
// unavailable (any other failure of the device).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace hs::io {

// An open file. One thread at a time; the destructor closes without sync.
class File {
 public:
  virtual ~File() = default;
  // Writes all of `bytes` at the end. After an error any part of them may be in the file.
  virtual Status append(std::string_view bytes) = 0;
  // Contents and length survive a power cut once this succeeds (fdatasync). After an error nothing may be assumed about
  // bytes appended since the last success, also when a later sync succeeds: the kernel forgets what it failed to write.
  virtual Status sync() = 0;
  // Writes the bytes from `offset` to the end once more, so that the next sync covers them whatever happened before.
  // Safe at any time: they are the same bytes.
  virtual Status rewrite(uint64_t offset) = 0;
  // Gives space back; what is cut off may reappear after a power cut.
  virtual Status truncate(uint64_t size) = 0;
  // Up to `size` bytes at `offset`; fewer only at the end.
  virtual Result<std::string> read(uint64_t offset, size_t size) = 0;
  virtual Result<uint64_t> size() = 0;
};

enum class Open : uint8_t {
  create,  // for appending; must not exist
  append,  // for appending; must exist
  read,
};

// Thread-safe. New files get mode 0600. Names survive a power cut only after sync_directory().
class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, Open how) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status remove(const std::string& path) = 0;
  // Names of the regular files in `directory`, sorted.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  virtual Status make_directories(const std::string& path) = 0;  // mode 0700
  virtual Status sync_directory(const std::string& path) = 0;
  // What an unprivileged writer may still use on the file system of `path`.
  virtual Result<uint64_t> free_bytes(const std::string& path) = 0;
};

Disk& system_disk();

}  // namespace hs::io
