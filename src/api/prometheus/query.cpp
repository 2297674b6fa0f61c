// query, query_range, format_query, parse_query.

#include <algorithm>

#include <fmt/format.h>

#include "api/prometheus/reader.h"
#include "promql/json.h"

namespace hs::api::prometheus {
namespace {

promql::QueryResult<promql::Options> options_of(const Asking& asking) {
  promql::Options options;
  options.features = asking.options.features;
  options.limits = asking.options.limits;
  options.interrupt = asking.interrupt();
  options.budget = asking.options.budget;
  auto lookback = asking.params.duration_ms("lookback_delta", asking.options.lookback_ms);
  if (!lookback) return tl::unexpected(lookback.error());
  options.lookback_ms = *lookback > 0 ? *lookback : asking.options.lookback_ms;
  return options;
}

// Cuts the result at `limit` series; true when something was left out.
bool truncate(promql::Value& value, size_t limit) {
  if (limit == 0) return false;
  const auto cut = [&](auto& list) {
    if (list.size() <= limit) return false;
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(limit), list.end());
    return true;
  };
  if (auto* vector = std::get_if<promql::Vector>(&value)) return cut(*vector);
  if (auto* matrix = std::get_if<promql::Matrix>(&value)) return cut(*matrix);
  return false;
}

void write_stats(std::string& out, const promql::Stats& stats, double seconds) {
  out += fmt::format(
      ",\"stats\":{{\"timings\":{{\"evalTotalTime\":{0:.9f},\"resultSortTime\":0,\"queryPreparationTime\":0,"
      "\"innerEvalTime\":{0:.9f},\"execQueueTime\":0,\"execTotalTime\":{0:.9f}}},"
      "\"samples\":{{\"totalQueryableSamples\":{1},\"peakSamples\":{2}}}}}",
      seconds, stats.total_samples, stats.peak_samples);
}

Reply evaluate(Asking& asking, const promql::Query& query) {
  auto options = options_of(asking);
  if (!options) return tl::unexpected(options.error());
  const auto limit = asking.params.limit("limit");
  if (!limit) return tl::unexpected(limit.error());
  const MonoNanos start = asking.outside.clock.mono();
  const promql::store::StoreSource source = asking.source();
  auto outcome = promql::evaluate(source, query, *options);
  if (!outcome) {
    promql::QueryError error = std::move(outcome.error());
    if (error.kind == promql::ErrorKind::bad_data) return bad_parameter("query", error.message);
    return tl::unexpected(std::move(error));
  }
  Answer answer;
  if (truncate(outcome->value, *limit)) outcome->warnings.emplace_back(truncated);
  answer.data = "{";
  promql::write_json_data(answer.data, outcome->value);
  const double seconds = static_cast<double>(asking.outside.clock.mono() - start) / 1e9;
  if (!asking.params.text("stats").empty()) write_stats(answer.data, outcome->stats, seconds);
  answer.data += '}';
  answer.warnings = std::move(outcome->warnings);
  answer.infos = std::move(outcome->infos);
  return answer;
}

}  // namespace

Reply query(Asking& asking) {
  const auto time = asking.params.time_ms("time", asking.now_ms());
  if (!time) return tl::unexpected(time.error());
  return evaluate(asking,
                  {.text = std::string(asking.params.text("query")), .start_ms = *time, .end_ms = *time, .step_ms = 0});
}

Reply query_range(Asking& asking) {
  const auto start = asking.params.time_ms("start"), end = asking.params.time_ms("end");
  if (!start) return tl::unexpected(start.error());
  if (!end) return tl::unexpected(end.error());
  if (*end < *start) return bad_parameter("end", "end timestamp must not be before start time");
  if (asking.params.text("step").empty()) return bad_parameter("step", "cannot parse \"\" to a valid duration");
  const auto step = asking.params.duration_ms("step", 0);
  if (!step) return tl::unexpected(step.error());
  if (*step <= 0)
    return bad_parameter("step",
                         "zero or negative query resolution step widths are not accepted. Try a positive integer");
  if ((*end - *start) / *step > asking.options.limits.max_points)
    return bad_data(
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution "
        "(?step=XX)");
  return evaluate(
      asking, {.text = std::string(asking.params.text("query")), .start_ms = *start, .end_ms = *end, .step_ms = *step});
}

Reply format_query(Asking& asking) {
  auto text = promql::format_query(asking.params.text("query"), asking.options.features);
  if (!text) return bad_parameter("query", text.error().message);
  Answer answer;
  promql::write_json_string(answer.data, *text);
  return answer;
}

Reply parse_query(Asking& asking) {
  auto tree = promql::parse_query(asking.params.text("query"), asking.options.features);
  if (!tree) return bad_parameter("query", tree.error().message);
  return Answer{std::move(*tree)};
}

}  // namespace hs::api::prometheus
