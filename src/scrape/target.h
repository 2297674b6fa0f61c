#pragma once
// What is scraped: a job as it is configured, made ready, and its targets.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/scrape.h"
#include "io/http.h"
#include "scrape/memory.h"
#include "scrape/relabel.h"

namespace hs::scrape {

// Who asks over TLS, with these authorities and certificates.
using MakeHttps = std::function<std::shared_ptr<io::Http>(const config::TlsConfig&)>;

// Immutable.
struct Job {
  config::ScrapeJob config;  // interval_ms and timeout_ms are set
  Relabeler relabel, metric_relabel;
  std::shared_ptr<io::Http> https;  // for targets of this scheme
  static Result<std::shared_ptr<const Job>> make(config::ScrapeJob config, int64_t interval_ms, int64_t timeout_ms,
                                                 const MakeHttps& make_https = {});
};

enum class Health : uint8_t { unknown, up, down };

struct Metadata {
  std::string type, help, unit;
  bool operator==(const Metadata&) const = default;
};

// How the last scrape went.
struct TargetState {
  Health health = Health::unknown;
  std::string error;
  UnixNanos last_scrape = 0;  // 0: none yet
  int64_t duration_ns = 0;
  std::shared_ptr<const std::map<std::string, Metadata>> metadata;
};

// Who it is never changes; `state` belongs to the scraper's lock, `memory` to whoever scrapes it.
struct Target {
  std::shared_ptr<const Job> job;
  config::LabelMap discovered;  // before relabelling
  config::LabelMap labels;      // of its series, with instance and job
  std::string url;
  io::Endpoint endpoint;
  bool tls = false;
  std::string path;  // with the query, as it goes on the wire
  int64_t interval_ms = 0, timeout_ms = 0;
  uint64_t hash = 0;    // of labels and URL: where in the interval its scrapes are
  std::string problem;  // every scrape fails with this (target_limit)

  TargetState state;
  bool retired = false, running = false;
  SeriesMemory memory;

  std::string key() const;  // the same target in a new configuration
};

struct DroppedTarget {
  std::string job;
  config::LabelMap discovered;
};

struct Made {
  std::vector<std::shared_ptr<Target>> targets;  // without doubles
  std::vector<DroppedTarget> dropped;
  uint64_t dropped_count = 0;
  std::vector<std::string> problems;  // targets that cannot be: an address that is none
};
// The targets of `groups`, relabelled.
Made make_targets(const std::shared_ptr<const Job>& job, const std::vector<config::TargetGroup>& groups);

}  // namespace hs::scrape
