#include "stream/state.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/hash.h"
#include "base/text.h"

namespace hs::stream {
namespace {

constexpr size_t overflow_series_max = 256;  // of "other", by credential and kind
constexpr int64_t unit_block_s = 5;  // the unit of analysis where no user is named (DESIGN: sequential verdicts)
constexpr size_t value_bytes_max = 256;
constexpr size_t log_cells_per_tick_max = 20'000;
constexpr uint8_t failed_status = 2;     // OTLP Status.code ERROR
constexpr double slow_factor = 2;        // of the mean: from it on a span is an example of a slow one
constexpr double slow_after = 20;        // spans; a mean of fewer tells nothing
constexpr double typical_memory = 1000;  // spans that the mean is of: an incident's first minute stands out
constexpr uint8_t warn_severity = 13;    // OTLP SeverityNumber WARN: addresses in quieter lines are not looked for

uint64_t trace_hash(const model::TraceId& id) { return hash64({reinterpret_cast<const char*>(id.data()), id.size()}); }

std::string hex_of(const model::TraceId& id) { return to_hex({reinterpret_cast<const char*>(id.data()), id.size()}); }

int64_t number_of(std::string_view text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool is_answer(uint8_t kind) { return kind == 2 || kind == 5; }
bool is_call(uint8_t kind) { return kind == 3 || kind == 4; }

// A span that tells neither a status nor a code, but the type of an error, or an exception that left it.
bool threw(const model::Spans& spans, size_t row, const Facts& facts) {
  if (spans.status[row] != 0 || facts.http_status != 0 || facts.grpc_status >= 0) return false;
  if (!facts.error_type.empty()) return true;
  if (spans.events.ends.empty()) return false;
  const model::Events& events = spans.events;
  for (uint32_t e = row == 0 ? 0 : events.ends[row - 1]; e < events.ends[row]; ++e) {
    if (events.name[e] != "exception") continue;
    const auto* begin = events.attributes.begin(e);
    const auto* end = events.attributes.end(e);
    const auto handled = [](const model::Attribute& a) { return a.key == "exception.escaped" && a.value == "false"; };
    if (std::none_of(begin, end, handled)) return true;
  }
  return false;
}

Arrived arrived(const model::Batch& batch, size_t row) {
  const model::Spans& spans = batch.spans;
  Arrived span;
  span.facts = facts_of(spans.attributes.begin(row), spans.attributes.end(row));
  span.ending = ending_of(threw(spans, row, span.facts) ? failed_status : spans.status[row], span.facts);
  span.start = spans.start[row];
  span.end = span.start + static_cast<int64_t>(spans.duration_ns[row]);
  span.second = span.end / nanos_per_s;
  span.trace = trace_hash(spans.trace_id[row]);
  span.key = mix(span.trace, spans.span_id[row]);
  span.parent = spans.parent_id[row] == 0 ? 0 : mix(span.trace, spans.parent_id[row]);
  span.weight = weight_of(spans, row);
  span.duration_ms = static_cast<double>(spans.duration_ns[row]) / 1e6;
  span.kind = spans.kind[row];
  return span;
}

SpanIn span_in(const Arrived& span, SeriesId series) {
  return {.key = span.key,
          .parent = span.parent,
          .start = span.start,
          .end = span.end,
          .series = series,
          .weight = span.weight,
          .error = span.ending.error,
          .failed = span.ending.failed(),
          .async = span.kind == 4 || span.kind == 5};
}

}  // namespace

Stream::State::State(Limits l)
    : limits(l),
      names(l.names_max),
      operations(names, l.operations_per_service_max),
      joins(l.joins_max, l.horizon_s * nanos_per_s),
      outcomes(l.joins_max / 4) {}

void Stream::State::begin(UnixNanos received_at, std::string_view from) {
  received = received_at;
  if (from != credential || credential_id == no_name) {
    credential = from;
    credential_id = names.id(from);
  }
}

bool Stream::State::in_time(int64_t second) {
  const int64_t now = received / nanos_per_s;
  if (second >= now - limits.past_s && second <= now + limits.future_s) return true;
  ++shed.times;
  return false;
}

void Stream::State::see_resources(const model::Batch& batch) {
  resources.clear();
  for (const model::Resource& r : batch.resources) {
    resources.emplace_back(names.id(r.service), names.id(r.instance));
    senders.emplace(resources.back().first, credential_id);
    changes.see(r, received / nanos_per_s, credential);
  }
}

SeriesId Stream::State::series_of(const Series& s) {
  uint64_t key = mix(s.service, s.operation);
  key = mix(key, (static_cast<uint64_t>(s.instance) << 8) | s.kind);
  key = mix(key, (static_cast<uint64_t>(s.peer) << 32) | s.credential);
  if (const SeriesId* known = series_ids.find(key)) return *known;
  if (series.size() >= limits.series_max && s.operation != other_name) {
    ++shed.series;
    return series_of({.operation = other_name, .credential = s.credential, .kind = s.kind});
  }
  if (series.size() >= limits.series_max + overflow_series_max) return no_series;
  series.push_back(s);
  parents.emplace_back();
  typical.emplace_back();
  return series_ids.at(key) = static_cast<SeriesId>(series.size() - 1);
}

Growing* Stream::State::cell_of(SeriesId id, int64_t second) {
  if (id == no_series) return nullptr;
  const uint64_t key = mix(id + 1, static_cast<uint64_t>(second));
  if (const uint32_t* known = cell_ids.find(key)) return &cells[*known];
  if (cells.size() >= cells_per_tick_max) {
    ++shed.cells;
    return nullptr;
  }
  cell_ids.at(key) = static_cast<uint32_t>(cells.size());
  Growing& made = cells.emplace_back();
  made.series = id;
  made.cell.second = second;
  return &made;
}

Growing* Stream::State::count(const Arrived& span, SeriesId id) {
  Growing* at = cell_of(id, span.second);
  if (at == nullptr) return nullptr;
  Cell& cell = at->cell;
  cell.count += span.weight;
  cell.spans += 1;
  if (span.ending.error) cell.errors += span.weight;
  if (span.ending.denied) cell.denied += span.weight;
  if (span.ending.limited) cell.limited += span.weight;
  cell.duration_ms.add(span.duration_ms, span.weight);
  if (!span.facts.subject.empty()) {
    if (at->subjects.empty()) at->subjects.emplace_back();
    at->subjects[0].add(hash64(span.facts.subject));
  }
  return at;
}

// The first that failed and the slowest far above the mean of its series stand for the others of their second.
void Stream::State::exemplify(Growing& at, const model::Batch& batch, size_t row, const Arrived& span) {
  Typical& usual = typical[at.series];
  const bool failed = span.ending.error || span.ending.denied;
  const bool slow = usual.n >= slow_after && span.duration_ms > slow_factor * usual.mean_ms;
  usual.n = std::min(usual.n + 1, typical_memory);
  usual.mean_ms += (span.duration_ms - usual.mean_ms) / usual.n;
  const model::TraceId& id = batch.spans.trace_id[row];
  if ((!failed && !slow) || id == model::TraceId{}) return;
  std::vector<Example>& examples = at.cell.examples;
  auto known = std::find_if(examples.begin(), examples.end(), [&](const Example& e) { return e.failed == failed; });
  if (known != examples.end() && (failed || known->duration_ms >= span.duration_ms)) return;
  if (known == examples.end()) known = examples.insert(examples.end(), Example{});
  *known = {hex_of(id), failed, batch.spans.status[row] == failed_status, span.duration_ms};
}

void Stream::State::add_spans(const model::Batch& batch) {
  see_resources(batch);
  for (size_t row = 0; row < batch.spans.size(); ++row) add_span(batch, row);
  settle_joins();
}

void Stream::State::add_span(const model::Batch& batch, size_t row) {
  const int64_t end = batch.spans.start[row] + static_cast<int64_t>(batch.spans.duration_ns[row]);
  if (!in_time(end / nanos_per_s)) return;
  Arrived span = arrived(batch, row);
  std::tie(span.service, span.instance) = resources[batch.spans.resource[row]];
  if (is_answer(span.kind))
    add_answer(batch, row, span);
  else if (is_call(span.kind))
    add_call(batch, row, span);
  else
    joins.add_inside(span_in(span, no_series));
  add_evaluations(batch, row, span);
  kpis.add_span(batch, row, batch.resources[batch.spans.resource[row]].service, span.ending, span.weight);
}

void Stream::State::add_answer(const model::Batch& batch, size_t row, const Arrived& span) {
  const NameId operation = operations.id(span.service, batch.spans.name[row], span.second);
  const SeriesId id = series_of({.service = span.service,
                                 .operation = operation,
                                 .instance = span.instance,
                                 .credential = credential_id,
                                 .kind = span.kind});
  const SpanIn in = span_in(span, id);
  const Inside inside = joins.add_answer(in);
  if (id != no_series && joins.tells_of_parent(in)) parents[id].named += 1;
  Answered answered{.series = id, .second = span.second, .duration_ms = span.duration_ms, .weight = span.weight};
  answered.root = span.parent == 0;
  answered.started = span.start;
  answered.error = span.ending.error;
  answered.denied = span.ending.denied;
  answered.limited = span.ending.limited;
  const uint64_t place = mix(span.service, operation);
  const std::string_view subject = span.facts.subject;
  answered.regular = !subject.empty() && regulars.see(place, hash64(subject), span.ending, received);
  if (id != no_series) outcomes.add(span.trace, answered);
  Growing* at = count(span, id);
  if (at == nullptr) return;
  exemplify(*at, batch, row, span);
  if (answered.regular) at->cell.regular += span.weight;
  if (answered.regular && span.ending.limited) at->cell.regular_limited += span.weight;
  if (span.ending.error && !inside.failed) at->cell.own_errors += span.weight;
  at->cell.waiting_ms += inside.waiting_ms * span.weight;
  at->cell.self_ms += std::max(0.0, span.duration_ms - inside.waiting_ms) * span.weight;
}

NameId Stream::State::peer_of(const model::Batch& batch, size_t row, const Arrived& span, uint64_t learned) {
  if (const SeriesId callee = joins.callee_of(span.key); callee != no_series) return series[callee].service;
  if (const Peers::Callee known = peers.callee_of(learned); known.service != no_name) return known.service;
  return names.id(peer_name(span.facts, batch.spans.name[row]));
}

void Stream::State::add_call(const model::Batch& batch, size_t row, const Arrived& span) {
  const uint64_t learned = Peers::key_of(names.hash(span.service), span.facts, batch.spans.name[row]);
  const SeriesId id = series_of({.service = span.service,
                                 .operation = operations.id(span.service, batch.spans.name[row], span.second),
                                 .instance = span.instance,
                                 .peer = peer_of(batch, row, span, learned),
                                 .credential = credential_id,
                                 .kind = span.kind});
  SpanIn in = span_in(span, id);
  in.learned = learned;
  joins.add_call(in);
  if (Growing* at = count(span, id)) {
    at->cell.self_ms += span.duration_ms * span.weight;
    exemplify(*at, batch, row, span);
  }
}

void Stream::State::evaluated(uint64_t trace, const Facts& facts, NameId service, NameId instance, int64_t second) {
  const int64_t revision = number_of(facts.flag_version);
  Evaluated e{.knob = names.id(facts.flag_key), .variant = names.id(facts.flag_variant), .revision = revision};
  e.instance = instance;
  e.by_instance = facts.flag_context.empty();
  e.unit = e.by_instance ? mix(mix(service, instance), static_cast<uint64_t>(second / unit_block_s))
                         : hash64(facts.flag_context);
  if (trace != 0) outcomes.add(trace, e);
  ConfigSeen seen;
  seen.knob = names.text(e.knob);
  seen.service = names.text(service);
  seen.instance = names.text(instance);
  seen.variant = names.text(e.variant);
  seen.reason = printable(facts.flag_reason, name_bytes_max);
  seen.value = printable(facts.flag_value, value_bytes_max);
  changes.see(seen, revision, second, credential);
}

void Stream::State::add_evaluations(const model::Batch& batch, size_t row, const Arrived& span) {
  if (!span.facts.flag_key.empty()) evaluated(span.trace, span.facts, span.service, span.instance, span.second);
  const model::Events& events = batch.spans.events;
  if (events.ends.empty()) return;
  for (uint32_t e = row == 0 ? 0 : events.ends[row - 1]; e < events.ends[row]; ++e) {
    if (!events.name[e].starts_with("feature_flag")) continue;
    const Facts facts = facts_of(events.attributes.begin(e), events.attributes.end(e));
    if (!facts.flag_key.empty()) evaluated(span.trace, facts, span.service, span.instance, span.second);
  }
}

void Stream::State::settle_joins() {
  for (const Met& m : joins.met) {
    const Series& callee = series[m.callee];
    peers.learn(m.learned, callee.service, callee.operation);
  }
  for (const Correction& c : joins.corrections) correct(c);
  for (const CallOut& c : joins.calls) add_out(c);
  for (const SeriesId id : joins.orphans) parents[id].orphaned += 1;
  joins.met.clear();
  joins.corrections.clear();
  joins.calls.clear();
  joins.orphans.clear();
}

void Stream::State::correct(const Correction& c) {
  Growing* at = cell_of(c.answer, c.second);
  if (at == nullptr) return;
  at->cell.waiting_ms += c.waiting_ms * c.weight;
  at->cell.self_ms -= c.waiting_ms * c.weight;
  if (c.error_was_not_own) at->cell.own_errors -= c.weight;
}

void Stream::State::add_out(const CallOut& out) {
  if (out.caller == no_series || out.call == no_series) return;
  const Series& call = series[out.call];
  NameId callee = call.peer, operation = call.operation;
  bool traced = false;
  if (out.callee != no_series) {
    callee = series[out.callee].service, operation = series[out.callee].operation, traced = true;
  }
  uint64_t key = mix(mix(out.caller, callee), mix(operation, static_cast<uint64_t>(out.second)));
  key = mix(key, (out.async ? 2 : 0) + (traced ? 1 : 0));
  uint32_t* known = call_ids.find(key);
  if (known == nullptr && calls.size() >= calls_per_tick_max) {
    ++shed.calls;
    return;
  }
  if (known == nullptr) {
    call_ids.at(key) = static_cast<uint32_t>(calls.size());
    known = call_ids.find(key);
    GrowingCall& made = calls.emplace_back();
    made.caller = out.caller;
    made.callee = callee;
    made.operation = operation;
    made.call.second = out.second;
    made.call.traced = traced;
    made.call.async = out.async;
  }
  Call& to = calls[*known].call;
  if (!out.late) {
    to.count += out.weight;
    if (out.failed) to.errors += out.weight;
    to.total_ms += out.total_ms * out.weight;
    to.offset_ms += out.offset_ms * out.weight;
  }
  if (!traced) return;
  to.joined += out.weight;
  to.joined_ms += out.total_ms * out.weight;
  to.callee_ms += out.callee_ms * out.weight;
  if (out.failed) to.answered_errors += out.weight;
  if (out.failed && out.callee_failed) to.callee_errors += out.weight;
}

void Stream::State::add_logs(const model::Batch& batch) {
  see_resources(batch);
  for (size_t row = 0; row < batch.logs.size(); ++row) add_log(batch, row);
}

void Stream::State::add_log(const model::Batch& batch, size_t row) {
  const model::Logs& all = batch.logs;
  const int64_t second = (all.time[row] != 0 ? all.time[row] : all.observed_time[row]) / nanos_per_s;
  if (!in_time(second)) return;
  const auto [service, instance] = resources[all.resource[row]];
  const Facts facts = facts_of(all.attributes.begin(row), all.attributes.end(row));
  if (!facts.flag_key.empty()) {
    const bool traced = all.trace_id[row] != model::TraceId{};
    evaluated(traced ? trace_hash(all.trace_id[row]) : 0, facts, service, instance, second);
    return;
  }
  kpis.add_log(batch, row, second);
  const Templates::Template* found = templates.match(names.hash(service), all.body[row]);
  const uint64_t id = found == nullptr ? 0 : found->id;
  uint64_t key = mix(mix(service, instance), mix(id, static_cast<uint64_t>(second)));
  key = mix(key, (static_cast<uint64_t>(credential_id) << 8) | all.severity[row]);
  const uint32_t* known = log_ids.find(key);
  if (known == nullptr && logs.size() >= log_cells_per_tick_max) {
    ++shed.cells;
    return;
  }
  if (known == nullptr) {
    log_ids.at(key) = static_cast<uint32_t>(logs.size());
    known = log_ids.find(key);
    GrowingLog& made = logs.emplace_back();
    made.service = service;
    made.instance = instance;
    made.credential = credential_id;
    made.cell.second = second;
    made.cell.severity = all.severity[row];
    made.cell.template_id = id;
    made.cell.pattern = found == nullptr ? "" : found->pattern;
  }
  GrowingLog& to = logs[*known];
  to.cell.count += 1;
  std::string_view subject = facts.subject;
  if (subject.empty() && all.severity[row] >= warn_severity) subject = address_in(all.body[row].substr(0, 512));
  if (!subject.empty()) to.subjects.add(hash64(subject));
  if (to.cell.trace.empty() && all.severity[row] >= warn_severity && all.trace_id[row] != model::TraceId{})
    to.cell.trace = hex_of(all.trace_id[row]);
}

void Stream::State::add_points(const model::Batch& batch) {
  see_resources(batch);
  const int64_t now = received / nanos_per_s;
  kpis.add_points(batch, now - limits.past_s, now + limits.future_s);
}

}  // namespace hs::stream
