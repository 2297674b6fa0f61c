#pragma once
// What the engine refuses for good, and what cannot be decoded any more, is put aside: kept, counted, blocking nothing.
// One file each: a line of JSON that says what and why, then the bytes.

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"
#include "ingest/incoming.h"
#include "io/clock.h"
#include "io/disk.h"

namespace hs::ingest {

// Thread-safe.
class Quarantine {
 public:
  Quarantine(std::string directory, uint64_t max_bytes, io::Disk& disk, io::Clock& clock)
      : directory_(std::move(directory)), max_bytes_(max_bytes), disk_(disk), clock_(clock) {}
  // Counts what is there already.
  Status open();

  // Durable when ok. The same block or request again is ok and changes nothing.
  // Errors: resource_exhausted when the quarantine is full, else as the disk's.
  Status put(const Block& block, uint64_t cut, const Error& why);
  Status put(const Incoming& incoming, uint64_t sequence, const Error& why);

  uint64_t blocks() const;
  uint64_t requests() const;

 private:
  Status write(const std::string& name, const std::string& what, std::string_view bytes);

  const std::string directory_;
  const uint64_t max_bytes_;
  io::Disk& disk_;
  io::Clock& clock_;
  mutable std::mutex mutex_;
  uint64_t bytes_ = 0, blocks_ = 0, requests_ = 0;
};

}  // namespace hs::ingest
