#pragma once
// How an agent names what it forwards, so that it is stored once however often it is sent (docs/agent.md).

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/hash.h"

namespace hs::ingest {

// The number is unique in its stream; the sender promises not to send numbers below `oldest` any more.
struct Shipment {
  Hash128 stream;  // random; zero: none
  uint64_t number = 0, oldest = 0;
  // Numbers that a sender may have open at once: what a receiver must remember of a stream.
  static constexpr uint64_t open_max = 1024;
  bool known() const { return stream != Hash128{}; }
  bool operator==(const Shipment&) const = default;
};

inline constexpr std::string_view shipment_header = "Homeostat-Shipment";

// "stream=<32 hex digits> number=17 oldest=12"
std::string text_of(const Shipment& shipment);
// "" is none. Errors: invalid_argument, naming the header.
Result<Shipment> parse_shipment(std::string_view text);

}  // namespace hs::ingest
