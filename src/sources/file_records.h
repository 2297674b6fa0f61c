#pragma once
// Records out of the bytes of a log file: lines, lines of containers, and what belongs to the line before (stack
// traces). Pure: the same bytes always give the same records; exactly-once reading rests on it.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace hs::sources {

struct FileRecord {
  UnixNanos time = 0;       // told by the container's runtime, 0: not told
  std::string_view stream;  // "stdout", "stderr", or "" when the file does not tell
  std::string text;         // without the last line feed
};

// What stands at the end of the bytes.
enum class Rest : uint8_t {
  wait,   // more will come: the last record may go on, the last line may be half
  lines,  // nothing came for a while: whole lines are taken
  all,    // nothing will come
};

inline constexpr size_t record_bytes_max = 64 * 1024;  // a longer record is cut into several
inline constexpr size_t record_lines_max = 512;        // of a stack trace

struct FileRecords {
  std::vector<FileRecord> records;
  size_t used = 0;  // bytes that are in `records`; with Rest::all always all of them
};
FileRecords split_records(std::string_view bytes, Rest rest);

// Where a container's log is, by the path that Kubernetes gives it:
// /var/log/pods/NAMESPACE_POD_UID/CONTAINER/0.log. Empty views when it is no such path.
struct PodPath {
  std::string_view name_space, pod, container;
};
PodPath pod_of(std::string_view path);

}  // namespace hs::sources
