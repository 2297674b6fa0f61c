#include "ingest/lag.h"

#include <algorithm>
#include <array>
#include <atomic>

#include <fmt/format.h>

#include "base/metrics.h"

namespace hs::ingest {
namespace {

// Seconds. What is more than an hour ahead or 30 days behind is stored at that distance (docs/clocks.md).
constexpr std::array<int64_t, 10> bounds = {-3600, -60, -1, 1, 10, 60, 600, 3600, 86'400, 2'592'000};
using Counts = std::array<uint64_t, bounds.size() + 1>;

struct Lags {
  std::array<std::array<std::atomic<uint64_t>, bounds.size() + 1>, 3> by_signal{};
  Lags() {
    metrics::add_collector([this](std::vector<metrics::Sample>& out) { collect(out); });
  }
  static size_t index_of(model::Signal signal) { return static_cast<size_t>(signal) - 1; }
  void add(model::Signal signal, const Counts& counts) {
    for (size_t i = 0; i < counts.size(); ++i)
      if (counts[i] > 0) by_signal[index_of(signal)][i].fetch_add(counts[i], std::memory_order_relaxed);
  }
  // Without a sum: lags can be negative, so it would not grow.
  void collect(std::vector<metrics::Sample>& out) const {
    for (const model::Signal signal : {model::Signal::traces, model::Signal::metrics, model::Signal::logs}) {
      const std::string labels = fmt::format("signal=\"{}\"", model::name_of(signal));
      const auto push = [&](std::string_view suffix, std::string more, uint64_t n) {
        out.push_back({fmt::format("homeostat_item_lag_seconds{}", suffix),
                       "Our clock when an item came in, less the item's own time.", "histogram", labels + more,
                       static_cast<double>(n)});
      };
      uint64_t sum = 0;
      for (size_t i = 0; i <= bounds.size(); ++i) {
        sum += by_signal[index_of(signal)][i].load(std::memory_order_relaxed);
        push("_bucket", i < bounds.size() ? fmt::format(",le=\"{}\"", bounds[i]) : ",le=\"+Inf\"", sum);
      }
      push("_count", "", sum);
    }
  }
};

Lags& lags() {
  static Lags instance;
  return instance;
}

template <class TimeOf>
Counts count(size_t rows, UnixNanos received_at, TimeOf time_of) {
  Counts counts{};
  for (size_t row = 0; row < rows; ++row) {
    const UnixNanos time = time_of(row);
    if (time <= 0) continue;
    const int64_t lag_s = (received_at - time) / nanos_per_s;
    ++counts[static_cast<size_t>(std::lower_bound(bounds.begin(), bounds.end(), lag_s) - bounds.begin())];
  }
  return counts;
}

}  // namespace

void count_lag(const model::Batch& batch, UnixNanos received_at) {
  const model::Spans& s = batch.spans;
  const auto end = [&](size_t row) {  // a hostile start or length must not overflow
    return static_cast<UnixNanos>(std::min<uint64_t>(
        static_cast<uint64_t>(std::max<UnixNanos>(s.start[row], 0)) + std::min<uint64_t>(s.duration_ns[row], INT64_MAX),
        INT64_MAX));
  };
  if (s.size() > 0) lags().add(batch.signal, count(s.size(), received_at, end));
  if (batch.logs.size() > 0)
    lags().add(batch.signal, count(batch.logs.size(), received_at, [&](size_t row) { return batch.logs.time[row]; }));
  if (batch.points.size() > 0)
    lags().add(batch.signal,
               count(batch.points.size(), received_at, [&](size_t row) { return batch.points.time[row]; }));
}

}  // namespace hs::ingest
