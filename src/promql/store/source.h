#pragma once
// The store as Prometheus sees it: promql::Source over store::Client, and what the metadata endpoints ask for.
//
// Prometheus' own series (remote write) are what was sent. OpenTelemetry's are translated: names by Naming; attributes
// of a point are labels; job, instance and a few attributes of the resource are labels too, the others are in
// target_info; histograms are _bucket, _sum and _count, exponential ones native histograms, summaries quantiles.

#include <map>
#include <set>

#include "promql/store/packed_index.h"
#include "promql/store/recent.h"
#include "promql/store/series_cache.h"

namespace hs::promql::store {

struct SourceOptions {
  std::string tenant;
  Naming naming;
  int64_t timeout_ms = 20'000;          // of one question to the engine
  std::stop_token cancel = {};          // ends it there too
  SeriesCache* cache = nullptr;         // shared by all sources of a store; nullptr: none, as others write to it too
  const Recent* recent = nullptr;       // the newest samples in memory; nullptr: all are read from the engine
  const PackedIndex* packed = nullptr;  // which slots are packed; nullptr: none
};

struct FamilyInfo {
  std::string type, help, unit;
  auto operator<=>(const FamilyInfo&) const = default;
};

struct NamedCount {
  std::string name;
  uint64_t count = 0;
};

// How many series there are, and what makes them many; the largest first.
struct Cardinality {
  uint64_t series = 0, label_pairs = 0;
  std::vector<NamedCount> by_metric, values_by_label, bytes_by_label, by_pair;
};

// An exemplar and whose it is.
struct ExemplarsOf {
  Labels series;
  struct One {
    Labels labels;
    double value = 0;
    int64_t t_ms = 0;
  };
  std::vector<One> exemplars;  // by time
};

// Thread-safe; calls block. `client` outlives it.
class StoreSource final : public Source {
 public:
  StoreSource(db::Client& client, SourceOptions options);

  Result<Selection> select(const Select& select) const override;

  // Label sets of series that may have points in the window: descriptions are kept by six hours.
  Result<std::set<Labels>> series(std::span<const std::vector<Matcher>> sets, const Window& window,
                                  size_t series_max) const;
  // Names of labels, and values of one. Without `sets`, of all series, cheaply.
  Result<std::set<std::string>> label_names(std::span<const std::vector<Matcher>> sets, const Window& window,
                                            size_t series_max) const;
  Result<std::set<std::string>> label_values(const std::string& name, std::span<const std::vector<Matcher>> sets,
                                             const Window& window, size_t series_max) const;
  // By metric name: what senders said of it (several may differ).
  Result<std::map<std::string, std::set<FamilyInfo>>> metadata(const Window& window) const;
  Result<std::vector<ExemplarsOf>> exemplars(std::span<const std::vector<Matcher>> sets, const Window& window) const;

  // Of the store's own series: a histogram counts once. Metrics and labels have the names they were sent with.
  Result<Cardinality> cardinality(const Window& window, size_t limit) const;

  const Reader& reader() const { return reader_; }
  const Naming& naming() const { return options_.naming; }

 private:
  Result<SeriesCache::Entry> find(std::span<const Matcher> matchers, const Window& window, size_t series_max,
                                  const InterruptCheck& interrupt) const;
  Result<std::set<std::string>> all_names(const Window& window) const;
  SourceOptions options_;
  Reader reader_;
  Finder finder_;
};

}  // namespace hs::promql::store
