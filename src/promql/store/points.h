#pragma once
// Rows of the store become points of Prometheus' series. Internal to promql/store.

#include <map>
#include <unordered_map>
#include <vector>

#include "promql/store/finder.h"
#include "promql/store/native.h"

namespace hs::promql::store {

// Collects the points of a selection: rows come in any order, a series may come from several series of the store, and
// an instant may have been sent twice (then the later writing stands).
class Gathering {
 public:
  // `samples`: what the selection has already.
  explicit Gathering(const Select& select, size_t samples = 0) : select_(select), samples_(samples) {}

  // The index of the series with these labels.
  uint32_t series_of(Labels labels, Temporality temporality);
  struct At {
    int64_t t_ms = 0;
    uint64_t cut = 0;
    int64_t start_ms = 0;  // 0: not known
  };
  Status add(uint32_t series, const At& at, double v);
  Status add(uint32_t series, const At& at, std::shared_ptr<Histogram> h);
  // Sorted and without doubles; series without points are left out.
  std::vector<Series> take();

 private:
  struct Row : At {
    double v = 0;
  };
  struct HistogramRow : At {
    std::shared_ptr<Histogram> h;
  };
  struct Collected {
    Temporality temporality;
    std::vector<Row> floats;
    std::vector<HistogramRow> histograms;
    bool starts = false;  // some point's is known
  };
  Status count(size_t samples);
  static Series finished(const Labels& labels, Collected& collected);

  const Select& select_;
  size_t samples_;
  std::unordered_map<Labels, uint32_t, LabelsHash> by_labels_;
  std::vector<Collected> collected_;
};

// What a histogram counts for, in samples of 16 bytes.
size_t samples_of(const Histogram& h);

// May a selection hold so many samples? An error when it is too many for its query, or for all queries together.
Status bounded(const Select& select, size_t samples);

// Reads the points of `found` into a gathering. `matchers` decide about `le` and `quantile`.
class PointReader {
 public:
  // `starts`: read when what the points count began, too.
  PointReader(const Reader& reader, std::span<const Matcher> matchers, const InterruptCheck& interrupt, bool starts)
      : reader_(reader), matchers_(matchers), interrupt_(interrupt), starts_(starts) {}
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
  Status take_distribution(const db::ResultBlock& block, const NativeColumns& natives, size_t row, Gathering& into);
  Status take_classic(Target& target, const db::ResultBlock& block, size_t row, Gathering& into);
  Status take_summary(Target& target, const db::ResultBlock& block, size_t row, Gathering& into);
  Status take_totals(Target& target, const db::ResultBlock& block, size_t row, Gathering& into);
  Status take_stale(Target& target, const Gathering::At& at, Gathering& into) const;
  Gathering::At at_of(const db::ResultBlock& block, size_t row) const;

  const Reader& reader_;
  std::span<const Matcher> matchers_;
  const InterruptCheck& interrupt_;
  const bool starts_;
  std::unordered_map<uint64_t, Target> targets_;
};

}  // namespace hs::promql::store
