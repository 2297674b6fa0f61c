#pragma once
// Small whole files: state, tokens, keys, locks. (The journal's long files go through io/disk.)

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace hs::io {

// The whole file. not_found when there is none, too_large beyond `max_bytes`.
Result<std::string> read_file(const std::string& path, size_t max_bytes);

enum class Durable : uint8_t {
  content,  // after a power cut: the old content or the new one, whole
  name,     // and after this returns: the new one
};

// Replaces `path` atomically: a reader sees the old content or the new one, never a mixture or nothing.
Status replace_file(const std::string& path, std::string_view bytes, mode_t mode, Durable durable);

// Creates `path` with `bytes`, durably. conflict when it exists already.
Status create_file(const std::string& path, std::string_view bytes, mode_t mode);

// As mkdir -p; new directories get 0700, because what lies below a data directory is nobody else's.
Status make_directories(const std::string& path);

// Makes names created, renamed or removed in `path` survive a power cut.
Status sync_directory(const std::string& path);

// Identity of a file's content for "has it changed?": inode, size and time of change. Zeroes when there is no file.
struct FileStamp {
  uint64_t inode = 0;
  int64_t size = 0;
  int64_t changed_ns = 0;
  bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const std::string& path);

// An exclusive advisory lock on a file, held until destroyed; the kernel frees it when the process dies.
class FileLock {
 public:
  // conflict when somebody else holds it.
  static Result<FileLock> try_take(const std::string& path);
  // Tries for so long. A holder that is stopped, or a moment's look by somebody, must not decide.
  static Result<FileLock> take_within(const std::string& path, int64_t timeout_ms);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();
  // Replaces the lock file's text (a pid, for people and for supervisors).
  Status write(std::string_view text);

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// The id of this boot of the machine: CLOCK_MONOTONIC readings may be compared only within one.
const std::string& boot_id();

}  // namespace hs::io
