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
  return std::exchange(open_, {});
}

CutPlanner Backlog::planner(std::vector<CutRange>& full) const {
  CutPlanner planner(bounds_.cut_max_rows, bounds_.cut_max_bytes);
  if (uncut_.empty()) return planner;
  if (!is_full()) {
    planner.resume({uncut_.front().sequence, uncut_.back().sequence, uncut_.size(), uncut_rows_}, uncut_weight_,
                   uncut_bytes_);
    return planner;
  }
  for (const Pending& request : uncut_)
    if (auto range = planner.add(request.sequence, request.rows, request.memory_bytes)) full.push_back(*range);
  return planner;
}

bool Backlog::cut_is_due(MonoNanos now, uint64_t through) const {
  if (uncut_.empty()) return false;
  if (is_full()) return true;
  if (uncut_.front().sequence <= through) return true;
  return cuts_.size() < cuts_before_lazy && now - uncut_.front().born >= bounds_.cut_max_age_ms * nanos_per_ms;
}

void Backlog::add(Pending request) {
  if (memory_bytes_ + request.memory_bytes > bounds_.waiting_max_bytes) request.batch.reset();
  if (request.batch) memory_bytes_ += request.memory_bytes;
  rows_ += request.rows;
  uncut_rows_ += request.rows;
  uncut_weight_ += weight_of(request.rows);
  uncut_bytes_ += request.memory_bytes;
  admission_.hold(*request.account, request.journal_bytes);
  uncut_.push_back(std::move(request));
}

std::vector<Pending> Backlog::release_batches(Cut& cut) {
  for (const Pending& request : cut.requests)
    if (request.batch) memory_bytes_ -= request.memory_bytes;
  return std::exchange(cut.requests, {});
}

void Backlog::cut(uint64_t id, const CutRange& range, bool ask_first) {
  auto cut = std::make_shared<Cut>();
  cut->id = id;
  cut->range = range;
  cut->ask_first = ask_first;
  bool all_decoded = true;
  uint64_t rows = 0;  // of what is left of it
  while (!uncut_.empty() && uncut_.front().sequence <= range.last) {
    Pending& request = uncut_.front();
    if (cut->requests.empty()) {
      cut->at = request.at;
      cut->oldest = request.received_at;
    }
    all_decoded &= request.batch != nullptr;
    uncut_weight_ -= weight_of(request.rows);
    uncut_bytes_ -= request.memory_bytes;
    uncut_rows_ -= request.rows;
    rows += request.rows;
    if (cut->held.empty() || cut->held.back().first != request.account) cut->held.emplace_back(request.account, 0);
    cut->held.back().second += request.journal_bytes;
    cut->requests.push_back(std::move(request));
    uncut_.pop_front();
  }
  if (cut->requests.empty()) return;  // a former life delivered all of it and deleted the requests
  cut->range.rows = rows;
  if (!all_decoded) release_batches(*cut);
  cuts_[id] = std::move(cut);
}

void Backlog::finish(uint64_t id) {
  const auto found = cuts_.find(id);
  if (found == cuts_.end()) return;
  Cut& cut = *found->second;
  rows_ -= cut.range.rows;
  for (const auto& [account, bytes] : cut.held) admission_.release(*account, bytes);
  release_batches(cut);
  cuts_.erase(found);
}

std::shared_ptr<Cut> Backlog::take(MonoNanos now) {
  for (auto& [id, cut] : cuts_) {
    if (cut->taken || cut->not_before > now) continue;
    cut->taken = true;
    return cut;
  }
  return nullptr;
}

void Backlog::give_back(Cut& cut, MonoNanos not_before) {
  cut.taken = false;
  cut.not_before = not_before;
}

void Backlog::hurry() {
  for (auto& [id, cut] : cuts_) cut->not_before = 0;
}

uint64_t Backlog::lowest_needed() const {
  if (!cuts_.empty()) return cuts_.begin()->second->range.first;
  return uncut_.empty() ? UINT64_MAX : uncut_.front().sequence;
}

std::optional<UnixNanos> Backlog::oldest() const {
  if (!cuts_.empty()) return cuts_.begin()->second->oldest;
  if (!uncut_.empty()) return uncut_.front().received_at;
  return std::nullopt;
}

}  // namespace hs::ingest
