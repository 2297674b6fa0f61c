#include "stream/joins.h"

#include <algorithm>

namespace hs::stream {
namespace {

double ms(UnixNanos ns) { return static_cast<double>(ns) / static_cast<double>(nanos_per_ms); }

// Time in [from, to] covered by at least one of the intervals, which are sorted by start.
UnixNanos covered(const std::vector<std::pair<UnixNanos, UnixNanos>>& intervals, UnixNanos from, UnixNanos to) {
  UnixNanos total = 0, reached = from;
  for (const auto& [start, end] : intervals) {
    const UnixNanos begin = std::max(start, reached), stop = std::min(end, to);
    if (stop > begin) total += stop - begin;
    reached = std::max(reached, stop);
  }
  return total;
}

}  // namespace

Joins::Joins(size_t spans_max, UnixNanos horizon)
    : half_max_(std::max<size_t>(spans_max / 2, 64)), horizon_(horizon), ring_(64) {}

void Joins::clear() {
  young_.clear();
  old_.clear();
  ring_.assign(64, {});
  calls.clear();
  corrections.clear();
  met.clear();
  orphans.clear();
}

Joins::Node* Joins::find(uint64_t key) {
  if (Node* found = young_.find(key)) return found;
  Node* found = old_.find(key);
  return found != nullptr && !found->moved ? found : nullptr;
}

Joins::Node& Joins::node(uint64_t key) {
  if (Node* found = young_.find(key)) return *found;
  if (young_.size() >= half_max_) {
    evicted_ += old_.size();
    rotate();
  }
  Node& made = young_.at(key);
  if (Node* before = old_.find(key); before != nullptr && !before->moved) {
    made = *before;
    before->moved = true;
  }
  return made;
}

void Joins::rotate() {
  old_.each([&](uint64_t, const Node& n) {
    if (n.moved || n.role != Role::answer || !n.tells_of_parent) return;
    const Node* parent = find(n.parent);
    if (parent == nullptr || parent->role == Role::unseen) orphans.push_back(n.series);
  });
  std::swap(young_, old_);
  young_.clear();
}

Joins::Pending* Joins::pending(uint64_t id) {
  Pending& slot = ring_[id % ring_.size()];
  return id != 0 && slot.id == id ? &slot : nullptr;
}

uint64_t Joins::keep(const Pending& call) {
  if (next_id_ >= ring_.size() && ring_.size() < half_max_) {  // grow while nothing has wrapped yet
    std::vector<Pending> wider(std::min(half_max_, ring_.size() * 2));
    for (const Pending& p : ring_)
      if (p.id != 0) wider[p.id % wider.size()] = p;
    ring_ = std::move(wider);
  }
  const uint64_t id = next_id_++;
  Pending& slot = ring_[id % ring_.size()];
  slot = call;
  slot.id = id;
  return id;
}

SeriesId Joins::callee_of(uint64_t key) {
  const Node* known = find(key);
  return known == nullptr ? no_series : known->callee;
}

// Unlinks the calls that wait inside `from`.
std::vector<Joins::Pending> Joins::take(Node& from) {
  std::vector<Pending> calls_inside;
  for (const Pending* p = pending(from.first_call); p != nullptr && calls_inside.size() < inside_max;
       p = pending(p->next))
    calls_inside.push_back(*p);
  from.first_call = 0;
  return calls_inside;
}

void Joins::attach(uint64_t parent, Pending call) {
  for (int depth = 0; parent != 0 && depth < depth_max; ++depth) {
    Node& at = node(parent);
    if (at.role == Role::answer) return correct(at, call);
    if (at.role == Role::call) return;  // a call inside a call is part of it
    if (at.role == Role::unseen) {
      call.next = at.first_call;
      at.first_call = keep(call);
      return;
    }
    parent = at.parent;
  }
}

void Joins::emit(SeriesId caller, UnixNanos caller_start, int64_t second, const Pending& call) {
  CallOut out{.caller = caller, .call = call.series, .callee = call.callee, .second = second, .weight = call.weight};
  out.total_ms = ms(call.end - call.start);
  out.offset_ms = ms(std::max<UnixNanos>(0, call.start - caller_start));
  out.callee_ms = call.callee_ms;
  out.failed = call.failed;
  out.async = call.async;
  out.callee_failed = call.callee_failed;
  if (Node* known = find(call.key); known != nullptr && known->callee != no_series) {
    out.callee = known->callee;
    out.callee_ms = known->callee_ms;
    out.callee_failed = known->callee_failed;
  } else if (known != nullptr) {
    known->told = caller;
    known->told_second = second;
  }
  calls.push_back(out);
}

void Joins::correct(Node& answer, const Pending& call) {
  const int64_t second = answer.end / nanos_per_s;
  const UnixNanos from = std::max(answer.start, call.start), to = std::min(answer.end, call.end);
  Correction c{.answer = answer.series, .second = second, .weight = answer.weight};
  c.waiting_ms = call.async || to <= from ? 0 : ms(to - from);
  c.error_was_not_own = call.failed && answer.error && !answer.failed_inside;
  answer.failed_inside |= call.failed;
  corrections.push_back(c);
  emit(answer.series, answer.start, second, call);
}

void Joins::add_inside(const SpanIn& span) {
  Node& self = node(span.key);
  const std::vector<Pending> inside = take(self);
  self.role = Role::inside;
  self.parent = span.parent;
  for (const Pending& call : inside) attach(span.parent, call);
}

void Joins::add_call(const SpanIn& span) {
  Node& self = node(span.key);
  self.role = Role::call;
  self.parent = span.parent;
  self.learned = span.learned;
  self.series = span.series;
  self.first_call = 0;
  self.weight = static_cast<float>(span.weight);
  self.call_ms = static_cast<float>(ms(span.end - span.start));
  self.failed = span.failed;
  Pending call{.key = span.key, .start = span.start, .end = span.end, .series = span.series, .callee = self.callee};
  call.callee_ms = self.callee_ms;
  call.callee_failed = self.callee_failed;
  call.weight = static_cast<float>(span.weight);
  call.failed = span.failed;
  call.async = span.async;
  if (self.callee != no_series) met.push_back({span.learned, self.callee});
  attach(span.parent, call);
}

void Joins::link_callee(const SpanIn& answer) {
  if (answer.parent == 0) return;
  Node& caller = node(answer.parent);
  if (caller.role == Role::answer || caller.role == Role::inside) return;
  caller.callee = answer.series;
  caller.callee_ms = static_cast<float>(ms(answer.end - answer.start));
  caller.callee_failed = answer.error;
  if (caller.role != Role::call) return;
  if (caller.told != no_series) {
    CallOut late{.caller = caller.told, .call = caller.series, .callee = answer.series, .second = caller.told_second};
    late.weight = caller.weight;
    late.total_ms = caller.call_ms;
    late.callee_ms = caller.callee_ms;
    late.failed = caller.failed;
    late.callee_failed = answer.error;
    late.late = true;
    calls.push_back(late);
    caller.told = no_series;
  }
  met.push_back({caller.learned, answer.series});
}

Inside Joins::add_answer(const SpanIn& span) {
  Node& self = node(span.key);
  std::vector<Pending> inside = take(self);
  self.role = Role::answer;
  self.parent = span.parent;
  self.series = span.series;
  self.start = span.start;
  self.end = span.end;
  self.weight = static_cast<float>(span.weight);
  self.error = span.error;
  self.tells_of_parent = tells_of_parent(span);
  Inside found;
  std::vector<std::pair<UnixNanos, UnixNanos>> waits;
  for (const Pending& call : inside) {
    if (!call.async) waits.emplace_back(call.start, call.end);
    found.failed |= call.failed;
  }
  self.failed_inside = found.failed;
  std::sort(waits.begin(), waits.end());
  found.waiting_ms = ms(covered(waits, span.start, span.end));
  for (const Pending& call : inside) emit(span.series, span.start, span.end / nanos_per_s, call);
  link_callee(span);
  return found;
}

}  // namespace hs::stream
