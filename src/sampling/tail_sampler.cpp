#include "sampling/tail_sampler.h"

#include <algorithm>
#include <array>

#include "base/hash.h"
#include "base/metrics.h"

namespace hs::sampling {
namespace {

using ingest::StoredBatch;
using model::Kept;

constexpr uint8_t kind_server = 2, kind_consumer = 5, status_error = 2;
constexpr int64_t refresh_ns = 10 * nanos_per_s;  // of the quantiles; a look at every bucket of every operation
constexpr int64_t hour_ns = 3600 * nanos_per_s;

constexpr std::string_view traces_name = "homeostat_tail_sampling_traces_total";
constexpr std::string_view traces_help = "Traces that tail sampling decided on, and why.";
constexpr std::string_view spans_name = "homeostat_tail_sampling_spans_total";
constexpr std::string_view spans_help = "Spans of these traces, as far as they had come when it was decided.";

struct Pair {
  metrics::Counter traces, spans;
  explicit Pair(std::string_view labels)
      : traces(traces_name, traces_help, labels), spans(spans_name, spans_help, labels) {}
  void add(uint64_t n) { traces.add(), spans.add(n); }
};

struct Metrics {
  std::array<Pair, 4> kept{Pair(R"(decision="kept",reason="share")"), Pair(R"(decision="kept",reason="error")"),
                           Pair(R"(decision="kept",reason="slow")"), Pair(R"(decision="kept",reason="rare")")};
  Pair dropped_share{R"(decision="dropped",reason="share")"}, dropped_budget{R"(decision="dropped",reason="budget")"};
  metrics::Counter late_kept{"homeostat_tail_sampling_late_spans_total",
                             "Spans that came after the decision on their trace, and followed it.",
                             R"(decision="kept")"};
  metrics::Counter late_dropped{"homeostat_tail_sampling_late_spans_total",
                                "Spans that came after the decision on their trace, and followed it.",
                                R"(decision="dropped")"};
  metrics::Counter early{"homeostat_tail_sampling_early_decisions_total",
                         "Traces that were decided before their time because the buffer met its bound."};
  metrics::Gauge waiting{"homeostat_tail_sampling_waiting_traces", "Traces that wait for their decision."};
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

bool is_entry(const model::Spans& spans, size_t row) {
  return spans.kind[row] == kind_server || spans.kind[row] == kind_consumer || spans.parent_id[row] == 0;
}

// Adds to the pair of this first, or to the last when there is no room for another.
void add_to(std::vector<std::pair<uint64_t, uint64_t>>& pairs, uint64_t first, uint64_t n, size_t pairs_max) {
  for (auto& [known, count] : pairs)
    if (known == first) {
      count += n;
      return;
    }
  if (pairs.size() < pairs_max)
    pairs.emplace_back(first, n);
  else
    pairs.back().second += n;
}

}  // namespace

size_t TailSampler::HashOfKey::operator()(const Key& key) const noexcept {
  return hash64({reinterpret_cast<const char*>(key.id.data()), key.id.size()}, key.tenant ^ salt);
}

TailSampler::TailSampler(Policy policy, uint64_t salt)
    : policy_(std::make_shared<const Policy>(std::move(policy))),
      hash_{salt},
      now_policy_(policy_.load()),
      traces_(0, hash_),
      young_(0, hash_),
      old_(0, hash_) {}

bool TailSampler::holds(const ingest::Incoming& incoming) {
  return incoming.signal == model::Signal::traces && policy_.load()->enabled;
}

int64_t TailSampler::wait_ms() const {
  const auto policy = policy_.load();
  return policy->enabled ? policy->wait_ms : 0;
}

void TailSampler::begin(const std::vector<StoredBatch>& cut) {
  now_policy_ = policy_.load();
  budgets_.set(*now_policy_);
  for (const StoredBatch& stored : cut) now_ = std::max(now_, stored.received_at);
}

void TailSampler::observe(const std::vector<StoredBatch>& cut) {
  begin(cut);
  if (now_ - refreshed_ >= refresh_ns) {
    if (now_ / hour_ns != refreshed_ / hour_ns) operations_.forget_idle(now_);
    operations_.refresh(now_policy_->slow_quantile);
    refreshed_ = now_;
  }
  for (const StoredBatch& stored : cut) observe_batch(stored);
  counters().waiting.set(static_cast<int64_t>(traces_.size()));
}

void TailSampler::observe_batch(const StoredBatch& stored) {
  const model::Batch& batch = *stored.batch;
  const model::Spans& spans = batch.spans;
  const uint64_t tenant = hash64(stored.tenant);
  struct Service {
    uint64_t name = 0, budget = 0;
  };
  std::vector<Service> services;
  for (const model::Resource& resource : batch.resources)
    services.push_back(
        {hash64(resource.service, tenant), budgets_.any() ? budgets_.id_of(stored.tenant, resource.service) : 0});
  for (size_t row = 0; row < spans.size(); ++row) {
    const Service& service = services[spans.resource[row]];
    const Key key{spans.trace_id[row], tenant};
    auto found = traces_.find(key);
    if (found == traces_.end()) {
      if (const Outcome* outcome = remembered(key)) {
        (outcome->kept ? counters().late_kept : counters().late_dropped).add();
        if (outcome->kept && budgets_.any()) budgets_.charge(service.budget, 1);
        continue;
      }
      found = traces_.try_emplace(key).first;
      found->second.randomness =
          model::stated_randomness(spans.trace_state[row]).value_or(model::random_bits(spans.trace_id[row]));
    }
    observe_span(spans, row, service.name, found->second);
    if (budgets_.any()) add_to(found->second.services, service.budget, 1, services_per_trace);
  }
}

void TailSampler::observe_span(const model::Spans& spans, size_t row, uint64_t service, Trace& trace) {
  ++trace.spans;
  trace.failed |= spans.status[row] == status_error;
  if (!is_entry(spans, row)) return;
  const uint64_t duration = spans.duration_ns[row], name = hash64(spans.name[row]);
  const Policy& policy = *now_policy_;
  trace.slow |= policy.slow_ms > 0 && duration >= static_cast<uint64_t>(policy.slow_ms) * nanos_per_ms;
  if (trace.operations.size() < operations_per_trace) trace.operations.emplace_back(service, name);
  if (policy.slow_quantile <= 0) return;
  Operations::Operation* operation = operations_.find(service, name, now_);
  if (operation == nullptr) return;
  trace.slow |= duration > operation->slower_than;
  operation->durations.add(duration);
}

const TailSampler::Outcome* TailSampler::remembered(const Key& key) const {
  const auto young = young_.find(key);
  if (young != young_.end()) return &young->second;
  const auto old = old_.find(key);
  return old == old_.end() ? nullptr : &old->second;
}

TailSampler::Outcome TailSampler::by_share(uint64_t randomness) const {
  if (!now_policy_->enabled) return {};
  const uint64_t threshold = model::threshold_for(now_policy_->share);
  return {threshold, now_policy_->share > 0 && randomness >= threshold};
}

void TailSampler::remember(const Key& key, Outcome outcome) {
  if (young_.size() >= remembered_max / 2) {
    old_ = std::move(young_);
    young_ = Outcomes(0, hash_);
  }
  young_[key] = outcome;
}

std::vector<TailSampler::Listed> TailSampler::list(const std::vector<StoredBatch>& cut) {
  std::vector<Listed> listed;
  for (const StoredBatch& stored : cut) {
    const uint64_t tenant = hash64(stored.tenant);
    for (const model::TraceId& id : stored.batch->spans.trace_id) {
      const auto found = traces_.find(Key{id, tenant});
      if (found == traces_.end() || found->second.listed) continue;
      found->second.listed = true;
      listed.push_back({found->first, &found->second});
    }
  }
  return listed;
}

TailSampler::Reason TailSampler::classify(const Trace& trace) {
  const Policy& policy = *now_policy_;
  bool rare = false;
  for (const auto& [service, name] : trace.operations) {
    if (policy.rare_per_hour == 0) break;
    Operations::Operation* operation = operations_.find(service, name, now_);
    if (operation == nullptr) continue;
    if (now_ - operation->hour >= hour_ns) operation->hour = now_, operation->traces = 0;
    rare |= operation->traces < policy.rare_per_hour;
    ++operation->traces;
  }
  if (policy.errors && trace.failed) return Reason::error;
  if (trace.slow) return Reason::slow;
  return rare ? Reason::rare : Reason::rest;
}

TailSampler::Outcome TailSampler::settle(const Trace& trace) {
  if (!now_policy_->enabled) return {};
  const bool wanted = trace.reason != Reason::rest;
  const double share = wanted ? 1 : now_policy_->share;
  double probability = share;
  for (const auto& [id, spans] : trace.services) probability = std::min(probability, budgets_.probability(id, wanted));
  const uint64_t threshold = model::threshold_for(probability);
  // A share of nothing is nothing; a budget that is spent still lets one in many thousands pass, with its weight.
  const bool kept = share > 0 && trace.randomness >= threshold;
  if (kept)
    for (const auto& [id, spans] : trace.services) budgets_.charge(id, spans);
  if (kept)
    counters().kept[static_cast<size_t>(trace.reason)].add(trace.spans);
  else
    (share > 0 && trace.randomness >= model::threshold_for(share) ? counters().dropped_budget
                                                                  : counters().dropped_share)
        .add(trace.spans);
  return {threshold, kept};
}

uint8_t TailSampler::code_of(const Outcome& outcome, ingest::Verdicts& verdicts) const {
  if (!outcome.kept) return Kept::dropped;
  if (outcome.threshold == 0) return Kept::whole;
  const auto found = std::find(verdicts.thresholds.begin(), verdicts.thresholds.end(), outcome.threshold);
  const auto index = static_cast<size_t>(found - verdicts.thresholds.begin());
  constexpr size_t room = UINT8_MAX - Kept::first_threshold;  // budgets go by steps: there are never as many
  if (found == verdicts.thresholds.end() && index >= room) return Kept::whole;
  if (found == verdicts.thresholds.end()) verdicts.thresholds.push_back(outcome.threshold);
  return static_cast<uint8_t>(Kept::first_threshold + index);
}

ingest::Verdicts TailSampler::decide(const std::vector<StoredBatch>& cut, bool early) {
  begin(cut);
  const std::vector<Listed> listed = list(cut);
  budgets_.begin(now_);
  for (const Listed& l : listed) {
    l.trace->reason = classify(*l.trace);
    for (const auto& [id, spans] : l.trace->services) budgets_.offer(id, l.trace->reason != Reason::rest, spans);
  }
  budgets_.plan(now_policy_->share);
  for (const Listed& l : listed) {
    remember(l.key, settle(*l.trace));
    traces_.erase(l.key);
  }
  if (early) counters().early.add(listed.size());
  ingest::Verdicts verdicts;
  for (const StoredBatch& stored : cut) {
    const uint64_t tenant = hash64(stored.tenant);
    for (const model::TraceId& id : stored.batch->spans.trace_id) {
      const Outcome* outcome = remembered({id, tenant});
      // Forgotten already: it goes with the share, whatever it was.
      verdicts.codes.push_back(code_of(outcome != nullptr ? *outcome : by_share(model::random_bits(id)), verdicts));
    }
  }
  counters().waiting.set(static_cast<int64_t>(traces_.size()));
  return verdicts;
}

}  // namespace hs::sampling
