#pragma once
// OTLP's messages as a table: what turns JSON into protobuf and walks protobuf without knowing each field by name.
// Field numbers, names and types: opentelemetry-proto 1.x. Internal to wire/otlp.

#include <cstdint>
#include <span>
#include <string_view>

#include "model/batch.h"

namespace hs::wire::otlp {

// integer: int64 and enums as varints, count: uint64 and uint32 as varints.
enum class Kind : uint8_t {
  text,
  bytes,
  id,
  boolean,
  integer,
  count,
  zigzag,
  fixed64,
  signed64,
  fixed32,
  real,
  message
};

struct Message;
struct Field {
  uint32_t number = 0;
  std::string_view name;  // in JSON
  Kind kind = Kind::text;
  const Message* message = nullptr;
  bool repeated = false;
  // Text that people and programs wrote, in which anything may stand; not names of metrics, keys and the like.
  bool free_text = false;
};

// Messages that are treated in a special way.
enum class Role : uint8_t { plain, key_value, span };

struct Message {
  std::span<const Field> fields;
  Role role = Role::plain;
  const Field* find(uint32_t number) const;
  const Field* find(std::string_view name) const;
};

// Export*ServiceRequest.
const Message& request_message(model::Signal signal);

}  // namespace hs::wire::otlp
