#include "agent/intake.h"

#include <algorithm>

#include "base/metrics.h"
#include "ingest/coding.h"
#include "ingest/record.h"
#include "wire/otlp/rewrite.h"

namespace hs::agent {
namespace {

struct Metrics {
  metrics::Counter sampled_out{"homeostat_agent_sampled_out_spans_total", "Spans that sampling did not keep."};
  metrics::Counter unknown{"homeostat_agent_unknown_fields_dropped_total",
                           "Fields that OTLP did not have when this was built: redaction cannot look into them."};
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

wire::otlp::Edits edits_of(model::Signal signal, const IntakeOptions& options) {
  wire::otlp::Edits edits;
  const Redactor* redactor = options.redactor.get();
  if (redactor != nullptr && redactor->has_patterns())
    edits.text = [redactor](std::string& text) { return redactor->redact(text); };
  if (redactor != nullptr && redactor->has_keys())
    edits.attribute = [redactor](std::string_view key) { return redactor->verdict(key); };
  if (signal == model::Signal::traces && options.sampling.active())
    edits.span = [sampling = options.sampling](const auto& span, std::string& trace_state) {
      return keep(span, trace_state, sampling);
    };
  return edits;
}

// Takes the body apart and puts it together again, as protobuf without compression.
Status edit(Item& item, const wire::otlp::Edits& edits, size_t body_bytes_max) {
  HS_ASSIGN(item.body, decompress(ingest::coding_of(item.encoding), item.body, body_bytes_max));
  item.encoding = ingest::Encoding::identity;
  if (item.format == ingest::WireFormat::otlp_json) {
    HS_ASSIGN(item.body, wire::otlp::protobuf_of_json(item.signal, std::move(item.body)));
    item.format = ingest::WireFormat::otlp_protobuf;
  }
  HS_ASSIGN(wire::otlp::Rewritten rewritten, wire::otlp::rewrite(item.signal, item.body, edits));
  item.body = std::move(rewritten.body);
  item.items -= static_cast<uint32_t>(std::min<uint64_t>(item.items, rewritten.spans_dropped));
  counters().sampled_out.add(rewritten.spans_dropped);
  counters().unknown.add(rewritten.unknown_dropped);
  return {};
}

}  // namespace

Result<std::optional<Item>> take_in(ingest::Incoming incoming, const model::Batch& batch,
                                    const IntakeOptions& options) {
  Item item;
  item.hash = ingest::request_hash(incoming);
  item.signal = incoming.signal;
  item.format = incoming.format;
  item.encoding = incoming.encoding;
  item.received_at = incoming.received_at;
  item.items = static_cast<uint32_t>(std::min<size_t>(batch.size(), UINT32_MAX));
  item.tenant = std::move(incoming.tenant);
  item.body = std::move(incoming.body);
  const wire::otlp::Edits edits = edits_of(item.signal, options);
  if (edits.text || edits.attribute || edits.span) HS_TRY(edit(item, edits, options.body_bytes_max));
  if (item.items == 0) return std::nullopt;
  if (item.encoding == ingest::Encoding::identity) {
    HS_ASSIGN(item.body, compress(options.compression, item.body));
    item.encoding = ingest::encoding_of(options.compression);
  }
  return item;
}

}  // namespace hs::agent
