#pragma once
// What a receiver's answer means for the request that it answers. OTLP specification, "OTLP/HTTP Response".

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/http_message.h"
#include "base/time.h"
#include "ingest/incoming.h"

namespace hs::agent {

struct Verdict {
  enum class Kind : uint8_t {
    delivered,
    busy,           // the network, or a receiver that asks for a retry: again, for ever
    misconfigured,  // nothing is wrong with the request: wrong address, credential, a portal in between. Again, for
                    // ever
    failed,         // an error that need not pass: again, a few times
    refused,        // the request is not wanted, now or ever
  };
  Kind kind = Kind::delivered;
  int64_t retry_after_ms = 0;  // what the receiver asks for; 0: nothing
  uint64_t rejected = 0;       // items of a delivered request that the receiver did not take
  std::string why;             // also of a partial success; fit for a log
};
std::string_view name_of(Verdict::Kind kind);

Verdict judge(const Result<http::Response>& answer, ingest::WireFormat format, UnixNanos now);

}  // namespace hs::agent
