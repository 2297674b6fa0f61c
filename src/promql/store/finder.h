#pragma once
// Which series of the store match a selector. Internal to promql/store.
//
// Prometheus' own series are matched by the engine; of OpenTelemetry's the engine is only asked for metrics whose
// Prometheus names match, because names and labels are made here. Every series is checked here again.

#include <map>
#include <set>
#include <span>

#include "model/batch.h"
#include "promql/labels.h"
#include "promql/matcher.h"
#include "promql/store/naming.h"
#include "promql/store/reader.h"

namespace hs::promql::store {

// Of which Prometheus series a series of the store consists. Histograms: bucket, sum, count; summaries: plain (with
// `quantile`), sum, count.
enum Part : uint8_t { part_plain = 1, part_bucket = 2, part_sum = 4, part_count = 8 };

struct Found {
  uint64_t id = 0;
  model::MetricKind kind = model::MetricKind::untyped;
  Temporality temporality = Temporality::cumulative;
  uint64_t resource_id = 0;
  uint8_t parts = part_plain;  // those that are wanted
  std::string name;            // without suffixes of parts
  Labels labels;               // with __name__, unless it has parts (histograms and summaries)
};

// What a selector found.
struct FoundSeries {
  std::vector<Found> all;
  bool plain = false;  // none has parts, no two have the same labels: each is one Prometheus series
};

// A metric as OpenTelemetry describes it, and how it is called here.
struct Descriptor {
  std::string metric, unit, description;
  model::MetricKind kind = model::MetricKind::gauge;
  bool monotonic = false;
  std::string name;  // Prometheus'
};

bool has_parts(model::MetricKind kind);
std::string name_of_part(const std::string& name, Part part);
std::vector<Part> parts_of(model::MetricKind kind);

// A row of `series` (kind, series_id, metric, attrs) that is one of Prometheus' own.
Found own_series(const db::ResultBlock& rows, size_t row);
// Which parts of a metric of this kind have a name that matches.
uint8_t wanted_parts(std::span<const Matcher> matchers, model::MetricKind kind, const std::string& name);

// Do all matchers but those on `except` hold?
bool matches(std::span<const Matcher> matchers, const Labels& labels, std::span<const std::string_view> except = {});
bool matches_name(std::span<const Matcher> matchers, std::string_view name);

class Finder {
 public:
  Finder(const Reader& reader, const Naming& naming) : reader_(reader), naming_(naming) {}

  // OpenTelemetry's metrics in the window.
  Result<std::vector<Descriptor>> descriptors(const Window& window, const InterruptCheck& interrupt) const;
  // Names of the labels that resources give to OpenTelemetry's series.
  Result<std::set<std::string>> resource_labels(const Window& window) const;
  // All series that match; resource_exhausted beyond `series_max` (0: no bound). Matchers on `le` and `quantile` of
  // histograms and summaries are left to whoever reads their points.
  Result<FoundSeries> find(std::span<const Matcher> matchers, const Window& window, size_t series_max,
                           const InterruptCheck& interrupt) const;

 private:
  struct Work;
  Status read_resources(Work& work) const;
  const Reader& reader_;
  const Naming& naming_;
};

}  // namespace hs::promql::store
