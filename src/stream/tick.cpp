#include <algorithm>

#include "base/hash.h"
#include "stream/state.h"

namespace hs::stream {
namespace {

constexpr int64_t forget_every_s = 600;  // a flood of names may cost us what we learned, but not every second
constexpr double parents_memory = 200;   // answers that the share of orphans is taken over
constexpr double orphans_needed = 20;
constexpr double orphans_share = 0.5;  // above it, the callers of an operation send no spans to us

}  // namespace

Frame Stream::State::tick(UnixNanos now) {
  Frame frame;
  frame.tick = now;
  if (rotated == 0) rotated = now;
  if (now - rotated >= limits.horizon_s * nanos_per_s / 2) {
    joins.rotate();
    outcomes.rotate();
    rotated = now;
  }
  settle_joins();
  tick_cells(frame);
  tick_calls(frame);
  tick_outcomes(frame);
  tick_logs(frame);
  frame.kpis = kpis.take();
  frame.seen = changes.take_seen();
  frame.changes = changes.take_changes();
  for (const auto& [service, from] : senders)
    frame.service_credentials.emplace_back(names.text(service), names.text(from));
  senders.clear();
  tick_sheds(frame);
  const bool full = names.full() || series.size() >= limits.series_max;
  if (full && now - forgotten >= forget_every_s * nanos_per_s) {
    forget_everything();
    forgotten = now;
  }
  return frame;
}

void Stream::State::tick_cells(Frame& frame) {
  frame.cells.reserve(cells.size());
  for (Growing& g : cells) {
    const Series& s = series[g.series];
    g.cell.service = names.text(s.service);
    g.cell.operation = names.text(s.operation);
    g.cell.instance = names.text(s.instance);
    g.cell.kind = s.kind;
    g.cell.peer = names.text(s.peer);
    g.cell.credential = names.text(s.credential);
    if (!g.subjects.empty()) g.cell.subjects = g.subjects[0].count();
    frame.cells.push_back(std::move(g.cell));
  }
  cells.clear();
  cell_ids.clear();
}

void Stream::State::tick_calls(Frame& frame) {
  for (GrowingCall& g : calls) {
    const Series& caller = series[g.caller];
    g.call.service = names.text(caller.service);
    g.call.operation = names.text(caller.operation);
    g.call.callee = names.text(g.callee);
    g.call.callee_operation = names.text(g.operation);
    frame.calls.push_back(std::move(g.call));
  }
  calls.clear();
  call_ids.clear();
}

// The span has no parent, or its operation's parents hardly ever show up.
bool Stream::State::is_entry(const Joined& joined) {
  if (joined.answered.root) return true;
  Parents& p = parents[joined.answered.series];
  if (p.named > parents_memory) p.named /= 2, p.orphaned /= 2;
  return p.orphaned >= orphans_needed && p.orphaned > orphans_share * p.named;
}

void Stream::State::tick_outcomes(Frame& frame) {
  for (const Joined& j : outcomes.joined) {
    if (frame.outcomes.size() >= outcomes_per_tick_max) {
      ++shed.outcomes;
      continue;
    }
    const Series& s = series[j.answered.series];
    Outcome o;
    o.second = j.answered.second;
    o.trace = j.trace;
    o.unit = j.evaluated.unit;
    o.knob = names.text(j.evaluated.knob);
    o.by_instance = j.evaluated.by_instance;
    o.revision = j.evaluated.revision;
    o.variant = names.text(j.evaluated.variant);
    o.service = names.text(s.service);
    o.operation = names.text(s.operation);
    o.instance = names.text(s.instance);
    o.reader = names.text(j.evaluated.instance);
    o.credential = names.text(s.credential);
    o.entry = is_entry(j);
    o.message = s.kind == 5;
    o.error = j.answered.error;
    o.denied = j.answered.denied;
    o.limited = j.answered.limited;
    o.regular = j.answered.regular;
    o.started = j.answered.started;
    o.duration_ms = j.answered.duration_ms;
    o.weight = j.answered.weight;
    frame.outcomes.push_back(std::move(o));
  }
  outcomes.joined.clear();
}

void Stream::State::tick_logs(Frame& frame) {
  for (GrowingLog& g : logs) {
    g.cell.service = names.text(g.service);
    g.cell.instance = names.text(g.instance);
    g.cell.credential = names.text(g.credential);
    g.cell.subjects = g.subjects.count();
    frame.logs.push_back(std::move(g.cell));
  }
  logs.clear();
  log_ids.clear();
}

void Stream::State::tick_sheds(Frame& frame) {
  shed.names = names.refused();
  shed.operations = operations.refused();
  shed.joins = joins.evicted() + outcomes.evicted();
  shed.templates = templates.refused();
  shed.kpis = kpis.refused();
  frame.shed = shed.total() - shed_before;
  shed_before = shed.total();
}

// Names or series are full: start again. What stays away for ten minutes was not worth its place, and ids cannot be
// taken back one by one.
void Stream::State::forget_everything() {
  names.clear();
  operations.clear();
  joins.clear();
  outcomes.clear();
  peers.clear();
  regulars.clear();
  templates.clear();
  series_ids.clear();
  series.clear();
  parents.clear();
  typical.clear();
  credential_id = no_name;
}

}  // namespace hs::stream
