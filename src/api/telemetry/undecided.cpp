#include "api/telemetry/undecided.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"
#include "store/block.h"

namespace hs::api::telemetry {
namespace {

using Form = store::ResultColumn::Form;
struct Default {
  std::string_view name;
  Form form;
};
// What the encoder leaves out of a block when no row has it (the engine fills it in).
constexpr std::array<Default, 21> defaults = {{{"ts_sent", Form::fixed},
                                               {"instance", Form::text},
                                               {"schema_url", Form::text},
                                               {"status_message", Form::text},
                                               {"trace_state", Form::text},
                                               {"flags", Form::fixed},
                                               {"attrs", Form::array},
                                               {"attr_types", Form::text},
                                               {"dropped_attributes", Form::fixed},
                                               {"dropped_events", Form::fixed},
                                               {"dropped_links", Form::fixed},
                                               {"events.ts", Form::array},
                                               {"events.name", Form::array},
                                               {"events.attrs", Form::array},
                                               {"events.attr_types", Form::array},
                                               {"events.dropped", Form::array},
                                               {"links.trace_id", Form::array},
                                               {"links.span_id", Form::array},
                                               {"links.trace_state", Form::array},
                                               {"links.flags", Form::array},
                                               {"links.dropped", Form::array}}};

store::ResultColumn empty_column(const Default& of, size_t rows) {
  store::ResultColumn column;
  column.name = of.name;
  column.form = of.form;
  if (of.form == Form::fixed) {
    column.width = sizeof(uint64_t);
    column.bytes.assign(rows * column.width, '\0');
  } else {
    column.ends.assign(rows, 0);
  }
  return column;
}

Result<Blocks> read_block(const store::Block& block) {
  store::NativeReader reader;
  Blocks rows;
  HS_TRY(reader.feed(block.native, rows));
  HS_TRY(reader.finish(rows));
  for (store::ResultBlock& some : rows)
    for (const Default& of : defaults)
      if (some.find(of.name) == nullptr) some.columns.push_back(empty_column(of, some.rows));
  return rows;
}

// Spans of the trace, unless they were dropped a moment ago.
std::vector<uint8_t> codes_of(const ingest::HeldBatch& held, const model::TraceId& id) {
  const model::Spans& spans = held.batch->spans;
  const model::Kept kept{held.codes, held.thresholds};
  std::vector<uint8_t> codes(spans.size(), model::Kept::dropped);
  for (size_t row = 0; row < spans.size(); ++row)
    if (spans.trace_id[row] == id && kept.has(row))
      codes[row] = held.codes.empty() ? model::Kept::whole : held.codes[row];
  return codes;
}

}  // namespace

Result<Undecided> undecided_trace(const Reader& reader, const http::Request& request, std::string_view trace_id) {
  Undecided out;
  if (!reader.held) return out;
  HS_ASSIGN(const std::string tenant, ingest::tenant_of(request.headers));
  const std::string bytes = from_hex(trace_id).value_or("");
  model::TraceId id{};
  if (bytes.size() != id.size()) return out;
  std::memcpy(id.data(), bytes.data(), id.size());
  const std::vector<ingest::HeldBatch> held = reader.held(tenant);
  std::vector<std::vector<uint8_t>> codes;
  for (const ingest::HeldBatch& batch : held) codes.push_back(codes_of(batch, id));
  std::vector<store::StoredBatch> stored;
  for (size_t i = 0; i < held.size(); ++i)
    if (std::any_of(codes[i].begin(), codes[i].end(), [](uint8_t code) { return code != model::Kept::dropped; }))
      stored.push_back({held[i].batch.get(), held[i].received_at, tenant, {codes[i], held[i].thresholds}});
  store::Described told_nothing;
  for (const store::Block& block : store::encode_blocks(stored, 0, told_nothing)) {
    Blocks* to = block.table == "spans"       ? &out.spans
                 : block.table == "resources" ? &out.described.resources
                 : block.table == "scopes"    ? &out.described.scopes
                                              : nullptr;
    if (to == nullptr) continue;
    HS_ASSIGN(Blocks rows, read_block(block));
    std::move(rows.begin(), rows.end(), std::back_inserter(*to));
  }
  return out;
}

}  // namespace hs::api::telemetry
