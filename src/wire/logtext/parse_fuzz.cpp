// Any text as a body, twice in a batch: bounds hold, the body stays, and equal rows stay equal.
#include <cstdint>
#include <cstdlib>

#include "wire/logtext/parse.h"

namespace {

void check(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  model::Batch batch;
  batch.signal = model::Signal::logs;
  model::Logs& l = batch.logs;
  for (int row = 0; row < 2; ++row) {
    l.time.push_back(0);
    l.severity.push_back(0);
    l.severity_text.emplace_back();
    l.body.push_back(batch.arena.copy(body));
    l.body_type.push_back(model::ValueType::string);
    l.trace_id.emplace_back();
    l.span_id.push_back(0);
    l.attributes.push({"own", "1", model::ValueType::integer});
    l.attributes.end_row();
  }
  const wire::logtext::Limits limits;
  wire::logtext::parse(batch, limits);
  check(l.attributes.rows() == 2 && l.severity[0] == l.severity[1] && l.trace_id[0] == l.trace_id[1]);
  size_t bytes = 0;
  for (size_t row = 0; row < 2; ++row) {
    check(l.body[row] == body && l.severity[row] <= 24 && l.time[row] >= 0);
    check(l.attributes.begin(row)->key == "own");
    check(static_cast<size_t>(l.attributes.end(row) - l.attributes.begin(row)) <= limits.fields_max + 1);
    for (const auto* a = l.attributes.begin(row) + 1; a < l.attributes.end(row); ++a)
      bytes += a->key.size() + a->value.size();
  }
  check(bytes <= 2 * (size + limits.added_bytes_slack));
  return 0;
}
