#pragma once
// The rules of `serve`: the configuration's files, evaluated over the store, results through the journal.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/prometheus/own_samples.h"
#include "api/prometheus/routes.h"
#include "config/config.h"
#include "notify/notifier.h"
#include "promql/store/source.h"
#include "rules/manager.h"
#include "stream/frame.h"

namespace hs::app {

class Ruler {
 public:
  struct Outside {
    store::Client& client;
    io::Clock& clock;
    io::Http& http;  // for whoever is told of alerts
    api::prometheus::OwnSamples samples;
    std::function<api::prometheus::ReadOptions()> options;  // of PromQL queries
    std::function<void()> refresh;
    promql::store::SeriesCache* series = nullptr;        // which series selectors found, if that is remembered
    const promql::store::Recent* recent = nullptr;       // the newest samples in memory, if any
    const promql::store::PackedIndex* packed = nullptr;  // which slots are packed, if any
    std::function<bool()> ready;
    std::string configuration;   // its file, "" when there is none: relative names of rule files start there
    std::string data_directory;  // of this: <data>/rules
  };

  // Nothing is evaluated before the first apply().
  explicit Ruler(Outside outside);
  ~Ruler();

  struct Prepared {
    rules::ManagerSettings rules;
    notify::Settings notify;
  };
  // The rules of a configuration, read and checked; an error names everything that is wrong.
  Result<Prepared> prepare(const config::Snapshot& config) const;
  void apply(const config::Snapshot& config, Prepared prepared);

  // Thread-safe, as the rest below.
  std::vector<rules::GroupViewPtr> views(const std::string& tenant) const;
  // The alerts that fire and name a service, the oldest first, into the loop's frame.
  void fill(stream::Frame& frame) const;
  std::vector<std::string> alertmanagers() const { return notifier_.alertmanagers(); }
  void metrics(std::vector<metrics::Sample>& out) const;

 private:
  Status write(const std::vector<promql::Sample>& samples) const;

  Outside outside_;
  std::string tenant_;
  notify::Notifier notifier_;
  std::unique_ptr<rules::Manager> manager_;
};

}  // namespace hs::app
