#pragma once
// How late is what comes in? The time between an item's own clock and ours, as homeostat_item_lag_seconds.

#include "base/time.h"
#include "model/batch.h"

namespace hs::ingest {

// Counts each item of a batch that was taken: spans by their end, log records and points by their time. Items without a
// time are left out. Thread-safe.
void count_lag(const model::Batch& batch, UnixNanos received_at);

}  // namespace hs::ingest
