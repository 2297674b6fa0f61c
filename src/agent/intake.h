#pragma once
// From a request as it was received to what stands in the queue.

#include <memory>
#include <optional>

#include "agent/item.h"
#include "agent/redact.h"
#include "agent/sample.h"
#include "base/compress.h"
#include "base/error.h"
#include "ingest/incoming.h"
#include "model/batch.h"

namespace hs::agent {

struct IntakeOptions {
  Coding compression = Coding::gzip;  // of what comes uncompressed, or had to be taken apart
  size_t body_bytes_max = 4 << 20;    // after decompression
  std::shared_ptr<const Redactor> redactor = nullptr;
  SampleOptions sampling = {};
};

// `batch` is what the body decodes to. Nothing: no span of it was kept. What needs no change stays byte for byte.
Result<std::optional<Item>> take_in(ingest::Incoming incoming, const model::Batch& batch, const IntakeOptions& options);

}  // namespace hs::agent
