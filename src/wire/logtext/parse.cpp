#include "wire/logtext/parse.h"

#include "wire/logtext/findings.h"

namespace hs::wire::logtext {
namespace {

using model::Attribute;
using model::Logs;
using model::ValueType;

void write_back(Logs& logs, size_t row, const Findings& found) {
  if (found.severity != 0) {
    logs.severity[row] = found.severity;
    logs.severity_text[row] = found.severity_text;
  }
  if (found.trace_id != model::TraceId{}) logs.trace_id[row] = found.trace_id;
  if (found.span_id != 0) logs.span_id[row] = found.span_id;
  if (found.time != 0) logs.time[row] = found.time;
}

// What a record's sender left open is looked for; -> attributes to add.
std::vector<Attribute> read_record(model::Batch& batch, size_t row, const Limits& limits) {
  Logs& logs = batch.logs;
  const std::string_view text = logs.body[row];
  if (logs.body_type[row] != ValueType::string || text.size() > limits.text_bytes_max) return {};
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  const auto& own = logs.attributes;
  Findings found(limits, batch.arena, {own.begin(row), own.end(row)}, text);
  found.wants_severity = logs.severity[row] == 0 && logs.severity_text[row].empty();
  found.wants_trace = logs.trace_id[row] == model::TraceId{};
  found.wants_span = found.wants_trace && logs.span_id[row] == 0;
  found.wants_time = logs.time[row] == 0;
  const std::string_view content = text.substr(first);
  const bool structured =
      (content.front() == '{' && read_json(content, limits, found)) || read_logfmt(content, limits, found);
  if (!structured) search_text(content, limits, found);
  write_back(logs, row, found);
  return std::move(found.added);
}

}  // namespace

void parse(model::Batch& batch, const Limits& limits) {
  Logs& logs = batch.logs;
  model::AttributeColumn wider;  // filled from the first row on that has more attributes than before
  bool changed = false;
  for (size_t row = 0; row < logs.size(); ++row) {
    const std::vector<Attribute> added = read_record(batch, row, limits);
    if (!added.empty() && !changed) {
      changed = true;
      wider.items.reserve(logs.attributes.items.size() + added.size() * (logs.size() - row));
      wider.ends.reserve(logs.size());
      wider.items.assign(logs.attributes.items.begin(), logs.attributes.items.begin() + logs.attributes.begin_of(row));
      wider.ends.assign(logs.attributes.ends.begin(), logs.attributes.ends.begin() + static_cast<ptrdiff_t>(row));
    }
    if (!changed) continue;
    wider.items.insert(wider.items.end(), logs.attributes.begin(row), logs.attributes.end(row));
    wider.items.insert(wider.items.end(), added.begin(), added.end());
    wider.end_row();
  }
  if (changed) logs.attributes = std::move(wider);
}

}  // namespace hs::wire::logtext
