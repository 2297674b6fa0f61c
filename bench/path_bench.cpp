// What each step around the engine costs, one after the other on one thread: decoding, the text of log records, the
// gate (limits of series), hashes and sums of the journal, the stream, span metrics and the service graph, encoding,
// the newest samples in memory. Neither sockets nor disk nor engine.
//   path_bench DUMP [--step NAME] [--times N]
// DUMP: see dump.h. With --step only that step is counted, N times over: made for callgrind
// (valgrind --tool=callgrind --toggle-collect='*step_*' path_bench ...).

#include <sys/resource.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/hash.h"
#include "dump.h"
#include "io/clock.h"
#include "limits/gate.h"
#include "promql/store/recent.h"
#include "store/block.h"
#include "stream/service_graph.h"
#include "stream/span_metrics.h"
#include "stream/stream.h"
#include "wire/logtext/parse.h"
#include "wire/otlp/otlp.h"

namespace {

using hs::bench::Request;
using hs::model::Batch;

constexpr size_t cut_rows = 100'000;

double own_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto s = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return s(usage.ru_utime) + s(usage.ru_stime);
}

// Requests are copied before: the decoder takes them over.
[[gnu::noinline]] void step_decode(std::vector<Request>& requests, std::vector<Batch>& batches) {
  for (Request& request : requests) {
    auto batch = hs::wire::otlp::decode(request.signal, hs::wire::otlp::Format::protobuf, std::move(request.body));
    if (batch) batches.push_back(std::move(*batch));
  }
}

[[gnu::noinline]] void step_text(std::vector<Batch>& batches) {
  for (Batch& batch : batches) hs::wire::logtext::parse(batch);
}

[[gnu::noinline]] void step_stream(const std::vector<Batch>& batches, hs::stream::Stream& stream) {
  size_t rows = 0;
  for (const Batch& batch : batches) {
    const int64_t now = hs::bench::newest_of(batch) + 1;
    stream.add(batch, now, "sender");
    rows += batch.size();
    if (rows < cut_rows) continue;  // a second's worth
    rows = 0;
    (void)stream.tick(now);
  }
}

[[gnu::noinline]] void step_metrics(const std::vector<Batch>& batches, hs::stream::SpanMetrics& metrics,
                                    hs::stream::ServiceGraph& graph) {
  for (const Batch& batch : batches) {
    metrics.add(batch, hs::bench::newest_of(batch) + 1);
    graph.add(batch, hs::bench::newest_of(batch) + 1);
  }
}

[[gnu::noinline]] size_t step_encode(const std::vector<Batch>& batches, hs::store::Described& described,
                                     std::vector<hs::store::Block>& samples) {
  size_t bytes = 0;
  uint64_t cut = 0;
  for (size_t i = 0; i < batches.size();) {
    std::vector<hs::store::StoredBatch> stored;
    for (size_t rows = 0; i < batches.size() && rows < cut_rows; ++i) {
      stored.push_back({&batches[i], hs::bench::newest_of(batches[i]) + 1, ""});
      rows += batches[i].size();
    }
    for (hs::store::Block& block : hs::store::encode_blocks(stored, ++cut, described)) {
      bytes += block.native.size();
      if (block.table == "samples") samples.push_back(std::move(block));
    }
  }
  return bytes;
}

[[gnu::noinline]] void step_gate(std::vector<Batch>& batches, hs::limits::Gate& gate) {
  hs::ingest::Incoming incoming;
  for (Batch& batch : batches) gate.settle(incoming, batch);
}

// What appending does to a body besides waiting: is it a retry, and is it whole when it is read back?
[[gnu::noinline]] uint64_t step_sums(const std::vector<Request>& requests) {
  uint64_t sum = 0;
  for (const Request& request : requests) sum ^= hs::hash128(request.body).low ^ hs::crc32c(request.body);
  return sum;
}

[[gnu::noinline]] void step_recent(const std::vector<hs::store::Block>& blocks, hs::promql::store::Recent& recent) {
  for (const hs::store::Block& block : blocks) {
    if (block.table != "samples") continue;
    const auto rows = hs::store::read_native(block.native, hs::promql::store::Recent::columns_wanted);
    if (rows) recent.add_samples(*rows, static_cast<int64_t>(rows->find("ts")->i64(0) / hs::nanos_per_ms));
  }
}

class Steps {
 public:
  Steps(std::string_view only, double million) : only_(only), million_(million) {}
  template <class F>
  void run(std::string_view name, F f) {
    if (!only_.empty() && only_ != name) return;
    const double start = own_cpu_s();
    f();
    fmt::print("{:<8} {:6.3f} CPU-s per million\n", name, (own_cpu_s() - start) / million_);
  }

 private:
  std::string_view only_;
  double million_;
};

int run(const std::string& dump, std::string_view only, int times) {
  const std::vector<Request> requests = hs::bench::read_dump(dump);
  if (requests.empty()) {
    fmt::print(stderr, "{} holds no requests\n", dump);
    return 1;
  }
  double items = 0;
  for (const Request& request : requests) items += request.items;
  const bool spans = requests[0].signal == hs::model::Signal::traces,
             logs = requests[0].signal == hs::model::Signal::logs;
  Steps steps(only, items / 1e6);
  for (int i = 0; i < times; ++i) {
    std::vector<Request> copy = requests;
    std::vector<Batch> batches;
    batches.reserve(requests.size());
    if (only.empty() || only == "decode")
      steps.run("decode", [&] { step_decode(copy, batches); });
    else
      step_decode(copy, batches);
    if (logs) steps.run("text", [&] { step_text(batches); });
    uint64_t sums = 0;
    steps.run("sums", [&] { sums = step_sums(requests); });
    hs::limits::Gate gate(hs::io::system_clock(), {});
    if (!spans && !logs) steps.run("gate", [&] { step_gate(batches, gate); });
    if (!only.empty() && only != "gate") step_gate(batches, gate);  // the encoder finds the ids of series there
    hs::stream::Stream stream;
    steps.run("stream", [&] { step_stream(batches, stream); });
    hs::stream::SpanMetrics metrics;
    hs::stream::ServiceGraph graph;
    if (spans) steps.run("metrics", [&] { step_metrics(batches, metrics, graph); });
    hs::store::Described described;
    size_t bytes = 0;
    std::vector<hs::store::Block> samples;
    steps.run("encode", [&] { bytes = step_encode(batches, described, samples); });
    if (only == "recent" && samples.empty()) step_encode(batches, described, samples);
    hs::promql::store::Recent recent({.bytes_max = 128 << 20, .keep_ms = 3 * 3'600'000}, 0);
    if (!spans && !logs) steps.run("recent", [&] { step_recent(samples, recent); });
    if (only.empty())
      fmt::print("{:.0f} bytes of Native an item (sums {:x})\n", static_cast<double>(bytes) / items, sums & 0xFF);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string dump;
  std::string_view only;
  int times = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--step" && i + 1 < argc)
      only = argv[++i];
    else if (word == "--times" && i + 1 < argc)
      times = std::stoi(argv[++i]);
    else
      dump = word;
  }
  if (dump.empty()) {
    fmt::print(stderr, "usage: path_bench DUMP [--step NAME] [--times N]\n");
    return 2;
  }
  return run(dump, only, times);
}
