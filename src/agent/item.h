#pragma once
// A request in the agent's queue: the bytes that will be sent, and what must be known about them
// (docs/formats/agent_queue.md).

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/hash.h"
#include "base/time.h"
#include "ingest/incoming.h"

namespace hs::agent {

struct Item {
  model::Signal signal = model::Signal::traces;
  ingest::WireFormat format = ingest::WireFormat::otlp_protobuf;  // OTLP only
  ingest::Encoding encoding = ingest::Encoding::identity;
  std::string tenant;  // X-Scope-OrgID; "": none
  UnixNanos received_at = 0;
  uint32_t items = 0;  // spans, points, records
  Hash128 hash;        // of the request as it was received: recognises a client's retry
  // Who sends it where more than once is no harm: the stream is drawn when the process starts, numbers grow by one over
  // all lives of the queue. The same bytes have the same pair, however often they are sent.
  Hash128 stream;
  uint64_t number = 0;
  std::string body;
};

// All but the body, which follows it.
std::string encode_prefix(const Item& item);
// Errors: internal when the bytes are no item.
Result<Item> parse_item(std::string_view payload);

}  // namespace hs::agent
