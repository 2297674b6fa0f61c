#pragma once
// The newest samples in memory, so that dashboards and alerts need not ask the engine.
//
// A mirror of the table `samples`: rows come in when the engine has them (store::IngestSink) and, after a start, from
// the engine itself (RecentFiller), newest first. complete_from_ms() says since when nothing is missing; a reader whose
// window begins earlier asks the engine for what is before. Of `distributions` native histograms are here too; of the
// others only is known which series have some.
// Only for a store that nobody else writes to.

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "promql/store/packed.h"
#include "promql/store/packed_histograms.h"
#include "promql/store/recent_runs.h"
#include "store/result.h"

namespace hs::promql::store {

namespace db = ::hs::store;

// Thread-safe.
class Recent {
 public:
  struct Options {
    size_t bytes_max = 0;  // of everything here; beyond it the oldest samples go
    int64_t keep_ms = 0;   // how long a sample stays
  };
  Recent(Options options, int64_t now_ms) : options_(options), floor_ms_(now_ms - options.keep_ms) {}

  // Of `samples`; of `distributions` all.
  static constexpr std::array<std::string_view, 6> columns_wanted = {"series_id", "ts",  "value",
                                                                     "flags",     "cut", "ts_sent"};
  // Takes rows of `samples` (series_id, ts, value, and flags, cut, ts_sent where they differ from 0) or of
  // `distributions` (series_id, ts, kind, and what else differs from 0). `now_ms` is the wall clock.
  void add_samples(const db::ResultBlock& rows, int64_t now_ms);
  void add_distributions(const db::ResultBlock& rows, int64_t now_ms);

  // Everything from here on is in; INT64_MAX when nothing is promised. It may rise at any time: who reads asks again
  // after reading.
  int64_t complete_from_ms() const { return complete_from_ms_; }
  // The filler brought all rows from `from_ms` on; false when there is no room for more.
  bool filled(int64_t from_ms);

  // Appends the samples of a series in [start_ms, end_ms] to `out`, in order.
  void read(uint64_t series, int64_t start_ms, int64_t end_ms, std::vector<FloatPoint>& out) const;
  // The same for native histograms, as Prometheus would have sent them.
  void read(uint64_t series, int64_t start_ms, int64_t end_ms, std::vector<HistogramPoint>& out) const;
  // Is there, at or after `start_ms`, a histogram or summary that is not here?
  bool has_others(uint64_t series, int64_t start_ms) const;

  size_t memory_bytes() const { return bytes_; }
  // Older samples are not taken.
  int64_t floor_ms() const { return floor_ms_; }

 private:
  struct Line {
    Runs<Packed> floats;
    std::unique_ptr<Runs<PackedHistograms>> histograms;  // few series have some
    int64_t other_ms = INT64_MIN;                        // the newest that is not here

    size_t memory_bytes() const;  // besides this object
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<uint64_t, Line> lines;
  };
  static constexpr size_t shard_count = 64;

  static size_t shard_index(uint64_t series) { return (series ^ series >> 32) % shard_count; }
  Shard& shard_of(uint64_t series) const { return shards_[shard_index(series)]; }
  Line& line_of(Shard& shard, uint64_t series);  // under its lock
  struct Place {
    uint64_t series = 0;
    size_t row = 0;
  };
  std::vector<Place> places_of(const db::ResultBlock& rows) const;
  static std::vector<Place> by_shard_and_series(std::span<const Place> places);
  template <class F>
  void each_series(std::span<const Place> places, F f);
  void keep_bounds(int64_t now_ms);
  void drop_before(int64_t floor_ms);

  Options options_;
  mutable std::array<Shard, shard_count> shards_;
  std::atomic<size_t> bytes_{0};
  std::mutex bounds_mutex_;  // one raises the floor
  std::atomic<int64_t> floor_ms_;
  std::atomic<int64_t> complete_from_ms_{INT64_MAX};  // never below the floor
};

}  // namespace hs::promql::store
