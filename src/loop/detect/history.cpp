#include "loop/detect/history.h"

#include <algorithm>
#include <cmath>

namespace hs::loop {
namespace {

// Slower than usual by a factor that is worth an alarm, and by more than a busy machine's jitter.
constexpr double middle_factor = 2, middle_more_ms = 20;
constexpr uint8_t warn_severity = 13;  // OTLP SeverityNumber WARN
constexpr int64_t log_trace_s = 30;    // a warning's trace is shown for so long before it makes room for a newer one
constexpr double tail_factor = 1.6, tail_more_ms = 40;

}  // namespace

void Sums::add(const Sums& o) {
  n += o.n, spans += o.spans, errors += o.errors, own_errors += o.own_errors;
  denied += o.denied, limited += o.limited;
  total_ms += o.total_ms, self_ms += o.self_ms, waiting_ms += o.waiting_ms;
  for (size_t i = 0; i < slow.size(); ++i) slow[i] += o.slow[i];
  subjects += o.subjects;
}

void Sums::scale(double f) {
  n *= f, spans *= f, errors *= f, own_errors *= f, denied *= f, limited *= f;
  total_ms *= f, self_ms *= f, waiting_ms *= f;
  for (double& s : slow) s *= f;
  subjects *= f;
}

void CallSums::add(const CallSums& o) {
  n += o.n, errors += o.errors, total_ms += o.total_ms, offset_ms += o.offset_ms;
  joined += o.joined, joined_ms += o.joined_ms, callee_ms += o.callee_ms;
  answered_errors += o.answered_errors, callee_errors += o.callee_errors;
}

void CallSums::scale(double f) {
  n *= f, errors *= f, total_ms *= f, offset_ms *= f, joined *= f, joined_ms *= f, callee_ms *= f;
  answered_errors *= f, callee_errors *= f;
}

template <class Map>
typename Map::mapped_type* History::room(Map& map, const typename Map::key_type& key, int64_t now) {
  const auto found = map.find(key);
  if (found != map.end()) return &found->second;
  if (map.size() >= tracks_max)
    std::erase_if(map, [&](const auto& item) { return now - item.second.last_second > idle_track_s; });
  if (map.size() >= tracks_max) {
    ++refused;
    return nullptr;
  }
  return &map[key];
}

void History::add(const stream::Frame& frame, int64_t now) {
  for (auto& [key, track] : operations) track.forget_fresh();
  for (auto& [key, track] : edges) track.forget_fresh();
  for (auto& [key, track] : instances) track.forget_fresh();
  for (const stream::Cell& cell : frame.cells) add_cell(cell, now);
  for (const stream::Call& call : frame.calls) add_call(call, now);
  for (const stream::LogCell& cell : frame.logs) add_log(cell, now);
  arrivals_.add(frame);
  for (auto& [key, track] : operations)
    if (key.operation.empty() && track.fresh.n > 0) track.lag_s = static_cast<double>(arrivals_.delay_s(key.service));
}

void History::add_cell(const stream::Cell& cell, int64_t now) {
  if (cell.second <= now - remembered_s || cell.second > now + 10) return;
  if (!cell.examples.empty()) add_examples(cell, now);
  if (cell.kind == 3 || cell.kind == 4) {
    if (Track* edge = room(edges, {cell.service, cell.peer}, now)) add_to(*edge, cell);
    return;
  }
  if (Track* own = room(operations, {cell.service, cell.operation}, now)) add_to(*own, cell);
  if (Track* whole = room(operations, {cell.service, ""}, now)) add_to(*whole, cell);
  if (Track* one = room(instances, {cell.service, cell.instance}, now)) add_to(*one, cell);
}

void History::add_examples(const stream::Cell& cell, int64_t now) {
  Examples* of = room(examples, {cell.service, cell.peer}, now);
  if (of == nullptr) return;
  for (const stream::Example& example : cell.examples) {
    std::deque<Examples::One>& kept = example.failed ? of->failed : of->slow;
    kept.push_back({cell.second, cell.service, cell.operation, cell.instance, cell.kind, example});
    if (kept.size() > Examples::kept) kept.pop_front();
  }
  of->last_second = std::max(of->last_second, cell.second);
}

void History::add_log(const stream::LogCell& cell, int64_t now) {
  if (cell.second <= now - remembered_s || cell.second > now + 10) return;
  LogTrack* of = room(logs, cell.service, now);
  if (of == nullptr) return;
  const bool warning = cell.severity >= warn_severity;
  of->ring.at(cell.second).add({cell.count, warning ? cell.count : 0});
  of->last_second = std::max(of->last_second, cell.second);
  if (!cell.trace.empty() && cell.second >= of->trace_second + log_trace_s)
    of->trace = cell.trace, of->trace_second = cell.second;
}

void History::add_to(Track& track, const stream::Cell& cell) {
  Sums more;
  more.n = cell.count;
  more.spans = cell.spans;
  more.errors = cell.errors;
  more.own_errors = cell.own_errors;
  more.denied = cell.denied;
  more.limited = cell.limited;
  more.total_ms = cell.duration_ms.sum();
  more.self_ms = cell.self_ms;
  more.waiting_ms = cell.waiting_ms;
  more.subjects = cell.subjects;
  for (size_t i = 0; i < slow_limits_max; ++i)
    if (track.slow_limits[i] > 0)
      more.slow[i] = cell.duration_ms.count() - cell.duration_ms.count_at_most(track.slow_limits[i]);
  note_second(track, cell.second, more);
  note_durations(track, cell.second, cell.duration_ms);
}

void History::note_second(Track& track, int64_t second, const Sums& more) {
  track.ring.at(second).add(more);
  track.fresh.add(more);
  auto at = std::lower_bound(track.fresh_seconds.begin(), track.fresh_seconds.end(), second,
                             [](const auto& one, int64_t wanted) { return one.first < wanted; });
  if (at == track.fresh_seconds.end() || at->first != second) at = track.fresh_seconds.insert(at, {second, {}});
  at->second.add(more);
  if (track.first_second == 0) {
    track.first_second = second;
    track.next_block = second / block_s;
  }
  track.last_second = std::max(track.last_second, second);
}

void History::note_durations(Track& track, int64_t second, const stream::Sketch& ms) {
  const int64_t block = second / block_s;
  const auto same = [&](const Track::Block& b) { return b.block == block; };
  auto at = std::find_if(track.blocks.begin(), track.blocks.end(), same);
  if (at == track.blocks.end()) at = track.blocks.insert(track.blocks.end(), {block, {}});
  at->ms.merge(ms);
}

void History::add_call(const stream::Call& call, int64_t now) {
  if (call.second <= now - remembered_s || call.second > now + 10) return;
  CallTrack* track = room(calls, {call.service, call.operation, call.callee, call.callee_operation}, now);
  if (track == nullptr) return;
  CallSums more{call.count,     call.errors,    call.total_ms,        call.offset_ms,    call.joined,
                call.joined_ms, call.callee_ms, call.answered_errors, call.callee_errors};
  track->ring.at(call.second).add(more);
  if (track->first_second == 0) {
    track->first_second = call.second;
    track->next_block = call.second / block_s;
  }
  track->traced |= call.traced;
  track->async = call.async;
  track->last_second = std::max(track->last_second, call.second);
}

int64_t History::settled(const std::string& service, int64_t now) const {
  const auto found = operations.find({service, ""});
  const double lag = found == operations.end() ? 1 : found->second.lag_s;
  return now - 2 - static_cast<int64_t>(std::ceil(lag));
}

// Silent blocks are learned too: a rate is over all seconds.
void History::learn(Track& track, int64_t now, bool troubled) {
  const auto late_s = static_cast<int64_t>(track.lag_s) - 1;  // what did not come yet is not learned as silence
  while (track.first_second > 0 && (track.next_block + 1) * block_s + learn_after_s + late_s <= now) {
    const int64_t block = track.next_block++;
    stream::Sketch ms;
    while (!track.blocks.empty() && track.blocks.front().block <= block) {
      ms.merge(track.blocks.front().ms);
      track.blocks.pop_front();
    }
    const bool forgotten = block * block_s <= now - remembered_s;
    if (!troubled && !forgotten) learn_block(track, block, ms);
  }
}

void History::learn_spread(Track& track, const Sums& sums) {
  const Sums& usual = track.usual.sums;
  const double scale = sums.n > 0 ? sums.spans / sums.n : 1;  // evidence counts in spans, not in weights
  const auto share = [&](double bad) { return (bad + 0.5) / (usual.n + 50); };
  track.error_spread.add(sums.errors * scale, sums.spans, share(usual.errors));
  track.denied_spread.add(sums.denied * scale, sums.spans, share(usual.denied));
  for (size_t i = 0; i < slow_limits_max; ++i)
    if (track.slow_limits[i] > 0) track.spread[i].add(sums.slow[i] * scale, sums.spans, share(usual.slow[i]));
  constexpr double rare = 1e-4;  // Poisson, as a binomial of rare events
  const double expected = track.usual.rate() * block_s;
  if (expected > 1) track.rate_spread.add(sums.n, expected / rare, rare);
}

void History::learn_block(Track& track, int64_t block, const stream::Sketch& ms) {
  const int64_t from = block * block_s;
  const Sums sums = track.ring.sum(from, from + block_s - 1);
  if (track.ready()) learn_spread(track, sums);
  track.usual.add(sums, static_cast<double>(from + block_s - std::max(from, track.first_second)));
  track.usual_ms.merge(ms);
  const double kept = track.usual.sums.n;
  if (track.usual_ms.count() > kept * 1.05) track.usual_ms.scale(kept / track.usual_ms.count());
  set_limits(track);
}

// Learned limits move only when they are clearly off: shares counted under one limit stay comparable.
void History::set_limits(Track& track) {
  if (!track.ready()) return;
  const double p50 = track.usual_ms.quantile(0.5), p99 = track.usual_ms.quantile(0.99);
  const double middle = std::max(middle_factor * p50, p50 + middle_more_ms);
  const double tail = std::max({tail_factor * p99, p99 + tail_more_ms, 1.5 * middle});
  const std::array<double, 2> wanted{middle, tail};
  for (size_t i = 0; i < wanted.size(); ++i) {
    double& limit = track.slow_limits[i];
    if (limit > 0 && std::abs(wanted[i] / limit - 1) < 0.15) continue;
    limit = wanted[i];
    track.usual.sums.slow[i] = track.usual_ms.count() - track.usual_ms.count_at_most(limit);
  }
}

void History::learn(CallTrack& track, int64_t now, bool troubled) {
  while (track.first_second > 0 && (track.next_block + 1) * block_s + learn_after_s <= now) {
    const int64_t from = block_s * track.next_block++;
    if (troubled || from <= now - remembered_s) continue;
    const auto seconds = static_cast<double>(from + block_s - std::max(from, track.first_second));
    track.usual.add(track.ring.sum(from, from + block_s - 1), seconds);
  }
}

}  // namespace hs::loop
