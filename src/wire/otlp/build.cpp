#include "wire/otlp/build.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/text.h"
#include "model/canonical.h"

namespace hs::wire::otlp {
namespace {

using model::Attribute;

enum class Bound : uint8_t { none, attributes, nesting, key_bytes, value_bytes, name_bytes };

struct NoteText {
  std::string_view text;
  std::string_view noun;
  Bound bound = Bound::none;
};

// In the order of Note. "{n} {noun} rejected: {text}", or "{n} {noun} {text}" for what was kept; then the bound.
constexpr std::array<NoteText, static_cast<size_t>(Note::count_)> note_texts = {{
    {"rejected: trace_id must be 16 and span_id 8 bytes, hex in JSON, not all zero", "spans"},
    {"rejected: parent_span_id must be empty or 8 bytes", "spans"},
    {"rejected: a metric's name must not be empty or longer than the limit", "data points", Bound::name_bytes},
    {"rejected: a histogram has one bucket count more than bounds", "data points"},
    {"rejected: a histogram's bounds must increase", "data points"},
    {"rejected: more buckets or quantiles than the limit", "data points"},
    {"rejected: an attribute was dropped, and without it a point is of another series", "data points"},
    {"rejected: the body is nested more deeply than the limit", "log records", Bound::nesting},
    {"rejected: the body is larger than the limit", "log records"},
    {"dropped: more on one item than the limit", "attributes", Bound::attributes},
    {"dropped: the key is empty or longer than the limit", "attributes", Bound::key_bytes},
    {"dropped: the value is nested more deeply than the limit", "attributes", Bound::nesting},
    {"dropped: the value, an array or a map, is larger than the limit", "attributes", Bound::value_bytes},
    {"cut at the limit", "texts", Bound::value_bytes},
    {"cut at the limit", "names", Bound::name_bytes},
    {"dropped: more in one span than the limit", "events"},
    {"dropped: more in one span than the limit", "links"},
    {"dropped: malformed trace_id or span_id", "links"},
    {"dropped: more on one data point than the limit", "exemplars"},
    {"taken without their trace_id and span_id, which are malformed", "log records or exemplars"},
    {"had bytes that are not UTF-8, now U+FFFD", "texts"},
}};

// The bound's value and the setting that changes it.
std::string bound_text(Bound bound, const DecodeLimits& limits) {
  switch (bound) {
    case Bound::attributes:
      return fmt::format(" of {} (limits.attributes)", limits.attributes_per_item_max);
    case Bound::nesting:
      return fmt::format(" of {} (limits.nesting)", limits.nesting_max);
    case Bound::key_bytes:
      return fmt::format(" of {} bytes (limits.key_bytes)", limits.key_bytes_max);
    case Bound::value_bytes:
      return fmt::format(" of {} bytes (limits.value_bytes)", limits.value_bytes_max);
    case Bound::name_bytes:
      return fmt::format(" of {} bytes (limits.name_bytes)", limits.name_bytes_max);
    case Bound::none:
      break;
  }
  return "";
}

std::string first_text(Note note, std::string_view name) {
  constexpr size_t shown_bytes = 64;  // enough to recognise it
  if (name.empty()) return "";
  const std::string shown = repair_utf8(utf8_prefix(name, shown_bytes));
  // Of too many none is worse than the others: the last that found room tells where to look.
  return fmt::format(", the first {} '{}'", note == Note::attributes_over ? "after" : "is", shown);
}

// Bytes that one row occupies in the columns, without attributes and text.
constexpr size_t span_bytes = 160, event_bytes = 32, link_bytes = 56, log_bytes = 128, point_bytes = 64,
                 exemplar_bytes = 64;
constexpr size_t context_entry_bytes = 64;  // of the maps by id

UnixNanos clamp_time(uint64_t nanos) {
  constexpr uint64_t last = std::numeric_limits<UnixNanos>::max();
  return static_cast<UnixNanos>(std::min(nanos, last));
}

uint32_t add_saturated(uint32_t a, uint64_t b) {
  return static_cast<uint32_t>(std::min<uint64_t>(a + b, std::numeric_limits<uint32_t>::max()));
}

uint32_t last_end(const std::vector<uint32_t>& ends) { return ends.empty() ? 0 : ends.back(); }

// Rows [rows, end) and their attributes go.
void shrink(model::AttributeColumn& column, size_t rows) {
  column.ends.resize(rows);
  column.items.resize(last_end(column.ends));
}

void shrink(model::Events& events, size_t rows) {
  events.time.resize(rows);
  events.name.resize(rows);
  events.dropped_attributes.resize(rows);
  shrink(events.attributes, rows);
}

void shrink(model::Links& links, size_t rows) {
  links.trace_id.resize(rows);
  links.span_id.resize(rows);
  links.trace_state.resize(rows);
  links.flags.resize(rows);
  links.dropped_attributes.resize(rows);
  shrink(links.attributes, rows);
}

void shrink(model::Exemplars& exemplars, size_t rows) {
  exemplars.point.resize(rows);
  exemplars.time.resize(rows);
  exemplars.value.resize(rows);
  exemplars.int_value.resize(rows);
  exemplars.is_int.resize(rows);
  exemplars.trace_id.resize(rows);
  exemplars.span_id.resize(rows);
  shrink(exemplars.attributes, rows);
}

bool increasing(const std::vector<double>& bounds) {
  for (size_t i = 0; i < bounds.size(); ++i)
    if (bounds[i] != bounds[i] || (i != 0 && !(bounds[i - 1] < bounds[i]))) return false;
  return true;
}

}  // namespace

Builder::Builder(model::Signal signal, const DecodeLimits& l) : limits(l) { batch.signal = signal; }

std::string_view Builder::adopt(std::string body) {
  body_bytes_ = body.size();
  return batch.arena.adopt(std::move(body));
}

std::string_view Builder::checked(std::string_view raw) {
  if (simdjson::validate_utf8(raw)) return raw;
  note(Note::utf8);
  return batch.arena.copy(repair_utf8(raw));
}

std::string_view Builder::cut_off(std::string_view text, size_t bytes_max, Note why) {
  note(why, 1, text);
  return utf8_prefix(text, bytes_max);
}

Value Builder::integer(int64_t value) { return {model::integer_text(batch.arena, value), model::ValueType::integer}; }

Value Builder::real(double value) { return {model::real_text(batch.arena, value), model::ValueType::real}; }

Value Builder::bytes(std::string_view raw, size_t bytes_max) {
  const size_t keep = bytes_max / 4 * 3;
  if (raw.size() > keep) note(Note::value_cut);
  return {model::base64_text(batch.arena, raw.substr(0, keep)), model::ValueType::bytes};
}

void Builder::reserve_spans(size_t items, size_t request_bytes) {
  constexpr size_t smallest_span_bytes = 28, usual_attribute_bytes = 40;  // in protobuf
  const size_t n = std::min({items, request_bytes / smallest_span_bytes, limits.decoded_bytes_max / span_bytes});
  model::Spans& s = batch.spans;
  const auto reserve = [n](auto&... columns) { (columns.reserve(n), ...); };
  reserve(s.resource, s.scope, s.trace_id, s.span_id, s.parent_id, s.start, s.duration_ns, s.name, s.status_message);
  reserve(s.trace_state, s.kind, s.status, s.flags, s.dropped_attributes, s.dropped_events, s.dropped_links);
  reserve(s.attributes.ends, s.events.ends, s.links.ends);
  s.attributes.items.reserve(request_bytes / usual_attribute_bytes);
}

void Builder::reserve_logs(size_t items, size_t request_bytes) {
  constexpr size_t usual_attribute_bytes = 60;  // bodies take their share
  const size_t n = std::min(items, limits.decoded_bytes_max / log_bytes);
  model::Logs& l = batch.logs;
  const auto reserve = [n](auto&... columns) { (columns.reserve(n), ...); };
  reserve(l.resource, l.scope, l.time, l.observed_time, l.severity, l.severity_text, l.body, l.event_name, l.body_type);
  reserve(l.trace_id, l.span_id, l.flags, l.dropped_attributes, l.attributes.ends);
  l.attributes.items.reserve(request_bytes / usual_attribute_bytes);
}

void Builder::reserve_points(size_t request_bytes) {
  constexpr size_t usual_point_bytes = 140, usual_attribute_bytes = 70;  // numbers and histograms; others grow
  const size_t n = std::min(request_bytes / usual_point_bytes, limits.decoded_bytes_max / point_bytes);
  model::Points& p = batch.points;
  const auto reserve = [n](auto&... columns) { (columns.reserve(n), ...); };
  reserve(p.metric, p.time, p.start_time, p.flags, p.value, p.int_value, p.is_int, p.distribution, p.attributes.ends);
  p.attributes.items.reserve(request_bytes / usual_attribute_bytes);
}

bool Builder::drop(AttributeList& list, Note why, std::string_view key) {
  note(why, 1, key);
  ++list.dropped;
  if (&list.items == &batch.points.attributes.items) point_lacks_attributes_ = true;
  return false;
}

void Builder::add(AttributeList& list, std::string_view raw_key, const Value& value) {
  if (raw_key.empty() || raw_key.size() > limits.key_bytes_max) {
    drop(list, Note::key_length, raw_key);
  } else if (value.fit != Fit::ok) {
    drop(list, value.fit == Fit::too_deep ? Note::value_nesting : Note::value_size, raw_key);
  } else {
    list.items.push_back({text(raw_key), value.text, value.type});
  }
}

uint32_t Builder::add_resource(model::Resource resource) {
  model::canonicalise(resource);
  const auto [at, added] = resource_by_id_.try_emplace(resource.id, static_cast<uint32_t>(batch.resources.size()));
  if (added) {
    charge(sizeof(resource) + context_entry_bytes + resource.attributes.size() * sizeof(Attribute));
    batch.resources.push_back(std::move(resource));
  }
  return at->second;
}

uint32_t Builder::add_scope(model::Scope scope) {
  model::canonicalise(scope);
  const auto [at, added] = scope_by_id_.try_emplace(scope.id, static_cast<uint32_t>(batch.scopes.size()));
  if (added) {
    charge(sizeof(scope) + context_entry_bytes + scope.attributes.size() * sizeof(Attribute));
    batch.scopes.push_back(std::move(scope));
  }
  return at->second;
}

bool Builder::room_for_event(SpanRow& row) {
  const model::Events& e = batch.spans.events;
  if (e.time.size() - last_end(e.ends) < limits.children_per_item_max) return true;
  note(Note::events_over);
  row.dropped_events = add_saturated(row.dropped_events, 1);
  return false;
}

bool Builder::room_for_link(SpanRow& row) {
  const model::Links& l = batch.spans.links;
  if (l.span_id.size() - last_end(l.ends) < limits.children_per_item_max) return true;
  note(Note::links_over);
  row.dropped_links = add_saturated(row.dropped_links, 1);
  return false;
}

bool Builder::room_for_exemplar() {
  if (batch.points.exemplars.point.size() - exemplars_begin_ < limits.children_per_item_max) return true;
  note(Note::exemplars_over);
  return false;
}

void Builder::push(const EventRow& row) {
  model::Events& e = batch.spans.events;
  e.time.push_back(clamp_time(row.time));
  e.name.push_back(row.name);
  e.dropped_attributes.push_back(row.dropped_attributes);
  charge(event_bytes + (e.attributes.items.size() - last_end(e.attributes.ends)) * sizeof(Attribute));
  e.attributes.end_row();
}

void Builder::push(const LinkRow& row, SpanRow& span) {
  model::Links& l = batch.spans.links;
  const bool valid = row.context.ok && row.context.trace_id != model::TraceId{} && row.context.span_id != 0;
  if (!valid) {
    note(Note::link_ids);
    span.dropped_links = add_saturated(span.dropped_links, 1);
    l.attributes.items.resize(last_end(l.attributes.ends));
    return;
  }
  l.trace_id.push_back(row.context.trace_id);
  l.span_id.push_back(row.context.span_id);
  l.trace_state.push_back(row.trace_state);
  l.flags.push_back(row.flags);
  l.dropped_attributes.push_back(row.dropped_attributes);
  charge(link_bytes + (l.attributes.items.size() - last_end(l.attributes.ends)) * sizeof(Attribute));
  l.attributes.end_row();
}

void Builder::take_back_span() {
  model::Spans& s = batch.spans;
  s.attributes.items.resize(last_end(s.attributes.ends));
  shrink(s.events, last_end(s.events.ends));
  shrink(s.links, last_end(s.links.ends));
}

void Builder::push(const SpanRow& row) {
  if (!row.ids_ok || !row.parent_ok) {
    reject(row.ids_ok ? Note::parent_id : Note::span_ids);
    take_back_span();
    return;
  }
  model::Spans& s = batch.spans;
  s.resource.push_back(row.resource);
  s.scope.push_back(row.scope);
  s.trace_id.push_back(row.trace_id);
  s.span_id.push_back(row.span_id);
  s.parent_id.push_back(row.parent_id);
  s.start.push_back(clamp_time(row.start));
  s.duration_ns.push_back(row.end > row.start ? row.end - row.start : 0);
  s.name.push_back(row.name);
  s.status_message.push_back(row.status_message);
  s.trace_state.push_back(row.trace_state);
  s.kind.push_back(static_cast<uint8_t>(row.kind <= 5 ? row.kind : 0));
  s.status.push_back(static_cast<uint8_t>(row.status <= 2 ? row.status : 0));
  s.flags.push_back(row.flags);
  s.dropped_attributes.push_back(row.dropped_attributes);
  s.dropped_events.push_back(row.dropped_events);
  s.dropped_links.push_back(row.dropped_links);
  charge(span_bytes + (s.attributes.items.size() - last_end(s.attributes.ends)) * sizeof(Attribute));
  s.attributes.end_row();
  s.events.ends.push_back(static_cast<uint32_t>(s.events.time.size()));
  s.links.ends.push_back(static_cast<uint32_t>(s.links.span_id.size()));
}

void Builder::push(const LogRow& row) {
  model::Logs& l = batch.logs;
  if (row.body.fit != Fit::ok) {
    reject(row.body.fit == Fit::too_deep ? Note::body_nesting : Note::body_size);
    l.attributes.items.resize(last_end(l.attributes.ends));
    return;
  }
  if (!row.context.ok) note(Note::context_ids);
  l.resource.push_back(row.resource);
  l.scope.push_back(row.scope);
  l.time.push_back(clamp_time(row.time));
  l.observed_time.push_back(clamp_time(row.observed_time));
  l.severity.push_back(static_cast<uint8_t>(row.severity >= 0 && row.severity <= 24 ? row.severity : 0));
  l.severity_text.push_back(row.severity_text);
  l.body.push_back(row.body.text);
  l.body_type.push_back(row.body.type);
  l.event_name.push_back(row.event_name);
  l.trace_id.push_back(row.context.ok ? row.context.trace_id : model::TraceId{});
  l.span_id.push_back(row.context.ok ? row.context.span_id : 0);
  l.flags.push_back(row.flags);
  l.dropped_attributes.push_back(row.dropped_attributes);
  charge(log_bytes + (l.attributes.items.size() - last_end(l.attributes.ends)) * sizeof(Attribute));
  l.attributes.end_row();
}

void Builder::push(const ExemplarRow& row) {
  model::Exemplars& e = batch.points.exemplars;
  if (!row.context.ok) note(Note::context_ids);
  e.point.push_back(static_cast<uint32_t>(batch.points.size()));
  e.time.push_back(clamp_time(row.time));
  e.value.push_back(row.value.is_int ? static_cast<double>(row.value.integer) : row.value.real);
  e.int_value.push_back(row.value.integer);
  e.is_int.push_back(row.value.is_int ? 1 : 0);
  e.trace_id.push_back(row.context.ok ? row.context.trace_id : model::TraceId{});
  e.span_id.push_back(row.context.ok ? row.context.span_id : 0);
  charge(exemplar_bytes + (e.attributes.items.size() - last_end(e.attributes.ends)) * sizeof(Attribute));
  e.attributes.end_row();
}

bool Builder::lacks_attributes() { return std::exchange(point_lacks_attributes_, false); }

void Builder::push(const PointRow& row) {
  if (lacks_attributes()) return reject_point(Note::point_attributes, batch.points.metrics[row.metric].name);
  constexpr uint32_t no_recorded_value = 1;
  model::Points& p = batch.points;
  p.metric.push_back(row.metric);
  p.time.push_back(clamp_time(row.time));
  p.start_time.push_back(clamp_time(row.start_time));
  const bool is_number = p.metrics[row.metric].kind <= model::MetricKind::sum;
  p.flags.push_back(is_number && !row.value.set ? row.flags | no_recorded_value : row.flags);
  p.value.push_back(row.value.is_int ? static_cast<double>(row.value.integer) : row.value.real);
  p.int_value.push_back(row.value.integer);
  p.is_int.push_back(row.value.is_int ? 1 : 0);
  p.distribution.push_back(model::Points::no_distribution);
  charge(point_bytes + (p.attributes.items.size() - last_end(p.attributes.ends)) * sizeof(Attribute));
  p.attributes.end_row();
  exemplars_begin_ = p.exemplars.point.size();
}

uint32_t Builder::add_metric(model::Metric metric) {
  charge(sizeof(metric) + metric.metadata.size() * sizeof(Attribute));
  batch.points.metrics.push_back(std::move(metric));
  return static_cast<uint32_t>(batch.points.metrics.size() - 1);
}

bool Builder::valid(const model::Distribution& d, model::MetricKind kind, Note& why) const {
  if (kind != model::MetricKind::histogram) return true;
  why = Note::buckets_mismatch;
  if (d.counts.size() != (d.counts.empty() && d.bounds.empty() ? 0 : d.bounds.size() + 1)) return false;
  why = Note::bounds_order;
  return increasing(d.bounds);
}

void Builder::push(const PointRow& row, model::Distribution distribution, bool too_many) {
  model::Points& p = batch.points;
  Note why = Note::buckets_over;
  if (lacks_attributes())
    why = Note::point_attributes;
  else if (!too_many && valid(distribution, p.metrics[row.metric].kind, why))
    return push_distribution(row, std::move(distribution));
  reject_point(why, p.metrics[row.metric].name);
}

void Builder::push_distribution(const PointRow& row, model::Distribution distribution) {
  model::Points& p = batch.points;
  push(row);
  p.distribution.back() = static_cast<uint32_t>(p.distributions.size());
  charge(sizeof(distribution) +
         8 * (distribution.bounds.size() + distribution.counts.size() + distribution.quantile_values.size() +
              distribution.positive.counts.size() + distribution.negative.counts.size()));
  p.distributions.push_back(std::move(distribution));
}

void Builder::reject_point(Note why, std::string_view metric) {
  model::Points& p = batch.points;
  reject(why, 1, metric);
  p.attributes.items.resize(last_end(p.attributes.ends));
  shrink(p.exemplars, exemplars_begin_);
}

bool Builder::acceptable_name(std::string_view name) { return !name.empty() && name.size() <= limits.name_bytes_max; }

Result<model::Batch> Builder::finish() {
  for (size_t i = 0; i < notes_.size(); ++i) {
    if (notes_[i] == 0) continue;
    if (!batch.rejected_why.empty()) batch.rejected_why += "; ";
    batch.rejected_why +=
        fmt::format("{} {} {}{}{}", notes_[i], note_texts[i].noun, note_texts[i].text,
                    bound_text(note_texts[i].bound, limits), first_text(static_cast<Note>(i), first_[i]));
  }
  if (!within_budget())
    return fail(Code::too_large, fmt::format("the request needs more than {} bytes when decoded: send it in several",
                                             limits.decoded_bytes_max));
  if (batch.rejected != 0 && batch.size() == 0) return fail(Code::invalid_argument, std::move(batch.rejected_why));
  return std::move(batch);
}

}  // namespace hs::wire::otlp
