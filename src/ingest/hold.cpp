// Held cuts: shown to the sampler as they are made, decided when they have waited long enough or their bound is met.
// The verdicts go to the journal first; the commit thread makes the cut ready for delivery when they are durable.

#include <algorithm>
#include <chrono>

#include "ingest/kept_of.h"
#include "ingest/parts.h"

namespace hs::ingest {
namespace {

constexpr int64_t look_ms = 100;  // decisions may be this late

// Requests of an undecided cut do not change: no lock is needed to read them.
std::vector<StoredBatch> batches_of(const Cut& cut) {
  std::vector<StoredBatch> out;
  out.reserve(cut.requests.size());
  for (const Pending& request : cut.requests)
    out.push_back({request.batch.get(), request.received_at, request.tenant, {}});
  return out;
}

Decided whose(const Cut& cut, Verdicts verdicts) {
  Decided out;
  out.cut = cut.id;
  out.verdicts = std::move(verdicts);
  out.requests.reserve(cut.requests.size());
  for (const Pending& request : cut.requests)
    out.requests.push_back({request.sequence, static_cast<uint32_t>(request.batch->size())});
  return out;
}

}  // namespace

uint64_t Ingest::Parts::held_bytes_max() const {
  return outside.sampler == nullptr ? 0 : std::min(outside.sampler->held_bytes_max(), options.memory_max_bytes / 4);
}

std::shared_ptr<Cut> Ingest::Parts::due_to_observe() {
  const std::lock_guard lock(mutex);
  return backlog.unobserved();
}

std::shared_ptr<Cut> Ingest::Parts::due_to_decide(bool& early) {
  const std::lock_guard lock(mutex);
  const auto cut = backlog.undecided();
  if (!cut) return nullptr;
  const bool ripe = outside.clock.mono() - cut->born >= outside.sampler->wait_ms() * nanos_per_ms;
  early = !ripe && (backlog.undecided_bytes() > held_bytes_max() || outside.sampler->crowded());
  if (!ripe && (!early || !decided.empty())) return nullptr;  // what is on its way to the disk makes room too
  cut->deciding = true;
  return cut;
}

bool Ingest::Parts::hold_once() {
  if (outside.sampler == nullptr) return false;
  if (const auto cut = due_to_observe()) {
    outside.sampler->observe(batches_of(*cut));
    const std::lock_guard lock(mutex);
    cut->observed = true;
    return true;
  }
  bool early = false;
  const auto cut = due_to_decide(early);
  if (!cut) return false;
  std::string payload = encode_decided(whose(*cut, outside.sampler->decide(batches_of(*cut), early)));
  const std::lock_guard lock(mutex);
  decided.push_back({cut->id, std::move(payload)});
  poke_commit();
  return true;
}

void Ingest::Parts::hold_loop() {
  for (;;) {
    {
      const std::lock_guard lock(mutex);
      if (stopping) return;
    }
    if (hold_once()) continue;
    std::unique_lock lock(mutex);
    if (stopping) return;
    hold_wanted.wait_for(lock, std::chrono::milliseconds(look_ms));
  }
}

std::vector<HeldBatch> Ingest::Parts::held(const std::string& tenant) {
  struct Seen {
    Backlog::Held held;
    std::string verdicts;
  };
  std::vector<Seen> seen;
  {
    const std::lock_guard lock(mutex);
    for (Backlog::Held& held : backlog.held(tenant)) {
      std::string verdicts = held.cut ? held.cut->verdicts : "";
      seen.push_back({std::move(held), std::move(verdicts)});
    }
  }
  std::vector<HeldBatch> out;
  for (Seen& s : seen) {
    HeldBatch& held = out.emplace_back(HeldBatch{std::move(s.held.batch), s.held.received_at, {}, {}});
    const auto kept = KeptOf::of(s.verdicts);
    if (!kept) continue;
    const model::Kept of = kept->of(s.held.sequence, *held.batch);
    held.codes.assign(of.codes.begin(), of.codes.end());
    held.thresholds.assign(of.thresholds.begin(), of.thresholds.end());
  }
  return out;
}

}  // namespace hs::ingest
