#pragma once
// Decides on whole traces what of them is stored: errors, slow, rare ones, and a share of the rest, within budgets.
// What it decides once holds for the trace's later spans as long as it is remembered. Times are those of the requests:
// it has no clock. docs/sampling.md describes it for users.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ingest/incoming.h"
#include "model/batch.h"
#include "sampling/budgets.h"
#include "sampling/operations.h"
#include "sampling/policy.h"

namespace hs::sampling {

class TailSampler final : public ingest::Sampler {
 public:
  static constexpr size_t remembered_max = 500'000;  // decisions, about 80 bytes each; the oldest half goes first
  static constexpr size_t services_per_trace = 16;   // that have budgets; spans of more count for the last
  static constexpr size_t operations_per_trace = 8;  // that can make it rare

  // `salt`: random, so that nobody can choose trace ids that meet in one place of a table.
  TailSampler(Policy policy, uint64_t salt);
  void set_policy(Policy policy) { policy_.store(std::make_shared<const Policy>(std::move(policy))); }  // any thread

  bool holds(const ingest::Incoming& incoming) override;
  int64_t wait_ms() const override;
  uint64_t held_bytes_max() const override { return policy_.load()->held_bytes_max; }
  void observe(const std::vector<ingest::StoredBatch>& cut) override;
  bool crowded() const override { return traces_.size() > policy_.load()->traces_max; }
  ingest::Verdicts decide(const std::vector<ingest::StoredBatch>& cut, bool early) override;

 private:
  struct Key {
    model::TraceId id;
    uint64_t tenant = 0;
    bool operator==(const Key&) const = default;
  };
  struct HashOfKey {
    uint64_t salt = 0;
    size_t operator()(const Key& key) const noexcept;
  };
  enum class Reason : uint8_t { rest, error, slow, rare };
  struct Trace {
    uint64_t randomness = 0, spans = 0;
    bool failed = false, slow = false, listed = false;
    Reason reason = Reason::rest;
    std::vector<std::pair<uint64_t, uint64_t>> operations;  // service, name: of its entry spans
    std::vector<std::pair<uint64_t, uint64_t>> services;    // of Budgets, and how many spans
  };
  struct Outcome {
    uint64_t threshold = 0;
    bool kept = true;
  };
  using Outcomes = std::unordered_map<Key, Outcome, HashOfKey>;
  struct Listed {
    Key key;
    Trace* trace = nullptr;
  };

  void begin(const std::vector<ingest::StoredBatch>& cut);
  void observe_batch(const ingest::StoredBatch& stored);
  void observe_span(const model::Spans& spans, size_t row, uint64_t service, Trace& trace);
  const Outcome* remembered(const Key& key) const;
  std::vector<Listed> list(const std::vector<ingest::StoredBatch>& cut);
  Reason classify(const Trace& trace);
  Outcome settle(const Trace& trace);
  Outcome by_share(uint64_t randomness) const;
  void remember(const Key& key, Outcome outcome);
  uint8_t code_of(const Outcome& outcome, ingest::Verdicts& verdicts) const;

  std::atomic<std::shared_ptr<const Policy>> policy_;
  const HashOfKey hash_;

  // Of the one thread that observes and decides.
  std::shared_ptr<const Policy> now_policy_;
  UnixNanos now_ = 0, refreshed_ = 0;
  std::unordered_map<Key, Trace, HashOfKey> traces_;  // undecided
  Outcomes young_, old_;
  Operations operations_;
  Budgets budgets_;
};

}  // namespace hs::sampling
