#pragma once
// Which series are active, of which tenant, and which new ones find no room. A series is active for some time after its
// last point. What is full refuses series that are not active; those that are go on.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "limits/census.h"
#include "limits/limits.h"
#include "limits/series_table.h"
#include "model/batch.h"

namespace hs::limits {

// What the explorer shows: one row a metric, a label or a service.
struct CensusRow {
  std::string name;
  uint64_t series = 0, new_last_hour = 0, refused_points = 0;
  uint64_t values = 0;                                   // of a label: different ones, about
  std::vector<std::pair<std::string, uint64_t>> labels;  // of a metric: those with the most values
};
struct CensusAsk {
  enum class By : uint8_t { metric, label, service } by = By::metric;
  enum class Sort : uint8_t { series, growth, refused } sort = Sort::series;  // labels: by values
  std::string metric;                                                         // labels of this metric alone
  size_t offset = 0, limit = 20;
};
struct CensusPage {
  uint64_t series = 0, series_of_all = 0;
  Limits limits;
  uint64_t total_active_series = 0;  // the limit
  int64_t active_for_ms = 0;
  bool more = false;
  std::vector<CensusRow> rows;
};

// Not thread-safe: the gate's lock guards it.
class ActiveSeries {
 public:
  struct Refused {
    static constexpr size_t reasons = 3;
    static constexpr std::array<std::string_view, reasons> names = {"active_series", "series_per_metric",
                                                                    "total_active_series"};
    std::string rows;  // bit r % 8 of byte r / 8: point r; "" when none
    std::array<uint64_t, reasons> points{};
    std::array<std::string, reasons> first;  // metric
    uint64_t count() const { return points[0] + points[1] + points[2]; }
  };
  // `ids` are those of the batch's points. `exempt`: counted, never refused.
  Refused admit(const std::string& tenant, const model::Batch& batch, std::span<const uint64_t> ids,
                const Policy& policy, uint64_t minute, bool exempt);

  CensusPage page(std::string_view tenant, const Policy& policy, const CensusAsk& ask, uint64_t minute) const;
  uint64_t total() const { return total_; }
  // By tenant.
  std::vector<std::pair<std::string, uint64_t>> counts() const;

 private:
  struct Tenant {
    explicit Tenant(Budget& budget) : census(budget) {}
    SeriesTable table;
    Census census;
    uint64_t swept = 0, used = 0;  // minutes
  };
  struct Visit;
  Tenant& tenant(const std::string& name, uint64_t minute, uint64_t window);
  void sweep(Tenant& tenant, uint64_t minute, uint64_t window);
  void sweep_all(uint64_t minute, uint64_t window);
  int reason_against(Visit& visit, const Group& metric);
  void visit_point(Visit& visit, size_t point);

  Budget budget_;
  std::map<std::string, std::unique_ptr<Tenant>, std::less<>> tenants_;
  uint64_t total_ = 0, all_swept_ = 0;
};

}  // namespace hs::limits
