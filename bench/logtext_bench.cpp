// What reading the text of log records costs, per record (wire/logtext), by the kind of text. The cost of making the
// batch is subtracted by building it outside of the timing.
//   logtext_bench [--benchmark_... options]

#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

#include "wire/logtext/parse.h"

namespace {

constexpr size_t rows = 1000;
constexpr std::string_view json =
    R"({"ts":"2026-01-02T03:04:05.123Z","level":"info","logger":"checkout","msg":"order placed","order":{"id":"o-77",)"
    R"("items":3,"total":12.5},"user":"u-1","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331"})";
constexpr std::string_view logfmt =
    "ts=2026-01-02T03:04:05.123Z level=info logger=checkout msg=\"order placed\" order=o-77 items=3 total=12.5 "
    "user=u-1";
constexpr std::string_view plain =
    "2026-01-02 03:04:05.123 INFO  [main] com.example.Checkout : order o-77 placed by user u-1 in 12.5 ms, 3 items, "
    "traceId="
    "0af7651916cd43dd8448eb211c80319c";
constexpr std::string_view sentence =
    "order o-77 placed by user u-1 in 12.5 ms, three items were left and nothing else happened in this very long "
    "second";

hs::model::Batch make(std::string_view body, bool all_set) {
  hs::model::Batch batch;
  batch.signal = hs::model::Signal::logs;
  hs::model::Logs& l = batch.logs;
  hs::model::TraceId id{};
  id[0] = 1;
  for (size_t i = 0; i < rows; ++i) {
    l.time.push_back(1);
    l.severity.push_back(all_set ? 9 : 0);
    l.severity_text.emplace_back();
    l.body.push_back(body);
    l.body_type.push_back(hs::model::ValueType::string);
    l.trace_id.push_back(all_set ? id : hs::model::TraceId{});
    l.span_id.push_back(all_set ? 1 : 0);
    for (int a = 0; a < 4; ++a) l.attributes.push({"some.key", "some value", hs::model::ValueType::string});
    l.attributes.end_row();
  }
  return batch;
}

void parse(benchmark::State& state, std::string_view body, bool all_set) {
  for (auto _ : state) {
    state.PauseTiming();
    hs::model::Batch batch = make(body, all_set);
    state.ResumeTiming();
    hs::wire::logtext::parse(batch);
    benchmark::DoNotOptimize(batch.logs.severity.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(rows));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(rows * body.size()));
}

BENCHMARK_CAPTURE(parse, json, json, false);
BENCHMARK_CAPTURE(parse, logfmt, logfmt, false);
BENCHMARK_CAPTURE(parse, text_with_level_and_id, plain, false);
BENCHMARK_CAPTURE(parse, text_with_nothing, sentence, false);
BENCHMARK_CAPTURE(parse, text_of_a_record_that_says_all, sentence, true);

}  // namespace

BENCHMARK_MAIN();
