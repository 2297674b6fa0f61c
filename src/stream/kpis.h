#pragma once
// Points of the KPIs that a team declared, from spans, logs and metrics.

#include <cstdint>
#include <map>
#include <vector>

#include "base/flat_table.h"
#include "config/declarations.h"
#include "model/batch.h"
#include "stream/facts.h"
#include "stream/frame.h"

namespace hs::stream {

class Kpis {
 public:
  static constexpr size_t series_max = 10'000;  // cumulative series whose last value is remembered
  static constexpr size_t points_max = 10'000;  // (KPI, second) in one tick
  // What a metric counted between two exports is spread over the seconds between them; of a longer pause, over the
  // last.
  static constexpr int64_t spread_s_max = 120;

  void declare(std::vector<config::Kpi> kpis);
  bool empty() const { return kpis_.empty(); }
  void add_span(const model::Batch& batch, size_t row, std::string_view service, const Ending& ending, double weight);
  void add_log(const model::Batch& batch, size_t row, int64_t second);
  void add_points(const model::Batch& batch, int64_t oldest_second, int64_t newest_second);
  std::vector<KpiPoint> take();
  uint64_t refused() const { return refused_; }

 private:
  struct Last {
    double value = 0, count = 0;
    std::vector<uint64_t> buckets;
    bool known = false;
    int64_t second = 0;
  };
  using Row = model::AttributeColumn;
  void count(size_t kpi, int64_t second, bool good, double value, double weight);
  void count_since(size_t kpi, int64_t since, int64_t second, bool good, double weight);
  KpiPoint* point(size_t kpi, int64_t second);
  void add_point(size_t kpi, const model::Batch& batch, size_t row, int64_t second);
  void add_number(size_t kpi, const model::Batch& batch, size_t row, int64_t second, bool good);
  void add_distribution(size_t kpi, const model::Batch& batch, size_t row, int64_t second, bool good);
  Last* last_of(const model::Batch& batch, size_t row);

  std::vector<config::Kpi> kpis_;
  bool spans_ = false, logs_ = false, metrics_ = false;  // does any KPI read them?
  std::map<std::pair<size_t, int64_t>, KpiPoint> points_;
  FlatTable<Last> last_;
  uint64_t refused_ = 0;
};

}  // namespace hs::stream
