#pragma once
// Reads the requests of a journal one after another, in order, while it is being written.

#include <optional>

#include "ingest/journal.h"

namespace hs::ingest {

// One thread at a time; the journal outlives it. Segments that it has not left must not be released.
class JournalCursor {
 public:
  JournalCursor(const Journal& journal, io::Disk& disk) : journal_(journal), disk_(disk) {}

  // The next durable request, valid until the next call; nothing when there is none yet. Damage is logged and left out
  // to the end of its segment. Errors: the device cannot be read; the next call tries again.
  Result<std::optional<SegmentReader::Record>> next();

 private:
  const Journal& journal_;
  io::Disk& disk_;
  Location at_;
  std::optional<SegmentReader> reader_;
};

}  // namespace hs::ingest
