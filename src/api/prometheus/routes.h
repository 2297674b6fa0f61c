#pragma once
// Prometheus' HTTP API: what Grafana's data source, promtool and alerting tools ask.
// https://prometheus.io/docs/prometheus/latest/querying/api/

#include <functional>
#include <string_view>

#include "base/http_message.h"
#include "base/worker_pool.h"
#include "io/clock.h"
#include "promql/engine.h"
#include "promql/store/naming.h"
#include "promql/store/packed_index.h"
#include "promql/store/recent.h"
#include "promql/store/series_cache.h"
#include "rules/group.h"
#include "scrape/scraper.h"
#include "store/client.h"

namespace hs::api::prometheus {

// What may change while the server runs; asked at each request.
struct ReadOptions {
  promql::Features features;
  promql::Limits limits;
  std::shared_ptr<promql::Budget> budget;  // of all queries; none: no bound
  promql::store::Naming naming;
  int64_t lookback_ms = 300'000;
  int64_t timeout_ms = 120'000;  // of a query, waiting for a thread included
  size_t tenant_queries = 32;    // of one tenant that run or wait at once
  int64_t retention_ms = 0;      // told by status/runtimeinfo; 0: none
  UnixNanos started = 0;         // when this process was
  std::string version;           // of Homeostat
};

// Of the names of features, separated by commas; unknown ones are left out.
promql::Features features_of(std::string_view names);

struct ReadOutside {
  store::Client& client;
  io::Clock& clock;
  WorkerPool& pool;                      // queries block
  std::function<ReadOptions()> options;  // thread-safe
  // Blocks until everything acknowledged before is in the store, or gives up soon: a reader sees what was written.
  std::function<void()> refresh;
  promql::store::SeriesCache* series = nullptr;        // which series selectors found; nullptr: that is not remembered
  const promql::store::Recent* recent = nullptr;       // the newest samples in memory, if any
  const promql::store::PackedIndex* packed = nullptr;  // which slots are packed, if any
  std::function<bool()> ready;                         // for /-/ready
  // A tenant's groups of rules, by file and name, and where alerts go; empty: none. Thread-safe.
  std::function<std::vector<rules::GroupViewPtr>(const std::string& tenant)> rules = {};
  std::function<std::vector<std::string>()> alertmanagers = {};
  std::function<scrape::Report()> targets = {};  // empty: none
};

// All below /api/v1 and /-/, bare and with the prefix /prometheus. Must not outlive what `outside` refers to.
http::Routes read_routes(ReadOutside outside);

}  // namespace hs::api::prometheus
