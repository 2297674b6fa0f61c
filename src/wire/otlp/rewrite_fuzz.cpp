// Rewriting any bytes: no crash, and without an edit the same request; JSON becomes the protobuf that says the same.

#include "base/assert.h"
#include "wire/otlp/fuzz_body.h"
#include "wire/otlp/rewrite.h"

namespace hs::wire::otlp {
namespace {

void check_identity(model::Signal signal, const std::string& body) {
  const auto same = rewrite(signal, body, {});
  const auto before = decode(signal, Format::protobuf, body);
  if (!before || !same) return;
  const auto after = decode(signal, Format::protobuf, same->body);
  HS_ASSERT(after.has_value() && describe(*after) == describe(*before), "a rewrite without an edit changes nothing");
}

void check_edits(model::Signal signal, const std::string& body) {
  Edits edits;
  edits.text = [](std::string& text) {
    text = "x";
    return true;
  };
  edits.attribute = [](std::string_view key) {
    return key.size() % 3 == 0   ? Edits::Attribute::drop
           : key.size() % 3 == 1 ? Edits::Attribute::mask
                                 : Edits::Attribute::keep;
  };
  edits.span = [](const Edits::Span& span, std::string& trace_state) {
    trace_state += "a=b";
    return span.trace_id.size() != 3;
  };
  const auto changed = rewrite(signal, body, edits);
  if (changed) std::ignore = decode(signal, Format::protobuf, changed->body);
}

}  // namespace
}  // namespace hs::wire::otlp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs::wire::otlp;
  if (size == 0) return 0;
  const auto signal = static_cast<hs::model::Signal>(1 + data[0] % 3);
  std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_identity(signal, body);
  check_edits(signal, body);
  const auto transcoded = protobuf_of_json(signal, body);
  const auto json = decode(signal, Format::json, body);
  if (json && transcoded) HS_ASSERT(rewrite(signal, *transcoded, {}).has_value(), "what we wrote is protobuf");
  return 0;
}
