// describe(): see canonical.h. Not for any hot path.

#include <fmt/format.h>

#include "model/canonical.h"

namespace hs::model {
namespace {

// Quoted and escaped: text of telemetry cannot forge the structure of the description.
std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

void attributes(std::string& out, const Attribute* begin, const Attribute* end) {
  out += " {";
  for (const Attribute* a = begin; a != end; ++a)
    out +=
        fmt::format("{}{}:{}={}", a == begin ? "" : " ", quoted(a->key), static_cast<char>(a->type), quoted(a->value));
  out += '}';
}

void attributes(std::string& out, const std::vector<Attribute>& list) {
  attributes(out, list.data(), list.data() + list.size());
}

void attributes(std::string& out, const AttributeColumn& column, size_t row) {
  attributes(out, column.begin(row), column.end(row));
}

// Prints only what is set: lines stay short, and a new field does not change old descriptions.
template <class T>
void number(std::string& out, std::string_view name, T value) {
  if (value != T{}) out += fmt::format(" {}={}", name, value);
}

void text(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) out += fmt::format(" {}={}", name, quoted(value));
}

void real(std::string& out, std::string_view name, double value) {
  out += fmt::format(" {}=", name);
  append_real(out, value);
}

template <class List>
void list(std::string& out, std::string_view name, const List& values) {
  if (!values.empty()) out += fmt::format(" {}=[{}]", name, fmt::join(values, ","));
}

void trace(std::string& out, const TraceId& trace_id, SpanId span_id) {
  if (trace_id != TraceId{}) out += " trace=" + to_hex(trace_id);
  if (span_id != 0) out += " span=" + span_id_to_hex(span_id);
}

void events(std::string& out, const Events& e, size_t row) {
  for (uint32_t i = row == 0 ? 0 : e.ends[row - 1]; i < e.ends[row]; ++i) {
    out += fmt::format("\n  event {} time={}", quoted(e.name[i]), e.time[i]);
    number(out, "dropped", e.dropped_attributes[i]);
    attributes(out, e.attributes, i);
  }
}

void links(std::string& out, const Links& l, size_t row) {
  for (uint32_t i = row == 0 ? 0 : l.ends[row - 1]; i < l.ends[row]; ++i) {
    out += "\n  link";
    trace(out, l.trace_id[i], l.span_id[i]);
    text(out, "state", l.trace_state[i]);
    number(out, "flags", l.flags[i]);
    number(out, "dropped", l.dropped_attributes[i]);
    attributes(out, l.attributes, i);
  }
}

void spans(std::string& out, const Spans& s) {
  for (size_t i = 0; i < s.size(); ++i) {
    out += fmt::format("span {} r{} s{}", quoted(s.name[i]), s.resource[i], s.scope[i]);
    trace(out, s.trace_id[i], s.span_id[i]);
    if (s.parent_id[i] != 0) out += " parent=" + span_id_to_hex(s.parent_id[i]);
    out += fmt::format(" start={} duration={} kind={} status={}", s.start[i], s.duration_ns[i], s.kind[i], s.status[i]);
    text(out, "message", s.status_message[i]);
    text(out, "state", s.trace_state[i]);
    number(out, "flags", s.flags[i]);
    number(out, "dropped", s.dropped_attributes[i]);
    number(out, "dropped_events", s.dropped_events[i]);
    number(out, "dropped_links", s.dropped_links[i]);
    attributes(out, s.attributes, i);
    events(out, s.events, i);
    links(out, s.links, i);
    out += '\n';
  }
}

void logs(std::string& out, const Logs& l) {
  for (size_t i = 0; i < l.size(); ++i) {
    out += fmt::format("log {}:{} r{} s{} time={} observed={} severity={}", static_cast<char>(l.body_type[i]),
                       quoted(l.body[i]), l.resource[i], l.scope[i], l.time[i], l.observed_time[i], l.severity[i]);
    text(out, "severity_text", l.severity_text[i]);
    text(out, "event", l.event_name[i]);
    trace(out, l.trace_id[i], l.span_id[i]);
    number(out, "flags", l.flags[i]);
    number(out, "dropped", l.dropped_attributes[i]);
    attributes(out, l.attributes, i);
    out += '\n';
  }
}

void buckets(std::string& out, std::string_view name, const Buckets& b) {
  number(out, fmt::format("{}_offset", name), b.offset);
  list(out, name, b.counts);
  list(out, name, b.float_counts);
}

void distribution(std::string& out, const Distribution& d) {
  out += fmt::format(" count={}", d.count);
  if (d.has_sum) real(out, "sum", d.sum);
  if (d.has_min) real(out, "min", d.min);
  if (d.has_max) real(out, "max", d.max);
  list(out, "bounds", d.bounds);
  list(out, "counts", d.counts);
  list(out, "quantiles", d.quantile_values);
  number(out, "scale", d.scale);
  number(out, "zero_count", d.zero_count);
  if (d.zero_threshold != 0) real(out, "zero_threshold", d.zero_threshold);
  buckets(out, "positive", d.positive);
  buckets(out, "negative", d.negative);
  if (d.is_float) real(out, "float_count", d.float_count), real(out, "float_zero_count", d.float_zero_count);
  number(out, "reset_hint", static_cast<int>(d.reset_hint));
}

void exemplars(std::string& out, const Exemplars& e, size_t point, size_t& next) {
  for (; next < e.point.size() && e.point[next] == point; ++next) {
    out += fmt::format("\n  exemplar time={}", e.time[next]);
    if (e.is_int[next]) out += fmt::format(" int={}", e.int_value[next]);
    real(out, "value", e.value[next]);
    trace(out, e.trace_id[next], e.span_id[next]);
    attributes(out, e.attributes, next);
  }
}

void points(std::string& out, const Points& p) {
  for (size_t i = 0; i < p.metrics.size(); ++i) {
    const Metric& m = p.metrics[i];
    out +=
        fmt::format("metric m{} {} kind={} r{} s{}", i, quoted(m.name), static_cast<int>(m.kind), m.resource, m.scope);
    text(out, "unit", m.unit);
    text(out, "description", m.description);
    number(out, "temporality", static_cast<int>(m.temporality));
    number(out, "monotonic", m.monotonic);
    if (!m.metadata.empty()) attributes(out, m.metadata);
    out += '\n';
  }
  for (const Family& f : p.families) {
    out += fmt::format("family {}", quoted(f.name));
    text(out, "type", f.type);
    text(out, "help", f.help);
    text(out, "unit", f.unit);
    out += '\n';
  }
  size_t exemplar = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    out += fmt::format("point m{} time={} start={}", p.metric[i], p.time[i], p.start_time[i]);
    number(out, "flags", p.flags[i]);
    if (p.is_int[i]) out += fmt::format(" int={}", p.int_value[i]);
    if (p.distribution[i] == Points::no_distribution)
      real(out, "value", p.value[i]);
    else
      distribution(out, p.distributions[p.distribution[i]]);
    attributes(out, p.attributes, i);
    exemplars(out, p.exemplars, i, exemplar);
    out += '\n';
  }
}

