#include "model/memory.h"

namespace hs::model {
namespace {

template <class... Columns>
size_t bytes_of(const Columns&... columns) {
  return ((columns.capacity() * sizeof(typename Columns::value_type)) + ... + 0);
}

size_t memory_of(const AttributeColumn& a) { return bytes_of(a.ends, a.items); }

size_t memory_of(const Spans& s) {
  const Events& e = s.events;
  const Links& l = s.links;
  return bytes_of(s.resource, s.scope, s.trace_id, s.span_id, s.parent_id, s.start, s.duration_ns, s.name,
                  s.status_message, s.trace_state, s.kind, s.status, s.flags, s.dropped_attributes, s.dropped_events,
                  s.dropped_links, e.ends, e.time, e.name, e.dropped_attributes, l.ends, l.trace_id, l.span_id,
                  l.trace_state, l.flags, l.dropped_attributes) +
         memory_of(s.attributes) + memory_of(e.attributes) + memory_of(l.attributes);
}

size_t memory_of(const Logs& l) {
  return bytes_of(l.resource, l.scope, l.time, l.observed_time, l.severity, l.severity_text, l.body, l.event_name,
                  l.body_type, l.trace_id, l.span_id, l.flags, l.dropped_attributes) +
         memory_of(l.attributes);
}

size_t memory_of(const Points& p) {
  const Exemplars& e = p.exemplars;
  size_t bytes = bytes_of(p.metrics, p.metric, p.time, p.start_time, p.flags, p.value, p.int_value, p.is_int,
                          p.distribution, p.distributions, p.families, p.series_id, e.point, e.time, e.value,
                          e.int_value, e.is_int, e.trace_id, e.span_id) +
                 memory_of(p.attributes) + memory_of(e.attributes);
  for (const Distribution& d : p.distributions)
    bytes += bytes_of(d.bounds, d.counts, d.quantile_values, d.positive.counts, d.positive.float_counts,
                      d.negative.counts, d.negative.float_counts);
  return bytes;
}

}  // namespace

size_t memory_bytes(const Batch& batch) {
  size_t bytes = batch.arena.bytes() + bytes_of(batch.resources, batch.scopes) + memory_of(batch.spans) +
                 memory_of(batch.logs) + memory_of(batch.points);
  for (const Resource& resource : batch.resources) bytes += bytes_of(resource.attributes);
  for (const Scope& scope : batch.scopes) bytes += bytes_of(scope.attributes);
  return bytes;
}

}  // namespace hs::model
