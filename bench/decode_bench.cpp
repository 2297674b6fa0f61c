// What decoding costs, per item, against copying the bytes.
//   decode_bench DUMP [--benchmark_... options]
// DUMP: see dump.h; the OTLP load generator writes it.

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "dump.h"
#include "io/clock.h"
#include "limits/gate.h"
#include "store/block.h"
#include "wire/otlp/otlp.h"

namespace {

using hs::model::Signal;
using hs::wire::otlp::Format;

struct Requests {
  std::vector<std::string> bodies;
  int64_t items = 0, bytes = 0;
};

std::map<Signal, Requests> by_signal(const char* path) {
  std::map<Signal, Requests> out;
  for (hs::bench::Request& request : hs::bench::read_dump(path)) {
    Requests& requests = out[request.signal];
    requests.items += request.items;
    requests.bytes += static_cast<int64_t>(request.body.size());
    requests.bodies.push_back(std::move(request.body));
  }
  return out;
}

void report(benchmark::State& state, const Requests& requests) {
  state.SetItemsProcessed(state.iterations() * requests.items);
  state.SetBytesProcessed(state.iterations() * requests.bytes);
  state.counters["bytes/item"] = static_cast<double>(requests.bytes) / static_cast<double>(requests.items);
  state.counters["s/item"] = benchmark::Counter(static_cast<double>(state.iterations() * requests.items),
                                                benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// As decode() must, each round takes a fresh body; the copy is part of both figures.
void copy_only(benchmark::State& state, const Requests& requests) {
  for (auto _ : state)
    for (const std::string& body : requests.bodies) {
      std::string fresh = body;
      benchmark::DoNotOptimize(fresh.data());
    }
  report(state, requests);
}

void decode(benchmark::State& state, const Requests& requests, Signal signal, Format format) {
  for (auto _ : state)
    for (const std::string& body : requests.bodies) {
      auto batch = hs::wire::otlp::decode(signal, format, body);
      if (!batch) return state.SkipWithError(batch.error().message.c_str());
      benchmark::DoNotOptimize(batch->size());
    }
  report(state, requests);
}

// Decoding, and what the limits of tenants cost beside it. The series are active from the first round on.
void gated(benchmark::State& state, const Requests& requests, Signal signal) {
  hs::limits::Policy policy;
  policy.each = {
      .bytes_per_s = UINT64_MAX, .items_per_s = UINT64_MAX, .active_series = 500'000, .series_per_metric = 100'000};
  policy.total_active_series = 1'000'000;
  hs::limits::Gate gate(hs::io::system_clock(), policy);
  for (auto _ : state)
    for (const std::string& body : requests.bodies) {
      hs::ingest::Incoming incoming;
      incoming.signal = signal;
      if (!gate.enter(incoming)) return state.SkipWithError("refused");
      auto batch = hs::wire::otlp::decode(signal, Format::protobuf, body);
      if (!batch) return state.SkipWithError(batch.error().message.c_str());
      gate.settle(incoming, *batch);
      if (batch->rejected > 0) return state.SkipWithError(batch->rejected_why.c_str());
      benchmark::DoNotOptimize(batch->size());
    }
  report(state, requests);
}

// What the store does to each point's labels anyway, when the gate has not done it yet.
void series_ids(benchmark::State& state, const Requests& requests) {
  for (auto _ : state)
    for (const std::string& body : requests.bodies) {
      auto batch = hs::wire::otlp::decode(Signal::metrics, Format::protobuf, body);
      benchmark::DoNotOptimize(hs::store::series_ids("", *batch).size());
    }
  report(state, requests);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: decode_bench DUMP\n");
    return 2;
  }
  const std::map<Signal, Requests> dump = by_signal(argv[1]);
  if (dump.empty()) {
    std::fprintf(stderr, "decode_bench: %s holds no requests\n", argv[1]);
    return 1;
  }
  for (const auto& [signal, requests] : dump) {
    const std::string name(hs::model::name_of(signal));
    benchmark::RegisterBenchmark((name + "/copy").c_str(), copy_only, std::cref(requests));
    benchmark::RegisterBenchmark((name + "/protobuf").c_str(), decode, std::cref(requests), signal, Format::protobuf);
    benchmark::RegisterBenchmark((name + "/protobuf+limits").c_str(), gated, std::cref(requests), signal);
  }
  if (const auto metrics = dump.find(Signal::metrics); metrics != dump.end())
    benchmark::RegisterBenchmark("metrics/protobuf+series_ids", series_ids, std::cref(metrics->second));
  benchmark::RunSpecifiedBenchmarks();
}
