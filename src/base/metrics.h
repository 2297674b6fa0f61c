#pragma once
// Homeostat's own metrics, shown on /metrics in the Prometheus text format.
// A metric is registered where it is used, as a static or a member; updating one is a relaxed atomic add.

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hs::metrics {

// A monotone counter. `labels` is the text between the braces: `signal="logs",reason="too_large"`.
class Counter {
 public:
  Counter(std::string_view name, std::string_view help, std::string_view labels = "");
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  Gauge(std::string_view name, std::string_view help, std::string_view labels = "");
  void set(int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void add(int64_t v) { value_.fetch_add(v, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// One line of the exposition, produced at scrape time.
struct Sample {
  std::string name, help, type, labels;  // type: counter, gauge, or histogram (name_bucket, name_sum, name_count)
  double value = 0;
  std::string family() const;  // the name without a histogram's suffix
};
// Adds a source of samples that are computed at scrape time (KPIs, per-service figures). It must outlive the process's
// use of /metrics.
void add_collector(std::function<void(std::vector<Sample>&)> collector);

// Everything at this moment, sorted by name; a histogram's buckets in the order of their collector.
std::vector<Sample> collect();
// A label's value as it stands between the quotes of Sample::labels.
std::string escape_label(std::string_view value);
// Sample::labels, taken apart.
std::vector<std::pair<std::string, std::string>> parse_labels(std::string_view labels);

// The whole exposition, families sorted by name. Counters and gauges above must never be destroyed before this is last
// called.
std::string exposition();

}  // namespace hs::metrics
