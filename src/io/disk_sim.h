#pragma once
// A disk in memory that loses power when told to, keeps only what was synced, and fails on request.
//
// Model of a power cut: what was synced stays. Of bytes appended since, each 512-byte sector stays, is lost or is zero,
// independently, and the length may be any. A file's failed sync leaves its bytes readable but lost at the next cut,
// also when a later sync succeeds (as Linux does). Names created, renamed or removed since the last sync_directory stay
// or not, each by itself.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/disk.h"
#include "io/random.h"

namespace hs::io {

// Thread-safe.
class SimDisk final : public Disk {
 public:
  explicit SimDisk(uint64_t seed) : random_(seed) {}

  // Shares of operations that fail, in [0, 1]; and the room there is.
  struct Faults {
    double append_error = 0;  // after writing a random part
    double sync_error = 0;
    double other_error = 0;  // open, rename, remove, sync_directory
    uint64_t capacity_bytes = UINT64_MAX;
  };
  void set_faults(Faults faults);
  // The operation after `operations` more changing ones takes part of its effect; from then on all fail.
  void die_after(uint64_t operations);
  bool dead() const;
  uint64_t operations() const;  // changing ones so far
  // Called in each sync, without a lock: a slow disk sleeps in it.
  void on_sync(std::function<void()> hook);

  // Power comes back: what was not synced is lost as described above. Files that are still open are dead for ever.
  void cut_power();
  // The process was killed, not the machine: everything written stays.
  void restart_process();
  // Flips one bit of what is stored, also after the next cut: a rotten sector.
  void flip(const std::string& path, uint64_t offset);
  uint64_t used_bytes() const;

  Result<std::unique_ptr<File>> open(const std::string& path, Open how) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status make_directories(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;

 private:
  friend class SimFile;
  struct Range {
    size_t begin = 0, end = 0;
  };
  struct Node {
    std::string bytes;
    size_t synced = 0;            // bytes before it survive, but for the holes
    std::vector<Range> lost;      // a failed sync's bytes
    size_t rewritten = SIZE_MAX;  // what is beyond it was written again since: the next sync covers it
  };
  using NodePtr = std::shared_ptr<Node>;
  struct NameChange {  // `name` = node, or gone; a rename is two names at once
    std::vector<std::pair<std::string, NodePtr>> names;
  };

  Status begin_operation(double error_share);
  void tear(Node& node);
  void change(NameChange change);
  static void apply(std::map<std::string, NodePtr>& names, const NameChange& change);
  Status append(const NodePtr& node, std::string_view bytes, uint64_t life);
  Status sync(const NodePtr& node, uint64_t life);
  Status rewrite(const NodePtr& node, uint64_t offset, uint64_t life);
  Status truncate(const NodePtr& node, uint64_t size, uint64_t life);
  uint64_t used_locked() const;

  mutable std::mutex mutex_;
  SeededRandom random_;
  Faults faults_;
  std::function<void()> on_sync_;
  uint64_t operations_ = 0, dies_at_ = UINT64_MAX;
  uint64_t life_ = 1;  // files opened in a former one are dead
  std::map<std::string, NodePtr> names_, durable_names_;
  std::vector<NameChange> pending_;
};

}  // namespace hs::io
