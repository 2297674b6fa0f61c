#include "ingest/backlog.h"

#include <algorithm>

namespace hs::ingest {
namespace {

// With so many cuts waiting the engine is behind: then only size cuts, so that it catches up with large inserts.
constexpr size_t cuts_before_lazy = 8;

// Empty requests count too: they must not make a cut of unbounded length.
uint64_t weight_of(uint64_t rows) { return std::max<uint64_t>(rows, 1); }

}  // namespace

std::optional<CutRange> CutPlanner::add(uint64_t sequence, uint64_t rows, uint64_t memory_bytes) {
  if (open_.requests == 0) open_.first = sequence;
  open_.last = sequence;
  ++open_.requests;
  open_.rows += rows;
  weight_ += weight_of(rows);
  bytes_ += memory_bytes;
  if (weight_ < max_rows_ && bytes_ < max_bytes_) return std::nullopt;
  return rest();
}

std::optional<CutRange> CutPlanner::rest() {
  if (open_.requests == 0) return std::nullopt;
  weight_ = bytes_ = 0;
  open_.held = held_;
  return std::exchange(open_, {});
}

CutPlanner Backlog::planner(bool held, std::vector<CutRange>& full) const {
  const Lane& from = lane(held);
  CutPlanner planner(bounds_.cut_max_rows, bounds_.cut_max_bytes, held);
  if (from.uncut.empty()) return planner;
  if (!is_full(from)) {
    planner.resume({from.uncut.front().sequence, from.uncut.back().sequence, from.uncut.size(), from.rows}, from.weight,
                   from.bytes);
    return planner;
  }
  for (const Pending& request : from.uncut)
    if (auto range = planner.add(request.sequence, request.rows, request.memory_bytes)) full.push_back(*range);
  return planner;
}

bool Backlog::cut_is_due(bool held, MonoNanos now, uint64_t through) const {
  const Lane& from = lane(held);
  if (from.uncut.empty()) return false;
  if (is_full(from)) return true;
  if (!held && from.uncut.front().sequence <= through) return true;
  return (held || from.cuts.size() < cuts_before_lazy) &&
         now - from.uncut.front().born >= bounds_.cut_max_age_ms * nanos_per_ms;
}

void Backlog::add(Pending request, uint64_t held_bytes_max) {
  uint64_t& bytes = request.held ? undecided_bytes_ : memory_bytes_;
  const uint64_t bytes_max = request.held ? 2 * held_bytes_max : bounds_.waiting_max_bytes;
  if (bytes + request.memory_bytes > bytes_max) request.batch.reset();
  if (request.batch) bytes += request.memory_bytes;
  (request.held ? undecided_rows_ : rows_) += request.rows;
  Lane& to = lane(request.held);
  to.rows += request.rows;
  to.weight += weight_of(request.rows);
  to.bytes += request.memory_bytes;
  admission_.hold(*request.account, request.journal_bytes);
  to.uncut.push_back(std::move(request));
}

std::vector<Pending> Backlog::release_batches(Cut& cut) {
  for (const Pending& request : cut.requests)
    if (request.batch) memory_bytes_ -= request.memory_bytes;
  return std::exchange(cut.requests, {});
}

std::shared_ptr<Cut> Backlog::take_requests(Lane& from, uint64_t last, bool& all_decoded) {
  auto cut = std::make_shared<Cut>();
  while (!from.uncut.empty() && from.uncut.front().sequence <= last) {
    Pending& request = from.uncut.front();
    if (cut->requests.empty()) {
      cut->at = request.at;
      cut->oldest = request.received_at;
    }
    all_decoded &= request.batch != nullptr;
    from.weight -= weight_of(request.rows);
    from.bytes -= request.memory_bytes;
    from.rows -= request.rows;
    cut->range.rows += request.rows;
    cut->memory_bytes += request.memory_bytes;
    if (cut->held.empty() || cut->held.back().first != request.account) cut->held.emplace_back(request.account, 0);
    cut->held.back().second += request.journal_bytes;
    cut->requests.push_back(std::move(request));
    from.uncut.pop_front();
  }
  return cut;
}

void Backlog::cut(uint64_t id, const CutRange& range, bool ask_first, MonoNanos now) {
  bool all_decoded = true;
  auto cut = take_requests(lane(range.held), range.last, all_decoded);
  if (cut->requests.empty()) return;  // a former life delivered all of it and deleted the requests
  cut->id = id;
  const uint64_t rows = cut->range.rows;  // of what is left of it
  cut->range = range;
  cut->range.rows = rows;
  cut->ask_first = ask_first;
  cut->born = now;
  cut->undecided = range.held && all_decoded && !ask_first;
  if (range.held && !cut->undecided) count_as_decided(*cut);
  if (!all_decoded) release_batches(*cut);
  lane(range.held).cuts[id] = std::move(cut);
}

void Backlog::count_as_decided(const Cut& cut) {
  undecided_rows_ -= cut.range.rows;
  rows_ += cut.range.rows;
  for (const Pending& request : cut.requests) {
    if (!request.batch) continue;
    undecided_bytes_ -= request.memory_bytes;
    memory_bytes_ += request.memory_bytes;
  }
}

void Backlog::finish(uint64_t id) {
  for (Lane* from : {&prompt_, &held_}) {
    const auto found = from->cuts.find(id);
    if (found == from->cuts.end()) continue;
    Cut& cut = *found->second;
    rows_ -= cut.range.rows;
    for (const auto& [account, bytes] : cut.held) admission_.release(*account, bytes);
    release_batches(cut);
    from->cuts.erase(found);
    return;
  }
}

std::shared_ptr<Cut> Backlog::unobserved() const {
  for (const auto& [id, cut] : held_.cuts)
    if (cut->undecided && !cut->observed) return cut;
  return nullptr;
}

std::shared_ptr<Cut> Backlog::undecided() const {
  for (const auto& [id, cut] : held_.cuts)
    if (cut->undecided && cut->observed && !cut->deciding) return cut;
  return nullptr;
}

std::vector<Pending> Backlog::decide(uint64_t id, std::string verdicts) {
  const auto found = held_.cuts.find(id);
  if (found == held_.cuts.end()) return {};
  Cut& cut = *found->second;
  cut.verdicts = std::move(verdicts);
  if (!cut.undecided) return {};  // of a former life
  cut.undecided = false;
  count_as_decided(cut);
  return memory_bytes_ > bounds_.waiting_max_bytes ? release_batches(cut) : std::vector<Pending>();
}

std::vector<Backlog::Held> Backlog::held(const std::string& tenant) const {
  std::vector<Held> out;
  const auto add = [&](const Pending& request, const std::shared_ptr<const Cut>& cut) {
    if (request.batch && request.tenant == tenant)
      out.push_back({request.batch, request.sequence, request.received_at, cut});
  };
  for (const auto& [id, cut] : held_.cuts)
    for (const Pending& request : cut->requests) add(request, cut);
  for (const Pending& request : held_.uncut) add(request, nullptr);
  return out;
}

std::shared_ptr<Cut> Backlog::take(MonoNanos now) {
  const auto first = [now](const Lane& from) {
    return std::find_if(from.cuts.begin(), from.cuts.end(), [now](const auto& entry) {
      const Cut& cut = *entry.second;
      return !cut.undecided && !cut.taken && cut.not_before <= now;
    });
  };
  const auto prompt = first(prompt_), held = first(held_);
  if (prompt == prompt_.cuts.end() && held == held_.cuts.end()) return nullptr;
  const bool from_held = prompt == prompt_.cuts.end() || (held != held_.cuts.end() && held->first < prompt->first);
  const std::shared_ptr<Cut>& cut = from_held ? held->second : prompt->second;
  cut->taken = true;
  return cut;
}

void Backlog::give_back(Cut& cut, MonoNanos not_before) {
  cut.taken = false;
  cut.not_before = not_before;
}

void Backlog::hurry() {
  for (const Lane* each : {&prompt_, &held_})
    for (const auto& [id, cut] : each->cuts) cut->not_before = 0;
}

uint64_t Backlog::lowest_needed() const {
  uint64_t lowest = UINT64_MAX;
  for (const Lane* each : {&prompt_, &held_}) {
    if (!each->cuts.empty())
      lowest = std::min(lowest, each->cuts.begin()->second->range.first);
    else if (!each->uncut.empty())
      lowest = std::min(lowest, each->uncut.front().sequence);
  }
  return lowest;
}

const Cut* Backlog::first_decided() const {
  for (const auto& [id, cut] : held_.cuts)
    if (!cut->undecided) return cut.get();
  return nullptr;
}

uint64_t Backlog::lowest_asked() const {
  uint64_t lowest = UINT64_MAX;
  if (!prompt_.cuts.empty())
    lowest = prompt_.cuts.begin()->second->range.first;
  else if (!prompt_.uncut.empty())
    lowest = prompt_.uncut.front().sequence;
  if (const Cut* cut = first_decided()) lowest = std::min(lowest, cut->range.first);
  return lowest;
}

std::optional<UnixNanos> Backlog::oldest() const {
  std::optional<UnixNanos> oldest;
  if (!prompt_.cuts.empty())
    oldest = prompt_.cuts.begin()->second->oldest;
  else if (!prompt_.uncut.empty())
    oldest = prompt_.uncut.front().received_at;
  if (const Cut* cut = first_decided()) oldest = std::min(oldest.value_or(INT64_MAX), cut->oldest);
  return oldest;
}

}  // namespace hs::ingest
