#pragma once
// Log files that grow are read into the journal, each byte once (docs/logs.md, "Files").
//
// Exactly once: what is about to be handed over (which bytes of which files, and the time of observation) is written
// down first, durably; then the request is handed over; then the offsets count. After a crash in between the same bytes
// make the same request, which the journal knows when it has it already (ingest.retry_window).

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "io/clock.h"
#include "sources/log_delivery.h"
#include "sources/tail_state.h"

namespace hs::sources {

struct TailOptions {
  std::vector<std::string> globs;
  std::string state_path;
  int64_t poll_ms = 250;               // how late a line may be seen
  int64_t find_ms = 2'000;             // how late a new file may be seen
  int64_t quiet_ms = 1'000;            // then the last record is taken for whole
  size_t files_max = 1000;             // open at once; further ones are counted and logged
  size_t chunk_bytes_max = 256 << 10;  // of one file in a round
  size_t round_bytes_max = 1 << 20;
};

class Tailer {
 public:
  // Errors: the state cannot be read. Its thread starts at once. `delivery` outlives it.
  static Result<std::unique_ptr<Tailer>> start(TailOptions options, io::Clock& clock, const LogDelivery& delivery);
  ~Tailer();

 private:
  struct Open;
  struct Chunk;
  Tailer(TailOptions options, io::Clock& clock, const LogDelivery& delivery);
  void run(const std::stop_token& stop);
  void find_files();
  void adopt(const std::string& path, const TailState* known);
  void resume(const TailState& state, const std::stop_token& stop);
  bool round(const std::stop_token& stop);
  std::optional<Chunk> next_chunk(Open& file, size_t room);
  Status hand_over(const std::vector<Chunk>& chunks, UnixNanos observed, bool write_down, const std::stop_token& stop);
  TailState state_with(const std::vector<Chunk>& pending, UnixNanos observed) const;

  const TailOptions options_;
  io::Clock& clock_;
  const LogDelivery& delivery_;
  std::vector<std::unique_ptr<Open>> files_;
  UnixNanos observed_ = 0;  // of the last request; grows, so that equal lines of two rounds are no retry
  bool full_told_ = false;
  std::jthread thread_;
};

}  // namespace hs::sources
