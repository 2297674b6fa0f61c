#pragma once
// What the stream reads from attributes, under all the names that conventions have given it.

#include <cstdint>
#include <string_view>

#include "model/batch.h"

namespace hs::stream {

// Views into the row. Sources: OpenTelemetry semantic conventions 1.4 to 1.39 (http, rpc, db, messaging,
// feature-flags).
struct Facts {
  std::string_view peer_service, address, port, url, db_system, messaging_system, destination, rpc_service, subject,
      error_type;
  int http_status = 0, grpc_status = -1;  // 0 and -1: absent
  std::string_view flag_key, flag_variant, flag_value, flag_reason, flag_version, flag_context;
};

Facts facts_of(const model::Attribute* begin, const model::Attribute* end);

// How a call or an answer ended, from its status and codes.
struct Ending {
  bool error = false;    // a fault: of the server when it answers, of the callee when it is called
  bool denied = false;   // 401, 403, gRPC PERMISSION_DENIED, UNAUTHENTICATED
  bool limited = false;  // 429, gRPC RESOURCE_EXHAUSTED
  bool failed() const { return error || limited; }  // the caller did not get what it called for
};
Ending ending_of(uint8_t span_status, const Facts& facts);

// For how many spans does this one stand? 1 / sampling probability, as its tracestate tells ("ot=th:c": OpenTelemetry's
// consistent probability sampling); 1 when it does not. A threshold that the span's own randomness ("rv:", or the trace
// id when the W3C flag "random" is set) would not have passed is not believed. Capped at weight_max.
inline constexpr double weight_max = 10'000;  // a sender that claims less than one in 10,000 is not believed
double weight_of(const model::Spans& spans, size_t row);

// "host:port" of the address facts, else of the URL, else "".
std::string_view authority_of(std::string_view url);

}  // namespace hs::stream
