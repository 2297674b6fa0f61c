#pragma once
// Which series a selector found, so that the next panel or rule that asks the same need not look again. Exact: whatever
// the engine is told of new series comes here too, and an entry takes those that it selects when it is asked for next.
// Only for a store that nobody else writes to. Thread-safe.

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "promql/store/finder.h"
#include "store/result.h"

namespace hs::promql::store {

class SeriesCache {
 public:
  using Entry = std::shared_ptr<const FoundSeries>;
  // All entries together; a series takes some 1 KB. Beyond it everything is forgotten.
  static constexpr size_t series_max = 200'000;
  // News that entries have not taken yet; an entry that is behind the oldest is read anew.
  static constexpr size_t news_max = 20'000;

  // What was asked. Series are described by partitions: windows in the same ones find the same series.
  struct Question {
    std::string tenant;
    Naming naming;
    int64_t first_partition_ns = 0, last_partition_ns = 0;
    std::span<const Matcher> matchers;

    std::string key() const;
  };

  Entry find(const Question& question);
  // `version` is version() of before the series were read.
  void put(const Question& question, uint64_t version, Entry entry);
  uint64_t version() const;

  // The engine has these rows of `series`.
  void described(const db::ResultBlock& series);
  // Or of `resources`, whose attributes are labels of OpenTelemetry's series.
  void resources_described();

 private:
  // Series of one insert.
  struct News {
    struct One {
      std::string tenant;
      int64_t partition_ns = 0;
      Found series;
    };
    std::map<std::string, std::vector<One>> by_name;  // Prometheus' own
    std::vector<Descriptor> translated;               // OpenTelemetry's metrics, without their names
    bool resources = false;
    size_t rows = 0;
  };
  struct Held {
    Entry entry;
    uint64_t version = 0;  // news up to it are in
  };

  void add(News news);
  void forget();
  bool catch_up(const Question& question, Held& held) const;
  static bool concerns(const Question& question, const Held& held, const News& news);
  static void collect(const Question& question, const News& news, std::vector<const Found*>& out);

  mutable std::mutex mutex_;
  uint64_t version_ = 0;   // of the newest news
  std::deque<News> news_;  // the last of them
  size_t news_rows_ = 0, series_ = 0;
  std::unordered_map<std::string, Held> entries_;
};

}  // namespace hs::promql::store
