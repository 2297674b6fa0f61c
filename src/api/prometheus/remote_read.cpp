// /api/v1/read: remote read, for those who keep their own PromQL engine.
// https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/

#include <algorithm>

#include <fmt/format.h>

#include "api/prometheus/own_samples.h"
#include "api/prometheus/reader.h"
#include "wire/prometheus/remote_read.h"
#include "wire/prometheus/snappy.h"

namespace hs::api::prometheus {
namespace {

using wire::prometheus::ReadMatcher;
using wire::prometheus::WriteEncoder;

constexpr size_t body_bytes_max = 1 << 20;      // decompressed: a few selectors
constexpr size_t answer_bytes_max = 256 << 20;  // of all results, before compression: they are made in memory

Result<promql::Select> select_of(const wire::prometheus::ReadQuery& query, const Asking& asking, promql::Lease& lease) {
  static constexpr promql::MatchType types[] = {promql::MatchType::equal, promql::MatchType::not_equal,
                                                promql::MatchType::regex, promql::MatchType::not_regex};
  promql::Select select{.start_ms = query.start_ms, .end_ms = query.end_ms};
  for (const ReadMatcher& m : query.matchers) {
    HS_ASSIGN(promql::Matcher matcher, promql::Matcher::make(types[static_cast<size_t>(m.type)], m.name, m.value));
    select.matchers.push_back(std::move(matcher));
  }
  select.max_series = asking.options.limits.max_series;
  select.max_samples = asking.options.limits.max_samples;
  select.lease = &lease;
  select.interrupt = asking.interrupt();
  return select;
}

// One result: all series, sorted by labels. `bytes_left` is what it may take.
Result<std::string> result_of(promql::Selection selection, size_t bytes_left) {
  std::sort(selection.series.begin(), selection.series.end(),
            [](const promql::Series& a, const promql::Series& b) { return a.labels < b.labels; });
  WriteEncoder encoder;
  std::vector<model::Attribute> labels;
  std::vector<WriteEncoder::Sample> samples;
  std::vector<WriteEncoder::Histogram> histograms;
  for (promql::Series& series : selection.series) {
    labels.clear(), samples.clear(), histograms.clear();
    for (const promql::Label& label : series.labels) labels.push_back({label.name, label.value});
    for (const promql::FloatPoint& p : series.floats) samples.push_back({p.t_ms, p.v});
    for (const promql::HistogramPoint& p : series.histograms) histograms.push_back(encoded(*p.h, p.t_ms));
    encoder.points(labels, samples, histograms);
    series = {};  // it was read once
    if (encoder.size() > bytes_left)
      return fail(Code::resource_exhausted,
                  fmt::format("remote read: the answer is larger than {} MiB: ask for less time or fewer series",
                              answer_bytes_max >> 20));
  }
  return encoder.take();
}

Result<std::string> read_all(Asking& asking) {
  HS_ASSIGN(const std::string body, wire::prometheus::snappy_decompress(asking.request.body, body_bytes_max));
  HS_ASSIGN(const auto queries, wire::prometheus::decode_read(body));
  const promql::store::StoreSource source = asking.source();
  std::vector<std::string> results;
  size_t bytes = 0;
  promql::Lease lease(asking.options.budget);
  for (const auto& query : queries) {
    HS_ASSIGN(const promql::Select select, select_of(query, asking, lease));
    HS_ASSIGN(promql::Selection selection, source.select(select));
    HS_ASSIGN(std::string result, result_of(std::move(selection), answer_bytes_max - bytes));
    bytes += result.size();
    results.push_back(std::move(result));
  }
  return wire::prometheus::snappy_compress(wire::prometheus::encode_read(results));
}

}  // namespace

promql::QueryResult<http::Response> remote_read(Asking& asking) {
  HS_STORED(std::string answer, read_all(asking));
  http::Response response = http::Response::text(200, std::move(answer));
  response.headers.set("Content-Type", "application/x-protobuf");
  response.headers.set("Content-Encoding", "snappy");
  return response;
}

}  // namespace hs::api::prometheus
