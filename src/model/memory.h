#pragma once
// What a batch takes.

#include <cstddef>

#include "model/batch.h"

namespace hs::model {

// Of text and columns, as reserved.
size_t memory_bytes(const Batch& batch);

}  // namespace hs::model
