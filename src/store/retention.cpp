#include "store/retention.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"
#include "store/block.h"

namespace hs::store {
namespace {

constexpr std::string_view derived_table =
    "packed_samples";  // of samples, distributions: goes after them, never before
enum class Kind : uint8_t { traces, logs, metrics, description };
constexpr std::array<std::pair<std::string_view, Kind>, 13> kinds = {{{"spans", Kind::traces},
                                                                      {"trace_parts", Kind::traces},
                                                                      {"logs", Kind::logs},
                                                                      {"samples", Kind::metrics},
                                                                      {"distributions", Kind::metrics},
                                                                      {"exemplars", Kind::metrics},
                                                                      {"series", Kind::metrics},
                                                                      {derived_table, Kind::metrics},
                                                                      {"packed_slots", Kind::description},
                                                                      {"metric_families", Kind::description},
                                                                      {"resources", Kind::description},
                                                                      {"scopes", Kind::description},
                                                                      {"facets", Kind::description}}};
constexpr int no_such_part = 232;  // ClickHouse: NO_SUCH_DATA_PART

metrics::Gauge bytes_gauge("homeostat_store_bytes", "Size of the store on disk.");
metrics::Counter dropped_counter("homeostat_store_drops_total", "Partitions and parts dropped by retention.");

const Kind* kind_of(std::string_view table) {
  for (const auto& [name, kind] : kinds) {
    if (name == table) return &kind;
  }
  return nullptr;  // not ours: left alone
}

int64_t max_age_ms(const RetentionPolicy& policy, Kind kind) {
  const int64_t own = kind == Kind::traces    ? policy.traces_max_age_ms
                      : kind == Kind::logs    ? policy.logs_max_age_ms
                      : kind == Kind::metrics ? policy.metrics_max_age_ms
                                              : 0;
  return own > 0 ? own : policy.max_age_ms;
}

bool is_too_old(const RetentionPolicy& policy, Kind kind, int64_t partition, UnixNanos now) {
  const int64_t age_ms = max_age_ms(policy, kind);
  return age_ms > 0 && (partition + partition_s) * 1000 <= now / nanos_per_ms - age_ms;
}

using Parts = std::vector<const StoredPart*>;

// Parts that stay after age, of facts; and what goes.
Parts drop_old(const Parts& facts, const RetentionPolicy& policy, UnixNanos now, std::vector<Drop>& drops) {
  Parts kept;
  std::set<std::pair<std::string_view, int64_t>> dropped;
  for (const StoredPart* part : facts) {
    if (!is_too_old(policy, *kind_of(part->table), part->partition, now)) {
      kept.push_back(part);
    } else if (dropped.emplace(part->table, part->partition).second) {
      drops.push_back({part->table, part->partition, "", true});
    }
  }
  return kept;
}

// The last part written of each table stays.
bool is_last(const StoredPart& part, const std::map<std::string_view, const StoredPart*>& last) {
  return last.at(part.table) == &part;
}

// Oldest first until the rest fits; `bytes` is the size of everything that is still there.
Parts drop_excess(Parts facts, uint64_t bytes, uint64_t max_bytes, std::vector<Drop>& drops) {
  std::sort(facts.begin(), facts.end(), [](const StoredPart* a, const StoredPart* b) {
    const bool a_is = a->table == derived_table, b_is = b->table == derived_table;
    return std::tie(a->partition, a_is, a->first_block, a->table) <
           std::tie(b->partition, b_is, b->first_block, b->table);
  });
  std::map<std::string_view, const StoredPart*> last;
  std::map<std::pair<std::string_view, int64_t>, size_t> left;  // parts of a partition
  for (const StoredPart* part : facts) {
    last[part->table] = part;
    ++left[{part->table, part->partition}];
  }
  Parts kept;
  std::vector<Drop> parts;
  for (const StoredPart* part : facts) {
    if (bytes <= max_bytes || is_last(*part, last)) {
      kept.push_back(part);
      continue;
    }
    bytes -= part->bytes;
    --left[{part->table, part->partition}];
    parts.push_back({part->table, part->partition, part->name, false});
  }
  std::set<std::pair<std::string_view, int64_t>> whole;
  for (Drop& drop : parts) {
    if (left[{drop.table, drop.partition}] > 0) {
      drops.push_back(std::move(drop));
    } else if (whole.emplace(drop.table, drop.partition).second) {
      drops.push_back({drop.table, drop.partition, "", false});
    }
  }
  return kept;
}

Result<std::vector<StoredPart>> list_parts(Client& client) {
  HS_ASSIGN(
      const auto blocks,
      client.collect({.sql = "SELECT table, partition_id, name, min_block_number, bytes_on_disk FROM system.parts "
                             "WHERE database = currentDatabase() AND active"},
                     1'000'000));
  std::vector<StoredPart> parts;
  for (const ResultBlock& block : blocks) {
    for (size_t r = 0; r < block.rows; ++r) {
      StoredPart part{std::string(block.columns[0].text(r)), 0, std::string(block.columns[2].text(r)),
                      block.columns[3].u64(r), block.columns[4].u64(r)};
      const std::string_view id = block.columns[1].text(r);
      const auto parsed = std::from_chars(id.data(), id.data() + id.size(), part.partition);
      if (parsed.ec == std::errc() && parsed.ptr == id.data() + id.size()) parts.push_back(std::move(part));
    }
  }
  return parts;
}

// Names of partitions and parts cannot be bound as parameters. They come from the engine's own list, and are digits.
Status execute(Client& client, const Drop& drop) {
  const bool plain =
      std::all_of(drop.part.begin(), drop.part.end(), [](char c) { return (c >= '0' && c <= '9') || c == '_'; });
  if (!plain || kind_of(drop.table) == nullptr) return fail(Code::internal, "a part has a strange name: " + drop.part);
  const std::string sql = drop.part.empty()
                              ? fmt::format("ALTER TABLE {} DROP PARTITION ID '{}'", drop.table, drop.partition)
                              : fmt::format("ALTER TABLE {} DROP PART '{}'", drop.table, drop.part);
  return client.execute({.sql = sql, .timeout_ms = 60'000});
}

bool is_gone(const Status& status) {
  return !status && status.error().message.find(fmt::format("Code: {}.", no_such_part)) != std::string::npos;
}

}  // namespace

std::vector<Drop> plan_drops(std::span<const StoredPart> parts, const RetentionPolicy& policy, UnixNanos now) {
  Parts facts, descriptions;
  uint64_t bytes = 0;
  for (const StoredPart& part : parts) {
    const Kind* kind = kind_of(part.table);
    if (kind == nullptr) continue;
    (*kind == Kind::description ? descriptions : facts).push_back(&part);
    bytes += part.bytes;
  }
  std::vector<Drop> drops;
  Parts kept = drop_old(facts, policy, now, drops);
  for (const StoredPart* part : facts) bytes -= part->bytes;
  for (const StoredPart* part : kept) bytes += part->bytes;
  if (policy.max_bytes > 0) kept = drop_excess(std::move(kept), bytes, policy.max_bytes, drops);

  std::set<int64_t> described;
  for (const StoredPart* part : kept) described.insert(part->partition);
  std::set<std::pair<std::string_view, int64_t>> dropped;
  for (const StoredPart* part : descriptions) {
    // A partition may be described a moment before its facts arrive: young ones stay.
    const bool young = part->partition + 2 * partition_s > now / nanos_per_s;
    if (young || described.contains(part->partition) || drops.empty()) continue;
    if (dropped.emplace(part->table, part->partition).second) drops.push_back({part->table, part->partition, "", true});
  }
  return drops;
}

Result<RetentionReport> apply_retention(Client& client, const RetentionPolicy& policy, UnixNanos now) {
  HS_ASSIGN(const std::vector<StoredPart> parts, list_parts(client));
  RetentionReport report;
  for (const StoredPart& part : parts) report.bytes += part.bytes;
  bytes_gauge.set(static_cast<int64_t>(report.bytes));
  for (const Drop& drop : plan_drops(parts, policy, now)) {
    const Status done = execute(client, drop);
    if (is_gone(done)) continue;
    HS_TRY(done);
    ++report.dropped;
    dropped_counter.add();
    log::info("retention dropped data", {{"table", drop.table},
                                         {"from", format_rfc3339(drop.partition * nanos_per_s)},
                                         {"part", drop.part},
                                         {"why", drop.for_age ? "age" : "size"}});
  }
  return report;
}

RetentionKeeper::RetentionKeeper(Client& client, io::Clock& clock, RetentionPolicy policy, int64_t period_ms)
    : client_(client),
      clock_(clock),
      period_ms_(period_ms),
      policy_(policy),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

RetentionKeeper::~RetentionKeeper() = default;

void RetentionKeeper::set_policy(const RetentionPolicy& policy) {
  const std::lock_guard lock(mutex_);
  changed_ = changed_ || !(policy == policy_);
  policy_ = policy;
  wake_.notify_all();
}

void RetentionKeeper::run(const std::stop_token& stop) {
  Client client = client_.until(stop);
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    changed_ = false;
    const RetentionPolicy policy = policy_;
    lock.unlock();
    const auto report = apply_retention(client, policy, clock_.wall());
    if (!report && report.error().code != Code::unavailable) {
      log::warn("retention could not be applied", {{"why", report.error().message}});
    }
    lock.lock();
    wake_.wait_for(lock, stop, std::chrono::milliseconds(period_ms_), [&] { return changed_; });
  }
}

}  // namespace hs::store
