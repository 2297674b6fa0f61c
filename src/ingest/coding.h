#pragma once
// The journal's encodings among HTTP's content codings.

#include "base/compress.h"
#include "ingest/incoming.h"

namespace hs::ingest {

Encoding encoding_of(Coding coding);
Coding coding_of(Encoding encoding);  // snappy, of remote write alone, is no content coding: identity

}  // namespace hs::ingest
