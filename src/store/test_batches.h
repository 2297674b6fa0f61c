#pragma once
// Batches by hand, for tests.

#include <string>

#include "model/batch.h"
#include "model/canonical.h"

namespace hs::store::test {

inline void add_origin(model::Batch& batch, std::string_view service) {
  model::Resource resource;
  resource.attributes = {{"service.name", batch.arena.copy(service)}, {"host.cpus", "4", model::ValueType::integer}};
  model::canonicalise(resource);
  batch.resources.push_back(std::move(resource));
  model::Scope scope;
  scope.name = "library";
  scope.version = "1.2";
  model::canonicalise(scope);
  batch.scopes.push_back(std::move(scope));
}

inline model::TraceId trace_of(uint8_t n) {
  model::TraceId id{};
  id[0] = 0xab;
  id[15] = n;
  return id;
}

inline void add_span(model::Batch& b, uint8_t trace, uint64_t id, uint64_t parent, UnixNanos start,
                     std::string_view name = "GET /") {
  model::Spans& s = b.spans;
  s.resource.push_back(0);
  s.scope.push_back(0);
  s.trace_id.push_back(trace_of(trace));
  s.span_id.push_back(id);
  s.parent_id.push_back(parent);
  s.start.push_back(start);
  s.duration_ns.push_back(1'500'000);
  s.name.push_back(name);
  s.status_message.emplace_back();
  s.trace_state.emplace_back();
  s.kind.push_back(2);
  s.status.push_back(0);
  s.flags.push_back(1);
  s.dropped_attributes.push_back(0);
  s.dropped_events.push_back(0);
  s.dropped_links.push_back(0);
  s.attributes.end_row();
  s.events.ends.push_back(static_cast<uint32_t>(s.events.time.size()));
  s.links.ends.push_back(static_cast<uint32_t>(s.links.trace_id.size()));
}

inline model::Batch spans_of(std::string_view service) {
  model::Batch batch;
  batch.signal = model::Signal::traces;
  add_origin(batch, service);
  return batch;
}

inline model::Batch logs_of(std::string_view service) {
  model::Batch batch;
  batch.signal = model::Signal::logs;
  add_origin(batch, service);
  return batch;
}

inline void add_log(model::Batch& b, UnixNanos time, std::string_view body) {
  model::Logs& l = b.logs;
  l.resource.push_back(0);
  l.scope.push_back(0);
  l.time.push_back(time);
  l.observed_time.push_back(0);
  l.severity.push_back(9);
  l.severity_text.push_back("INFO");
  l.body.push_back(body);
  l.event_name.emplace_back();
  l.body_type.push_back(model::ValueType::string);
  l.trace_id.push_back({});
  l.span_id.push_back(0);
  l.flags.push_back(0);
  l.attributes.end_row();
  l.dropped_attributes.push_back(0);
}

inline model::Batch points_of(std::string_view service, std::string_view metric,
                              model::MetricKind kind = model::MetricKind::gauge) {
  model::Batch batch;
  batch.signal = model::Signal::metrics;
  add_origin(batch, service);
  model::Metric m;
  m.name = batch.arena.copy(metric);
  m.unit = "1";
  m.kind = kind;
  batch.points.metrics.push_back(std::move(m));
  return batch;
}

inline void add_point(model::Batch& b, UnixNanos time, double value) {
  model::Points& p = b.points;
  p.metric.push_back(0);
  p.time.push_back(time);
  p.start_time.push_back(0);
  p.flags.push_back(0);
  p.value.push_back(value);
  p.int_value.push_back(0);
  p.is_int.push_back(0);
  p.distribution.push_back(model::Points::no_distribution);
  p.attributes.end_row();
}

inline void add_int(model::Batch& b, UnixNanos time, int64_t value) {
  add_point(b, time, static_cast<double>(value));
  b.points.int_value.back() = value;
  b.points.is_int.back() = 1;
}

}  // namespace hs::store::test
