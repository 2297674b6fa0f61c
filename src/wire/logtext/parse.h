#pragma once
// What is in the text of a log record: JSON and logfmt become attributes, severity, ids and time; in other text the
// severity and the ids are looked for. The body stays as it came, and so does everything that the sender set.
//
// Pure: the same batch always becomes the same batch; the journal's replay rests on it. Thread-safe.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/batch.h"

namespace hs::wire::logtext {

// Of one record. What is beyond is not made an attribute; the body has it.
struct Limits {
  size_t text_bytes_max = 64 * 1024;  // longer bodies are not parsed: they are dumps, not lines
  uint32_t fields_max = 64;           // half of what SDKs allow
  uint32_t depth_max = 4;             // objects in objects: {"a":{"b":1}} becomes a.b
  size_t key_bytes_max = 256;         // of a whole path; keys go into dictionaries, which live long
  size_t value_bytes_max = 4096;
  size_t added_bytes_slack = 1024;  // keys and values together: no more than the body's bytes and this
  size_t severity_within = 160;     // bytes at the beginning of other text; later words are the message's
  size_t ids_within = 4096;
};

// Goes through all records of a batch of logs whose body is a string.
void parse(model::Batch& batch, const Limits& limits = {});

// OTLP's SeverityNumber of a level's name, in any case ("warn", "WARNING", "err"); 0 when it is none.
uint8_t severity_of(std::string_view name);

}  // namespace hs::wire::logtext
