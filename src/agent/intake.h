#pragma once
// From a request as it was received to what stands in the queue.

#include "agent/item.h"
#include "base/compress.h"
#include "base/error.h"
#include "ingest/incoming.h"
#include "model/batch.h"

namespace hs::agent {

struct IntakeOptions {
  Coding compression = Coding::gzip;  // of what comes uncompressed
};

// `batch` is what the body decodes to.
Result<Item> take_in(ingest::Incoming incoming, const model::Batch& batch, const IntakeOptions& options);

}  // namespace hs::agent
