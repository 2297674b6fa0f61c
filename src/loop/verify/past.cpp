#include "loop/verify/past.h"

#include <algorithm>

#include "loop/places.h"

namespace hs::loop {
namespace {

constexpr double keys_fade = 0.98;     // each second
constexpr size_t consumers_max = 500;  // operation and knob: a ring of sketches each
constexpr double keys_n_min = 10;

bool matches(const std::string& wanted, const std::string& is) { return wanted.empty() || wanted == is; }
bool matches(const Scope& scope, const Past::Key& key) {
  return matches(scope.service, key.service) && matches(scope.operation, key.operation) &&
         matches(scope.instance, key.instance) && matches(scope.peer, key.peer) &&
         matches(scope.credential, key.credential) && (scope.kind == 0 || scope.kind == key.kind);
}

// A failed request may also be slow: at least the larger of the two is bad.
template <class Slot>
double bad_of(const Slot& slot, const Bad& bad) {
  double slow = bad.slow_ms > 0 ? slot.duration_ms.count() - slot.duration_ms.count_at_most(bad.slow_ms) : 0;
  double failed = (bad.errors ? slot.errors : 0) + (bad.denied ? slot.denied : 0) + (bad.limited ? slot.limited : 0);
  return std::min(slot.count, std::max(slow, failed));
}

template <class Slot>
Block block_of(const Slot& slot, const Bad& bad) {
  if (bad.regulars) return {slot.regular, slot.regular_limited};
  return {slot.count, bad_of(slot, bad)};
}

// What is kept under a key. At the bound nothing new is taken in (null), but what is known stays known.
template <class Map>
auto* kept(Map& map, typename Map::key_type key, size_t max = history_series_max) {
  const auto known = map.find(key);
  if (known != map.end()) return &known->second;
  return map.size() < max ? &map.emplace(std::move(key), typename Map::mapped_type()).first->second : nullptr;
}

// When something was last seen.
template <class Seen>
void note(Seen& seen, typename Seen::key_type key, int64_t second) {
  if (int64_t* last = kept(seen, std::move(key))) *last = second;
}

}  // namespace

void Past::add(const stream::Frame& frame) {
  int64_t second = frame.tick / nanos_per_s - 1;
  if (last_second_ == 0) first_second_ = second;
  last_second_ = std::max(last_second_, second);
  for (const auto& cell : frame.cells) add_cell(cell);
  arrivals_.add(frame);
  for (const auto& call : frame.calls) {
    note(calls_, {call.service, call.callee}, call.second);
    note(operation_calls_, {call.service, call.operation, call.callee}, call.second);
  }
  for (const auto& kpi : frame.kpis) {
    if (kpis_.size() >= history_series_max && !kpis_.contains(kpi.name)) continue;
    KpiSum& sum = kpis_[kpi.name][kpi.second];
    sum.told = 1, sum.numerator += kpi.numerator, sum.denominator += kpi.denominator;
    sum.values.merge(kpi.values);
  }
  for (const auto& probe : frame.probes) probes_.push_back(probe);
  for (const auto& change : frame.changes) changes_.push_back(change);
  while (changes_.size() > changes_max) changes_.pop_front();
  add_evaluations(frame);
  users_.add(frame, last_second_);
  forget(last_second_ - history_s);
}

void Past::add_cell(const stream::Cell& cell) {
  Key key{cell.service, cell.operation, cell.instance, cell.peer, cell.credential, cell.kind};
  auto found = series_.find(key);
  if (found == series_.end()) {
    if (series_.size() >= history_series_max) return;
    found = series_.emplace(std::move(key), Series()).first;
  }
  if (cell.second <= last_second_ - history_s || cell.second > last_second_ + history_s) return;
  Slot& slot = found->second.ring[static_cast<size_t>(cell.second % history_s)];
  if (slot.second != cell.second) slot = Slot{.second = cell.second};
  slot.count += cell.count, slot.errors += cell.errors, slot.denied += cell.denied;
  slot.limited += cell.limited;
  slot.regular += cell.regular, slot.regular_limited += cell.regular_limited;
  slot.duration_ms.merge(cell.duration_ms);
  found->second.last = std::max(found->second.last, cell.second);
}

Past::Evaluated& Past::slot_of(Evaluation& ring, int64_t second) {
  ring.resize(history_s);
  Evaluated& slot = ring[static_cast<size_t>(second % history_s)];
  if (slot.second != second) slot = Evaluated{.second = second};
  return slot;
}

void Past::add_evaluations(const stream::Frame& frame) {
  bool first = served_last_.empty();  // counts of before our time are a starting point
  for (const auto& served : frame.served) {
    auto [it, fresh] = served_last_.try_emplace({served.knob, served.variant, served.revision}, 0);
    uint64_t since = fresh && first ? 0 : served.count < it->second ? served.count : served.count - it->second;
    it->second = served.count;
    slot_of(evaluations_[served.knob], last_second_).served += static_cast<double>(since);
  }
  for (auto& [knob, keys] : keys_of_) keys.named *= keys_fade, keys.unnamed *= keys_fade;
  struct Place {
    int64_t* read = nullptr;
    Keys* keys = nullptr;
    std::optional<int64_t*> entered;
    std::optional<Evaluation*> asked, consumed;
  };
  Places<Place> places;
  for (const auto& o : frame.outcomes) {
    Place& at = places.of(o, [&] {
      return Place{.read = kept(readers_, {o.knob, o.service, o.operation}), .keys = kept(keys_of_, o.knob)};
    });
    if (at.read != nullptr) *at.read = o.second;
    if (o.entry && !at.entered) at.entered = kept(entries_, {o.service, o.operation});
    if (o.entry && *at.entered != nullptr) **at.entered = o.second;
    if (at.keys != nullptr) ++(o.by_instance ? at.keys->unnamed : at.keys->named);
    if (!(o.entry || o.message) || o.second <= last_second_ - history_s || o.second > last_second_ + history_s)
      continue;
    std::optional<Evaluation*>& ring = o.message ? at.consumed : at.asked;
    if (!ring)
      ring = o.message ? kept(consumed_, {o.service, o.operation, o.knob}, consumers_max) : kept(evaluations_, o.knob);
    if (*ring == nullptr) continue;
    Evaluated& slot = slot_of(**ring, o.second);
    slot.count += 1, slot.errors += o.error;
    if (!o.error) slot.good_ms.add(o.duration_ms);
  }
}

void Past::forget(int64_t second) {
  while (!probes_.empty() && probes_.front().second < second) probes_.pop_front();
  for (auto& [name, seconds] : kpis_) seconds.erase(seconds.begin(), seconds.lower_bound(second));
  std::erase_if(series_, [&](const auto& s) { return s.second.last < second; });
  std::erase_if(readers_, [&](const auto& r) { return r.second < second; });
  std::erase_if(entries_, [&](const auto& e) { return e.second < second; });
  std::erase_if(calls_, [&](const auto& c) { return c.second < second; });
  std::erase_if(operation_calls_, [&](const auto& c) { return c.second < second; });
  if (consumed_.size() >= consumers_max)
    std::erase_if(consumed_, [&](const auto& c) {
      return std::all_of(c.second.begin(), c.second.end(), [&](const Evaluated& e) { return e.second < second; });
    });
  if (served_last_.size() > history_series_max) served_last_.erase(served_last_.begin());  // oldest revision of a knob
}

std::vector<std::string> Past::callees(const std::string& service, const std::string& operation) const {
  std::vector<std::string> out;
  for (auto it = operation_calls_.lower_bound({service, operation, ""}); it != operation_calls_.end(); ++it) {
    const auto& [caller, op, callee] = it->first;
    if (caller != service || !matches(operation, op)) break;
    out.push_back(callee);
  }
  return out;
}

bool Past::leads_to(const std::string& service, const std::string& operation, const std::string& to) const {
  if (service == to) return true;
  std::vector<std::string> open = callees(service, operation);
  std::set<std::string> seen(open.begin(), open.end());
  while (!open.empty()) {
    const std::string at = std::move(open.back());
    open.pop_back();
    if (at == to) return true;
    for (std::string& next : callees(at, ""))
      if (seen.insert(next).second) open.push_back(std::move(next));
  }
  return false;
}

template <class Visit>
void Past::visit(const Scope& scope, int64_t from, int64_t to, Visit visit) const {
  from = std::max(from, last_second_ - history_s + 1);
  for (const auto& [key, series] : series_) {
    if (!matches(scope, key)) continue;
    for (int64_t s = from; s < to; ++s) {
      const Slot& slot = series.ring[static_cast<size_t>(s % history_s)];
      if (slot.second == s) visit(slot);
    }
  }
}

std::vector<Block> Past::blocks(const Scope& scope, const Bad& bad, int64_t from, int64_t to) const {
  from = std::max(from, last_second_ - history_s + 1);
  std::vector<Block> out(static_cast<size_t>(std::max<int64_t>(0, to - from)));
  visit(scope, from, to,
        [&](const Slot& slot) { out[static_cast<size_t>(slot.second - from)] += block_of(slot, bad); });
  return out;
}

Block Past::total(const Scope& scope, const Bad& bad, int64_t from, int64_t to) const {
  Block sum;
  visit(scope, from, to, [&](const Slot& slot) { sum += block_of(slot, bad); });
  return sum;
}

stream::Sketch Past::durations(const Scope& scope, int64_t from, int64_t to) const {
  stream::Sketch sum;
  visit(scope, from, to, [&](const Slot& slot) { sum.merge(slot.duration_ms); });
  return sum;
}

std::vector<Past::Key> Past::keys(const Scope& scope) const {
  std::vector<Key> out;
  for (const auto& [key, series] : series_)
    if (matches(scope, key)) out.push_back(key);
  return out;
}

Block Past::probes(const std::string& service, double slow_ms, int64_t from, int64_t to) const {
  Block sum;
  for (const auto& p : probes_) {
    if (p.service != service || p.second < from || p.second >= to) continue;
    sum.n += 1, sum.bad += !p.ok || (slow_ms > 0 && p.duration_ms > slow_ms);
  }
  return sum;
}

stream::Sketch Past::probe_durations(const std::string& service, int64_t from, int64_t to) const {
  stream::Sketch sum;
  for (const auto& p : probes_)
    if (p.service == service && p.second >= from && p.second < to) sum.add(p.duration_ms);
  return sum;
}

Past::KpiSum Past::kpi(const std::string& name, int64_t from, int64_t to) const {
  KpiSum sum;
  auto found = kpis_.find(name);
  if (found == kpis_.end()) return sum;
  for (auto it = found->second.lower_bound(from); it != found->second.end() && it->first < to; ++it) {
    sum.told += 1, sum.numerator += it->second.numerator, sum.denominator += it->second.denominator;
    sum.values.merge(it->second.values);
  }
  return sum;
}

Past::Evaluations Past::sum_of(const Evaluation& ring, const Bad& bad, int64_t from, int64_t to) {
  Evaluations sum;
  for (const Evaluated& e : ring) {
    if (e.second < from || e.second >= to) continue;
    double slow = bad.slow_ms > 0 ? e.good_ms.count() - e.good_ms.count_at_most(bad.slow_ms) : 0;
    double failed = (bad.errors ? e.errors : 0) + slow;
    sum.served += e.served, sum.bad += failed, sum.good += e.count - failed;
  }
  return sum;
}

Past::Evaluations Past::evaluations(const std::string& knob, const Bad& bad, int64_t from, int64_t to) const {
  auto found = evaluations_.find(knob);
  return found == evaluations_.end() ? Evaluations{} : sum_of(found->second, bad, from, to);
}

Past::Evaluations Past::consumed(const std::string& knob, const std::string& service, const std::string& operation,
                                 const Bad& bad, int64_t from, int64_t to) const {
  auto found = consumed_.find({service, operation, knob});
  Evaluations sum = found == consumed_.end() ? Evaluations{} : sum_of(found->second, bad, from, to);
  sum.served = evaluations(knob, bad, from, to).served;
  return sum;
}

bool Past::consumes(const std::string& service, const std::string& operation) const {
  auto found = consumed_.lower_bound({service, operation, ""});
  return found != consumed_.end() && std::get<0>(found->first) == service && std::get<1>(found->first) == operation;
}

bool Past::reads(const std::string& service, const std::string& operation, const std::string& knob) const {
  auto it = readers_.lower_bound({knob, service, operation});
  if (it == readers_.end()) return false;
  const auto& [k, s, o] = it->first;
  return k == knob && s == service && (operation.empty() || o == operation);
}

bool Past::is_keyless(const std::string& knob) const {
  const auto found = keys_of_.find(knob);
  return found != keys_of_.end() && found->second.unnamed >= keys_n_min && found->second.unnamed > found->second.named;
}

bool Past::is_read(const std::string& knob) const {
  auto it = readers_.lower_bound({knob, "", ""});
  return it != readers_.end() && std::get<0>(it->first) == knob;
}

bool Past::is_entry(const std::string& service, const std::string& operation) const {
  auto it = entries_.lower_bound({service, operation});
  return it != entries_.end() && it->first.first == service && (operation.empty() || it->first.second == operation);
}

std::vector<std::string> Past::knobs_evaluated() const {
  std::vector<std::string> out;
  for (const auto& [knob, ring] : evaluations_) out.push_back(knob);
  return out;
}

}  // namespace hs::loop
