#pragma once
// Writes what the loop is fed to <data>/recording (docs/formats/recording.md), on a thread of its own, and reads it
// back. A recording that cannot keep up, or finds no room, ends; the loop goes on.

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "loop/replay/recording.h"

namespace hs::app {

std::string recording_directory(const std::string& data);

class Recorder {
 public:
  static constexpr size_t waiting_bytes_max = 64UL << 20;  // of a disk that is slow; beyond it the run's recording ends
  static constexpr int64_t flush_every_ms = 1'000;         // what a kill may cut off
  static constexpr uint64_t parts = 8;                     // of the bound: the oldest one is dropped at a time

  // `max_bytes` of all parts together; 0: nothing is recorded.
  Recorder(std::string directory, uint64_t max_bytes);
  ~Recorder();

  // One thread. A Begin starts a new run.
  void add(const loop::replay::Item& item);
  // Something was decided: what led to it is written at once, not at the next flush.
  void hurry();

 private:
  class Part;
  struct Piece {
    std::string bytes;
    std::string run;  // not empty: a run of this name begins
  };
  void write_all(const std::stop_token& stop);
  Status write(const Piece& piece);
  Status open_part();
  Status drop_old();
  void end_run(const std::string& why);

  const std::string directory_;
  const uint64_t max_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<Piece> waiting_;
  size_t waiting_bytes_ = 0;
  bool ended_ = true;  // no run, or it could not be kept up
  bool hurry_ = false;

  std::string run_;  // of the writer's thread, as the rest
  uint64_t number_ = 0;
  std::unique_ptr<Part> part_;
  std::jthread thread_;  // last: stops first
};

// Runs, the oldest first, each from its first part that is still here.
struct RecordedRun {
  std::string name;
  std::vector<std::string> parts;  // paths
  bool has_beginning = false;      // the part with its Begin was not dropped
};
Result<std::vector<RecordedRun>> recorded_runs(const std::string& directory);

// The items of a run, one by one; nothing at its end. What a kill tore off is no error.
class RecordingReader {
 public:
  explicit RecordingReader(RecordedRun run);
  ~RecordingReader();
  Result<std::optional<loop::replay::Item>> next();

 private:
  struct Decompressor;
  Status open_part();
  RecordedRun run_;
  size_t part_ = 0;
  std::unique_ptr<Decompressor> open_;
  std::string bytes_;
  size_t at_ = 0;
};

}  // namespace hs::app
