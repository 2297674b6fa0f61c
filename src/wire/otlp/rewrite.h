#pragma once
// Changes what an OTLP request carries on its way through: text, attributes, whole spans. What is not touched stays as
// it is, byte for byte. Pure; safe from any thread.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/batch.h"
#include "wire/otlp/otlp.h"

namespace hs::wire::otlp {

struct Edits {
  // Gets each text in which anything may stand: values of attributes (also in arrays and maps, also bytes), bodies,
  // names of spans and events, messages of statuses, severity texts. True: it was changed. None: they stay.
  std::function<bool(std::string& text)> text;
  enum class Attribute : uint8_t { keep, drop, mask };
  std::function<Attribute(std::string_view key)> attribute;  // none: all are kept
  std::string mask = "[redacted]";                           // the value of masked attributes
  struct Span {
    std::string_view trace_id, trace_state;  // as they are in the request: any bytes
    bool error = false;
  };
  // Whether a span stays; may write `trace_state`, which is the span's own at first. None: all stay.
  std::function<bool(const Span& span, std::string& trace_state)> span;
};

struct Rewritten {
  std::string body;
  uint64_t spans_dropped = 0;
  // Fields that this version does not know, or not of this type: nobody can tell what is in them. They are left out
  // when `text` or `attribute` is set.
  uint64_t unknown_dropped = 0;
};

// `body` is a request that decode() takes. Errors: invalid_argument when it is no protobuf.
Result<Rewritten> rewrite(model::Signal signal, std::string_view body, const Edits& edits);

// A JSON request as protobuf; fields that OTLP does not have are left out. Errors as decode().
Result<std::string> protobuf_of_json(model::Signal signal, std::string body);

}  // namespace hs::wire::otlp
