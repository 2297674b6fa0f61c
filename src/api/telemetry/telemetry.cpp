#include "api/telemetry/telemetry.h"

#include <array>

#include "api/telemetry/reader.h"
#include "store/block.h"

namespace hs::api::telemetry {
namespace {

constexpr int64_t retry_after_ms = 1000;  // a killed engine is back within seconds
constexpr uint64_t services_max = 1000;

using Endpoint = Result<std::string> (*)(const Reader&, const http::Request&);

http::Response respond(Result<std::string> answer) {
  if (answer) return http::Response::json(200, std::move(*answer));
  Error error = std::move(answer).error();
  if (error.code == Code::unavailable && error.retry_after_ms == 0) error.retry_after_ms = retry_after_ms;
  return http::Response::error(error);
}

}  // namespace

Result<std::string> list_services(const Reader& reader, const http::Request& request) {
  constexpr std::array<std::string_view, 4> known = {"start", "end", "limit", "cursor"};
  HS_ASSIGN(const Params params, Params::read(request, known));
  HS_ASSIGN(const Window window, read_window(params, reader.clock.wall()));
  HS_ASSIGN(const uint64_t limit, params.number("limit", services_max, 1, services_max));
  Select select;
  select.add(
      "SELECT service, arraySort(arrayFilter(i -> i != '', groupUniqArray(100)(instance))) AS instances FROM resources "
      "WHERE");
  // Resources are told once a partition, at its first instant.
  select.within(window.start - window.start % (store::partition_s * nanos_per_s), window.end);
  select.add(" AND service > {after:String} GROUP BY service ORDER BY service LIMIT {limit:UInt64}");
  select.bind("after", params.text("cursor")).bind("limit", limit);
  HS_ASSIGN(const Blocks blocks, reader.run(select, request, limit));
  JsonText out;
  uint64_t rows = 0;
  std::string last;
  out.open('{').key("services").open('[');
  for (const store::ResultBlock& block : blocks)
    for (size_t row = 0; row < block.rows; ++row, ++rows) {
      const store::ResultColumn& instances = column(block, "instances");
      last = column(block, "service").text(row);
      out.open('{').key("name").text(last).key("instances").open('[');
      for (size_t i = instances.begin(row); i < instances.end(row); ++i) out.text(instances.items().text(i));
      out.close(']').close('}');
    }
  out.close(']');
  if (rows == limit) out.key("next_cursor").text(last);
  out.close('}');
  return out.take();
}

http::Routes routes(Collect collect, Held held, io::Clock& clock, WorkerPool& pool) {
  const auto reader = std::make_shared<const Reader>(Reader{std::move(collect), clock, std::move(held)});
  const auto on = [&](std::string pattern, Endpoint endpoint) {
    return http::Route{"GET", std::move(pattern),
                       http::answer_on(pool, [reader, endpoint](const http::Request& request) {
                         return respond(endpoint(*reader, request));
                       })};
  };
  return {on("/v1/traces/{id}", read_trace), on("/v1/spans", list_spans),        on("/v1/logs", list_logs),
          on("/v1/series", list_series),     on("/v1/series/names", list_names), on("/v1/services", list_services),
          on("/v1/lint", list_lint)};
}

}  // namespace hs::api::telemetry
