#pragma once
// What the tests of the stream feed it: batches of a few spans or log lines, and what they look for in a frame.

#include <string>
#include <utility>
#include <vector>

#include "model/batch.h"
#include "stream/stream.h"

namespace hs::stream {

using Attributes = std::vector<std::pair<std::string, std::string>>;
constexpr int64_t t0 = 1'800'000'000;  // any second

struct SpanSpec {
  uint8_t trace = 1;
  uint64_t id = 0, parent = 0;
  uint8_t kind = 2;
  std::string name = "op";
  int64_t start_ms = 0, duration_ms = 10;  // after t0
  uint8_t status = 0;
  Attributes attributes = {};
  Attributes event = {};  // one event
  std::string event_name = "feature_flag.evaluation";
};

class Builder {
 public:
  Builder(std::string service, std::string instance = "1", std::string version = "") {
    model::Resource r;
    r.service = batch_.arena.copy(service);
    r.instance = batch_.arena.copy(instance);
    if (!version.empty())
      r.attributes.push_back({"service.version", batch_.arena.copy(version), model::ValueType::string});
    batch_.resources.push_back(r);
  }
  Builder& span(const SpanSpec& s) {
    model::Spans& x = batch_.spans;
    model::TraceId trace{};
    trace[0] = s.trace;
    x.resource.push_back(0);
    x.scope.push_back(0);
    x.trace_id.push_back(trace);
    x.span_id.push_back(s.id);
    x.parent_id.push_back(s.parent);
    x.start.push_back(t0 * nanos_per_s + s.start_ms * nanos_per_ms);
    x.duration_ns.push_back(static_cast<uint64_t>(s.duration_ms * nanos_per_ms));
    x.name.push_back(batch_.arena.copy(s.name));
    x.status_message.push_back("");
    x.trace_state.push_back(batch_.arena.copy(state_));
    x.kind.push_back(s.kind);
    x.status.push_back(s.status);
    x.flags.push_back(0);
    put(x.attributes, s.attributes);
    if (!s.event.empty()) {
      x.events.time.push_back(x.start.back());
      x.events.name.push_back(batch_.arena.copy(s.event_name));
      put(x.events.attributes, s.event);
    }
    x.events.ends.push_back(static_cast<uint32_t>(x.events.name.size()));
    return *this;
  }
  Builder& log(std::string body, uint8_t severity, Attributes attributes = {}, int64_t at_ms = 0, uint8_t trace = 0) {
    model::Logs& x = batch_.logs;
    batch_.signal = model::Signal::logs;
    x.resource.push_back(0);
    x.time.push_back(t0 * nanos_per_s + at_ms * nanos_per_ms);
    x.observed_time.push_back(0);
    x.severity.push_back(severity);
    x.body.push_back(batch_.arena.copy(body));
    x.trace_id.push_back({trace});
    x.span_id.push_back(0);
    put(x.attributes, attributes);
    return *this;
  }
  Builder& state(std::string s) {
    state_ = std::move(s);
    return *this;
  }
  const model::Batch& batch() const { return batch_; }

 private:
  void put(model::AttributeColumn& column, const Attributes& attributes) {
    for (const auto& [k, v] : attributes)
      column.push({batch_.arena.copy(k), batch_.arena.copy(v), model::ValueType::string});
    column.end_row();
  }
  model::Batch batch_;
  std::string state_;
};

inline UnixNanos at(int64_t second) { return (t0 + second) * nanos_per_s; }

// frontend calls payment (internal span between), payment calls redis.
inline Builder frontend() {
  Builder b("frontend");
  b.span({.id = 3,
          .parent = 2,
          .kind = 3,
          .name = "POST",
          .start_ms = 20,
          .duration_ms = 60,
          .attributes = {{"server.address", "10.0.0.7"}, {"server.port", "80"}}});
  b.span({.id = 2, .parent = 1, .kind = 1, .name = "work", .start_ms = 15, .duration_ms = 70});
  b.span({.id = 1, .kind = 2, .name = "GET /", .start_ms = 0, .duration_ms = 100});
  return b;
}
inline Builder payment(uint8_t status = 0, uint8_t redis_status = 0) {
  Builder b("payment");
  b.span({.id = 5,
          .parent = 4,
          .kind = 3,
          .name = "GET",
          .start_ms = 30,
          .duration_ms = 20,
          .status = redis_status,
          .attributes = {{"db.system", "redis"}}});
  b.span({.id = 4, .parent = 3, .kind = 2, .name = "POST /pay", .start_ms = 25, .duration_ms = 50, .status = status});
  return b;
}

}  // namespace hs::stream
