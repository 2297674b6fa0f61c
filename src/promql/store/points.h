#pragma once
// Rows of the store become points of Prometheus' series. Internal to promql/store.

#include <map>
#include <unordered_map>
#include <vector>

#include "promql/store/finder.h"

namespace hs::promql::store {

// Collects the points of a selection: rows come in any order, a series may come from several series of the store, and
// an instant may have been sent twice (then the later writing stands).
class Gathering {
 public:
  // Bounds as of promql::Select; 0: none.
  explicit Gathering(size_t samples_max) : samples_max_(samples_max) {}

  // The index of the series with these labels.
  uint32_t series_of(Labels labels, Temporality temporality);
  Status add(uint32_t series, int64_t t_ms, double v, uint64_t cut);
  Status add(uint32_t series, int64_t t_ms, std::shared_ptr<Histogram> h, uint64_t cut);
  // Sorted and without doubles; series without points are left out.
  std::vector<Series> take();

 private:
  struct Row {
    int64_t t_ms;
    double v;
    uint64_t cut;
  };
  struct HistogramRow {
    int64_t t_ms;
    std::shared_ptr<Histogram> h;
    uint64_t cut;
  };
  struct Collected {
    Temporality temporality;
    std::vector<Row> floats;
    std::vector<HistogramRow> histograms;
  };
  Status count(size_t samples);
  static Series finished(const Labels& labels, Collected& collected);

  size_t samples_max_, samples_ = 0;
  std::unordered_map<Labels, uint32_t, LabelsHash> by_labels_;
  std::vector<Collected> collected_;
};

// A selection beyond Select::max_samples.
tl::unexpected<Error> too_many_samples();

// Reads the points of `found` into a gathering. `matchers` decide about `le` and `quantile`.
class PointReader {
 public:
  PointReader(const Reader& reader, std::span<const Matcher> matchers, const InterruptCheck& interrupt)
      : reader_(reader), matchers_(matchers), interrupt_(interrupt) {}
  Status read(std::span<const Found* const> found, const Window& window, Gathering& into);

 private:
  // A series of the store, and the series that its points go to.
  struct Target {
    const Found* found = nullptr;
    int64_t plain = -1;                  // not wanted
    std::map<Part, int64_t> parts;       // _sum and _count
    std::map<double, int64_t> by_bound;  // `le` or `quantile`; -1: does not match
  };
  Target make_target(const Found& one, Gathering& into) const;
  int64_t bound_of(Target& target, double bound, Gathering& into) const;
  Status read_samples(const Sql& sql, Gathering& into);
  Status read_distributions(const Sql& sql, Gathering& into);
  Status take_distribution(const db::ResultBlock& block, size_t row, Gathering& into);
  Status take_classic(Target& target, const db::ResultBlock& block, size_t row, Gathering& into);
  Status take_summary(Target& target, const db::ResultBlock& block, size_t row, Gathering& into);
  Status take_totals(Target& target, const db::ResultBlock& block, size_t row, Gathering& into);
  Status take_stale(Target& target, int64_t t_ms, uint64_t cut, Gathering& into) const;

  const Reader& reader_;
  std::span<const Matcher> matchers_;
  const InterruptCheck& interrupt_;
  std::unordered_map<uint64_t, Target> targets_;
};

// A row of `distributions` as a native histogram. Nothing when its resolution is coarser than Prometheus knows.
// `prometheus`: it was sent as one.
std::shared_ptr<Histogram> native_histogram(const db::ResultBlock& block, size_t row, bool prometheus);

}  // namespace hs::promql::store
