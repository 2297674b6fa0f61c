#pragma once
// What was found in one record's text. Internal to wire/logtext.

#include <span>
#include <vector>

#include "wire/logtext/parse.h"

namespace hs::wire::logtext {

class Findings {
 public:
  // `own`: the sender's attributes, which win. `text` outlives the batch's rows (it is in its arena).
  Findings(const Limits& limits, model::Arena& arena, std::span<const model::Attribute> own, std::string_view text)
      : limits_(limits), arena_(arena), own_(own), left_(text.size() + limits.added_bytes_slack) {}

  bool wants_severity = false, wants_trace = false, wants_span = false, wants_time = false;
  uint8_t severity = 0;
  std::string_view severity_text;
  model::TraceId trace_id{};
  model::SpanId span_id = 0;
  UnixNanos time = 0;
  std::vector<model::Attribute> added;

  // A field of structured text. `value` is canonical text of `type`. Views may die afterwards.
  void field(std::string_view key, std::string_view value, model::ValueType type);
  bool set_trace(std::string_view hex);  // 32 digits, or up to 16 (64 bits); false when it is none
  bool set_span(std::string_view hex);   // 16 digits

 private:
  bool consume(std::string_view key, std::string_view value, model::ValueType type);
  bool is_known(std::string_view key) const;

  const Limits& limits_;
  model::Arena& arena_;
  std::span<const model::Attribute> own_;
  size_t left_;  // bytes of keys and values
};

bool read_json(std::string_view text, const Limits& limits, Findings& out);    // false: no JSON object
bool read_logfmt(std::string_view text, const Limits& limits, Findings& out);  // false: no logfmt
void search_text(std::string_view text, const Limits& limits, Findings& out);

}  // namespace hs::wire::logtext
