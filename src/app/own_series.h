#pragma once
// What Homeostat knows without being asked becomes ordinary series in its own store: its own metrics (those of
// /metrics), and span metrics and the service graph, counted from the traces of the default tenant as they arrive.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "api/prometheus/own_samples.h"
#include "io/clock.h"
#include "model/batch.h"
#include "stream/service_graph.h"
#include "stream/span_metrics.h"

namespace hs::app {

class OwnSeries {
 public:
  struct Options {
    int64_t own_every_ms = 15'000, spans_every_ms = 15'000;  // 0: not at all
    std::string instance;                                    // the label of our own metrics, beside job="homeostat"
  };
  OwnSeries(Options options, io::Clock& clock);

  // From ingest's tee: any one thread at a time. Cheap: some table look-ups for each span.
  void add(const model::Batch& batch, UnixNanos received_at);
  // Writes from now on; `samples` outlives stop().
  void start(const api::prometheus::OwnSamples& samples);
  void stop() { thread_ = {}; }

 private:
  using Encoder = wire::prometheus::WriteEncoder;
  // The journal's group commit answers in milliseconds; when so many are not answered, it is stuck and we leave out.
  static constexpr int pending_max = 8;

  void run(const std::stop_token& stop, const api::prometheus::OwnSamples& samples);
  void write_own(const api::prometheus::OwnSamples& samples);
  void write_spans(const api::prometheus::OwnSamples& samples);
  void append(const api::prometheus::OwnSamples& samples, api::prometheus::Origin origin, Encoder encoder);

  const Options options_;
  io::Clock& clock_;
  std::mutex mutex_;
  stream::SpanMetrics span_metrics_;
  stream::ServiceGraph graph_;
  UnixNanos spans_told_;  // when the spans' series were written last, or could have been
  UnixNanos families_told_ = 0;
  std::shared_ptr<std::atomic<int>> pending_ = std::make_shared<std::atomic<int>>(0);
  std::jthread thread_;
};

}  // namespace hs::app