void contexts(std::string& out, const Batch& batch) {
  for (size_t i = 0; i < batch.resources.size(); ++i) {
    const Resource& r = batch.resources[i];
    out += fmt::format("resource r{} {:016x} service={} instance={}", i, r.id, quoted(r.service), quoted(r.instance));
    text(out, "schema", r.schema_url);
    number(out, "dropped", r.dropped_attributes);
    attributes(out, r.attributes);
    out += '\n';
  }
  for (size_t i = 0; i < batch.scopes.size(); ++i) {
    const Scope& s = batch.scopes[i];
    out += fmt::format("scope s{} {:016x} {} {}", i, s.id, quoted(s.name), quoted(s.version));
    text(out, "schema", s.schema_url);
    number(out, "dropped", s.dropped_attributes);
    attributes(out, s.attributes);
    out += '\n';
  }
}

}  // namespace

std::string describe(const Batch& batch) {
  std::string out = fmt::format("{}: {} items", name_of(batch.signal), batch.size());
  if (batch.rejected != 0 || !batch.rejected_why.empty())
    out += fmt::format(", {} rejected: {}", batch.rejected, quoted(batch.rejected_why));
  out += '\n';
  contexts(out, batch);
  spans(out, batch.spans);
  logs(out, batch.logs);
  points(out, batch.points);
  return out;
}

}  // namespace hs::model
