#pragma once
// The one text form of every attribute type, and the identity of resources and scopes. Every wire format uses these, so
// that equal content is equal text and equal ids whatever protocol brought it. Persistent: do not change the forms.

#include <cstdint>
#include <string>
#include <string_view>

#include "model/batch.h"

namespace hs::model {

std::string_view boolean_text(bool value);                   // "true", "false"
std::string_view integer_text(Arena& arena, int64_t value);  // decimal
std::string_view real_text(Arena& arena, double value);      // see append_real
std::string_view base64_text(Arena& arena, std::string_view bytes);

// Shortest text that reads back equal ("1.5", "1e-300", "1"); "NaN", "Infinity", "-Infinity".
void append_real(std::string& out, double value);
// A JSON string with its quotes: only what must be escaped is, in the short form where there is one. `text` is UTF-8.
void append_json_string(std::string& out, std::string_view text);

// Brings a resource into its canonical form: sorts the attributes (repeated keys by type and text) and
// sets `service`, `instance` and `id` from them. Values must already be canonical text. dropped_attributes is no part
// of the id.
void canonicalise(Resource& resource);
// As above, for name, version, attributes and schema URL.
void canonicalise(Scope& scope);

// The whole batch as text for people and tests, one line an item: resources and scopes by content, doubles in their
// shortest exact form. Two batches of equal content, whatever format they came in, give equal text.
std::string describe(const Batch& batch);

}  // namespace hs::model
