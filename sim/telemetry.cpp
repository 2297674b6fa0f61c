#include "sim/telemetry.h"

#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "base/hash.h"

namespace hs::sim {
namespace {

using model::ValueType;
constexpr uint8_t server = 2, client = 3, failed = 2, warn = 13;
constexpr const char* variants[] = {"base", "candidate", "promoted"};
constexpr double network_s = 0.05;
constexpr int users_per_address = 3;

model::TraceId trace_id(uint64_t trace) {
  model::TraceId id{};
  std::memcpy(id.data(), &trace, sizeof trace);
  id[15] = 1;  // never all zero
  return id;
}

template <class... Args>
std::string_view text(model::Batch& batch, fmt::format_string<Args...> format, Args&&... args) {
  char buffer[32];
  auto end = fmt::format_to_n(buffer, sizeof buffer, format, std::forward<Args>(args)...);
  return batch.arena.copy({buffer, std::min(end.size, sizeof buffer)});
}

std::string_view address_of(model::Batch& batch, uint64_t user) {
  uint64_t host = user / users_per_address;
  return text(batch, "10.{}.{}.{}", host >> 16, (host >> 8) & 255, host & 255);
}

std::string_view host_of(model::Batch& batch, int service) { return text(batch, "192.168.0.{}", service + 1); }

std::string_view status_of(const Span& span) {
  if (span.error) return "500";
  return span.denied ? "401" : span.limited ? "429" : "200";
}

}  // namespace

Telemetry::Telemetry(const App& app, Weather weather, Dice dice, int64_t epoch)
    : app_(app), weather_(weather), dice_(dice), epoch_(epoch) {
  forget();
}

void Telemetry::forget() {
  stream_ = std::make_unique<stream::Stream>();
  stream_->declare(app_.declarations());
}

// Each instance exports by itself, at its own moments.
Telemetry::Key Telemetry::key_of(const Span& span, bool forged) const {
  Key key{.service = app_.operations[static_cast<size_t>(span.operation)].service, .instance = span.instance};
  key.forged = forged;
  double phase = std::fmod(0.37 * (key.service + 1) + 0.21 * key.instance, 1.0) * weather_.export_s;
  double turn = std::ceil((span.end - phase) / weather_.export_s);
  key.at = turn * weather_.export_s + phase + network_s + (key.service == weather_.late_service ? weather_.late_s : 0);
  return key;
}

// Whether the application tells of this evaluation, and what.
bool Telemetry::reports(const Request& request, Reading& reading) const {
  if (weather_.lie == Lie::survivors && reading.variant == 1 && request.error) return false;
  if (weather_.lie == Lie::inverted && reading.variant < 2) reading.variant = 1 - reading.variant;
  return true;
}

void Telemetry::add(const Request& request) { send(request, false); }

void Telemetry::send(const Request& request, bool forged) {
  const double draw = static_cast<double>(hash64("kept", request.trace) >> 11) * 0x1.0p-53;
  if (!forged && draw >= weather_.kept) return;
  for (const Span& span : request.spans) {
    auto [it, fresh] = pending_.try_emplace(key_of(span, forged));
    Parcel& parcel = it->second;
    if (fresh && !forged) parcel.copies = dice_.chance(weather_.loss) ? 0 : dice_.chance(weather_.duplicate) ? 2 : 1;
    Row& row = parcel.rows.emplace_back(Row{request.trace, request.user, request.attack, span, {}});
    for (Reading reading : request.readings)
      if (reading.span == span.id && reports(request, reading)) row.readings.push_back(reading);
  }
}

// A perfect trace of the first entry, failing, with its spans, its calls and its flag events.
Request Telemetry::fake(double at) {
  const Entry& entry = app_.entries[0];
  Request r{.trace = dice_.next(), .user = dice_.below(500) + 1, .start = at - 0.02, .end = at, .error = true};
  r.spans.push_back({.id = 1, .operation = entry.operation, .end = at, .ms = 20, .error = true});
  uint32_t id = 1;
  for (int i : app_.operations[static_cast<size_t>(entry.operation)].edges) {
    const Edge& edge = app_.edges[static_cast<size_t>(i)];
    Span call{.id = ++id, .parent = 1, .operation = entry.operation, .kind = client, .callee = edge.to};
    call.end = at, call.ms = 12, call.error = true;
    r.spans.push_back(call);
    if (app_.services[static_cast<size_t>(app_.operations[static_cast<size_t>(edge.to)].service)].traced)
      r.spans.push_back({.id = ++id, .parent = call.id, .operation = edge.to, .end = at, .ms = 10, .error = true});
    for (int s : edge.settings)
      if (s >= 0) r.readings.push_back({.setting = s, .span = 1, .variant = 0, .revision = s + 1});
  }
  return r;
}

void Telemetry::forge(int64_t second) {
  if (second < weather_.forged_from || second >= weather_.forged_to) return;
  double gap_s = 1 / weather_.forged_per_s;
  for (double at = dice_.exponential(gap_s); at < 1; at += dice_.exponential(gap_s))
    send(fake(static_cast<double>(second) + at), true);
}

stream::Frame Telemetry::flush(int64_t second, bool heard) {
  if (weather_.forged_per_s > 0) forge(second);
  while (!pending_.empty() && pending_.begin()->first.at < static_cast<double>(second + 1)) {
    const auto& [key, parcel] = *pending_.begin();
    for (int i = 0; heard && i < parcel.copies; ++i) deliver(key, parcel);
    pending_.erase(pending_.begin());
  }
  return stream_->tick((epoch_ + second + 1) * nanos_per_s);
}

void Telemetry::deliver(const Key& key, const Parcel& parcel) {
  const Service& service = app_.services[static_cast<size_t>(key.service)];
  std::string credential = key.forged ? "liar" : weather_.one_credential ? "all" : service.credential;
  auto at = epoch_ * nanos_per_s + static_cast<UnixNanos>(key.at * 1e9);
  stream_->add(spans_of(key, parcel), at, credential);
  if (model::Batch logs = logs_of(key, parcel); logs.size() > 0) stream_->add(logs, at, credential);
}

// Names are viewed where the application keeps them: it outlives every batch.
model::Batch Telemetry::batch_of(const Key& key) const {
  const Service& service = app_.services[static_cast<size_t>(key.service)];
  model::Batch batch;
  model::Resource resource{.service = service.name};
  resource.instance = batch.arena.copy(app_.name_of_instance(key.service, key.instance));
  resource.attributes.push_back({"service.version", batch.arena.copy(service.version), ValueType::string});
  batch.resources.push_back(std::move(resource));
  return batch;
}

model::Batch Telemetry::spans_of(const Key& key, const Parcel& parcel) const {
  model::Batch batch = batch_of(key);
  for (const Row& row : parcel.rows) add_span(batch, row);
  return batch;
}

void Telemetry::add_span(model::Batch& batch, const Row& row) const {
  const Span& span = row.span;
  model::Spans& to = batch.spans;
  auto put = [](model::AttributeColumn& column, std::string_view key, std::string_view value) {
    column.push({key, value, ValueType::string});
  };
  const bool call = span.kind == client;
  const Operation& op = app_.operations[static_cast<size_t>(call ? span.callee : span.operation)];
  to.resource.push_back(0), to.scope.push_back(0), to.flags.push_back(0);
  to.trace_id.push_back(trace_id(row.trace)), to.span_id.push_back(span.id), to.parent_id.push_back(span.parent);
  to.start.push_back(epoch_ * nanos_per_s + static_cast<UnixNanos>((span.end - span.ms / 1000) * 1e9));
  to.duration_ns.push_back(static_cast<uint64_t>(span.ms * 1e6));
  to.name.push_back(op.name), to.status_message.push_back(""), to.trace_state.push_back("");
  to.kind.push_back(span.kind), to.status.push_back(span.error ? failed : 0);
  // Who is called: a peer has a name; the address of what sends spans of its own says nothing.
  const Service& callee = app_.services[static_cast<size_t>(op.service)];
  if (call) put(to.attributes, "server.address", callee.traced ? host_of(batch, op.service) : callee.name);
  if (!call) put(to.attributes, "http.response.status_code", status_of(span));
  if (span.parent == 0 && span.placed) put(to.attributes, "order", "placed");
  if (span.parent == 0) put(to.attributes, "client.address", address_of(batch, row.user));
  to.attributes.end_row();
  for (const Reading& reading : row.readings) {
    to.events.name.push_back("feature_flag.evaluation");
    to.events.time.push_back(to.start.back());
    put(to.events.attributes, "feature_flag.key", app_.settings[static_cast<size_t>(reading.setting)].knob.key);
    put(to.events.attributes, "feature_flag.result.variant", variants[reading.variant]);
    put(to.events.attributes, "feature_flag.version", text(batch, "{}", reading.revision));
    put(to.events.attributes, "feature_flag.context.id", text(batch, "u{}", row.user));
    to.events.attributes.end_row();
  }
  to.events.ends.push_back(static_cast<uint32_t>(to.events.name.size()));
}

// What a service logs: refused passwords.
model::Batch Telemetry::logs_of(const Key& key, const Parcel& parcel) const {
  model::Batch batch = batch_of(key);
  batch.signal = model::Signal::logs;
  model::Logs& to = batch.logs;
  for (const Row& row : parcel.rows) {
    if (!row.span.denied || row.span.kind != server) continue;
    to.resource.push_back(0), to.scope.push_back(0), to.flags.push_back(0);
    to.time.push_back(epoch_ * nanos_per_s + static_cast<UnixNanos>(row.span.end * 1e9)), to.observed_time.push_back(0);
    to.severity.push_back(warn), to.severity_text.push_back("WARN"), to.event_name.push_back("");
    to.body.push_back(batch.arena.copy(fmt::format("wrong password for u{}", row.user)));
    to.body_type.push_back(ValueType::string);
    to.trace_id.push_back(trace_id(row.trace)), to.span_id.push_back(row.span.id);
    to.attributes.push({"client.address", address_of(batch, row.user), ValueType::string});
    to.attributes.end_row();
  }
  return batch;
}

}  // namespace hs::sim
