#include "sim/telemetry.h"

#include <cmath>
#include <tuple>

#include <fmt/format.h>

namespace hs::sim {
namespace {

constexpr uint8_t server = 2, client = 3;
constexpr const char* variants[] = {"base", "candidate", "promoted"};

using CellKey = std::tuple<int64_t, std::string, std::string, std::string, uint8_t, std::string, std::string>;
CellKey key_of(const stream::Cell& c) {
  return {c.second, c.service, c.operation, c.instance, c.kind, c.peer, c.credential};
}

using CallKey = std::tuple<int64_t, std::string, std::string, std::string, std::string>;
constexpr double network_s = 0.05;

const std::string& name_of_service(const App& app, int operation) {
  return app.services[static_cast<size_t>(app.operations[static_cast<size_t>(operation)].service)].name;
}

void merge(std::map<CellKey, stream::Cell>& cells, stream::Cell&& one) {
  auto found = cells.find(key_of(one));
  if (found == cells.end()) {
    auto key = key_of(one);
    cells.emplace(std::move(key), std::move(one));
    return;
  }
  stream::Cell& sum = found->second;
  sum.count += 1, sum.spans += 1, sum.errors += one.errors, sum.own_errors += one.own_errors;
  sum.denied += one.denied, sum.limited += one.limited;
  sum.self_ms += one.self_ms, sum.waiting_ms += one.waiting_ms;
  sum.duration_ms.merge(one.duration_ms);
}

void merge(std::map<CallKey, stream::Call>& calls, stream::Call&& c) {
  auto [it, fresh] = calls.try_emplace({c.second, c.service, c.operation, c.callee, c.callee_operation}, c);
  if (!fresh) it->second.count += 1, it->second.errors += c.errors, it->second.total_ms += c.total_ms;
}

}  // namespace

Telemetry::Telemetry(const App& app, Weather weather, Dice dice, int64_t epoch)
    : app_(app), weather_(weather), dice_(dice), epoch_(epoch) {}

Telemetry::Batch Telemetry::batch_of(int service, double at) {
  double phase = std::fmod(0.37 * (service + 1), 1.0) * weather_.export_s;
  auto batch = static_cast<int64_t>(std::ceil((at - phase) / weather_.export_s));
  auto [it, fresh] = batches_.try_emplace({service, batch}, 1);
  if (fresh) it->second = dice_.chance(weather_.loss) ? 0 : dice_.chance(weather_.duplicate) ? 2 : 1;
  return {static_cast<double>(batch) * weather_.export_s + phase + network_s, it->second};
}

void Telemetry::send(const Batch& batch, const Parcel& parcel) {
  for (int i = 0; i < batch.copies; ++i) pending_[static_cast<int64_t>(batch.at)].push_back(parcel);
}

void Telemetry::add_span(const Span& span, const Batch& batch, const std::string& credential) {
  const Operation& op = app_.operations[static_cast<size_t>(span.operation)];
  Parcel p;
  stream::Cell& c = p.cell;
  c.second = epoch_ + static_cast<int64_t>(span.end), c.kind = span.kind;
  c.service = app_.services[static_cast<size_t>(op.service)].name, c.operation = op.name;
  c.instance = fmt::format("{}-{}", c.service, span.instance), c.credential = credential;
  c.count = 1, c.spans = 1, c.errors = span.error, c.own_errors = span.own_error;
  c.denied = span.denied, c.limited = span.limited;
  c.duration_ms.add(span.ms), c.waiting_ms = span.waiting_ms, c.self_ms = span.ms - span.waiting_ms;
  if (span.kind == client) c.peer = name_of_service(app_, span.callee);
  send(batch, p);
  if (span.kind != client) return;
  Parcel q{.kind = Parcel::Kind::call};
  const Operation& callee = app_.operations[static_cast<size_t>(span.callee)];
  q.call = {.second = c.second, .service = c.service, .operation = c.operation, .callee = c.peer};
  q.call.callee_operation = callee.name, q.call.traced = app_.services[static_cast<size_t>(callee.service)].traced;
  q.call.count = 1, q.call.errors = span.error, q.call.total_ms = span.ms;
  send(batch, q);
}

// A server span of a trace with evaluations: one outcome for each knob.
void Telemetry::add_outcomes(const Request& request, const Span& span, const Batch& batch,
                             const std::string& credential) {
  const Operation& op = app_.operations[static_cast<size_t>(span.operation)];
  Parcel p{.kind = Parcel::Kind::outcome};
  stream::Outcome& o = p.outcome;
  o.second = epoch_ + static_cast<int64_t>(span.end), o.trace = request.trace, o.unit = request.user;
  o.service = name_of_service(app_, span.operation), o.operation = op.name, o.credential = credential;
  o.entry = span.operation == app_.entries[static_cast<size_t>(request.entry)].operation;
  o.started = epoch_ * nanos_per_s + static_cast<UnixNanos>((span.end - span.ms / 1000) * 1e9);
  o.error = span.error, o.denied = span.denied, o.limited = span.limited, o.duration_ms = span.ms;
  for (const Reading& reading : request.readings) {
    o.knob = app_.settings[static_cast<size_t>(reading.setting)].knob.key;
    o.revision = reading.revision, o.variant = variants[reading.variant];
    if (weather_.lie == Lie::survivors && reading.variant == 1 && request.error) continue;
    if (weather_.lie == Lie::inverted && reading.variant < 2) o.variant = variants[1 - reading.variant];
    send(batch, p);
  }
}

void Telemetry::add(const Request& request) {
  Batch whole = batch_of(0, request.end);  // the flag events and the entry span
  for (const Span& span : request.spans) {
    int service = app_.operations[static_cast<size_t>(span.operation)].service;
    Batch batch = batch_of(service, span.end);
    std::string credential = weather_.one_credential ? "all" : app_.services[static_cast<size_t>(service)].credential;
    add_span(span, batch, credential);
    if (span.kind != server) continue;
    batch.at = std::max(batch.at, whole.at);
    add_outcomes(request, span, batch, credential);
  }
}

// A perfect trace of the first entry, failing, with its spans, its calls and its flag events.
Request Telemetry::fake(double at) {
  const Entry& entry = app_.entries[0];
  Request r{
      .trace = dice_.next(), .user = dice_.below(500) + 1, .entry = 0, .start = at - 0.02, .end = at, .error = true};
  r.spans.push_back({.operation = entry.operation, .end = at, .ms = 20, .error = true});
  for (int i : app_.operations[static_cast<size_t>(entry.operation)].edges) {
    const Edge& edge = app_.edges[static_cast<size_t>(i)];
    r.spans.push_back({.operation = edge.to, .end = at, .ms = 10, .error = true, .own_error = true});
    r.spans.push_back(
        {.operation = entry.operation, .kind = client, .callee = edge.to, .end = at, .ms = 12, .error = true});
    for (int s : edge.settings)
      if (s >= 0) r.readings.push_back({.setting = s, .variant = 0, .revision = s + 1});
  }
  return r;
}

void Telemetry::forge(int64_t second) {
  if (second < weather_.forged_from || second >= weather_.forged_to) return;
  double gap_s = 1 / weather_.forged_per_s;
  for (double at = dice_.exponential(gap_s); at < 1; at += dice_.exponential(gap_s)) {
    Request r = fake(static_cast<double>(second) + at);
    Batch batch{r.end + 1};
    for (const Span& span : r.spans) {
      add_span(span, batch, "liar");
      if (span.kind == server) add_outcomes(r, span, batch, "liar");
    }
  }
}

stream::Frame Telemetry::flush(int64_t second) {
  if (weather_.forged_per_s > 0) forge(second);
  stream::Frame frame{.tick = (epoch_ + second + 1) * nanos_per_s};
  std::map<CellKey, stream::Cell> cells;
  std::map<CallKey, stream::Call> calls;
  while (!pending_.empty() && pending_.begin()->first <= second) {
    for (auto& p : pending_.begin()->second) {
      if (p.kind == Parcel::Kind::outcome) frame.outcomes.push_back(std::move(p.outcome));
      if (p.kind == Parcel::Kind::cell) merge(cells, std::move(p.cell));
      if (p.kind == Parcel::Kind::call) merge(calls, std::move(p.call));
    }
    pending_.erase(pending_.begin());
  }
  for (auto& [key, cell] : cells) frame.cells.push_back(std::move(cell));
  for (auto& [key, call] : calls) frame.calls.push_back(std::move(call));
  std::erase_if(batches_, [&](const auto& b) { return b.first.second < second - 60; });
  return frame;
}

}  // namespace hs::sim
