#include "api/telemetry/cardinality.h"

#include <array>

#include "api/telemetry/json_text.h"
#include "api/telemetry/params.h"
#include "ingest/incoming.h"

namespace hs::api::telemetry {
namespace {

using limits::CensusAsk;
using limits::CensusPage;
using limits::CensusRow;

constexpr std::array<std::string_view, 3> groupings = {"metric", "label", "service"};  // as CensusAsk::By
constexpr std::array<std::string_view, 3> orders = {"series", "growth", "refused"};    // as CensusAsk::Sort
constexpr std::array<std::string_view, 3> lists = {"metrics", "labels", "services"};
constexpr uint64_t rows_max = 1000, rows_usual = 20, offset_max = 1'000'000;

Result<CensusAsk> read_ask(const http::Request& request) {
  constexpr std::array<std::string_view, 5> known = {"by", "sort", "metric", "limit", "cursor"};
  HS_ASSIGN(const Params params, Params::read(request, known));
  HS_ASSIGN(const auto by, params.choice("by", groupings));
  HS_ASSIGN(const auto sort, params.choice("sort", orders));
  HS_ASSIGN(const uint64_t limit, params.number("limit", rows_usual, 1, rows_max));
  HS_ASSIGN(const uint64_t offset, params.number("cursor", 0, 0, offset_max));
  CensusAsk ask{.by = static_cast<CensusAsk::By>(by.value_or(0)),
                .sort = static_cast<CensusAsk::Sort>(sort.value_or(0)),
                .metric = std::string(params.text("metric")),
                .offset = offset,
                .limit = limit};
  if (!ask.metric.empty() && ask.by != CensusAsk::By::label)
    return fail(Code::invalid_argument, "metric: only with by=label, for the labels of one metric");
  return ask;
}

void write_row(JsonText& out, const CensusAsk& ask, const CensusRow& row) {
  out.open('{').key("name").text(row.name);
  if (ask.by == CensusAsk::By::label) {
    out.key("values").count(row.values).close('}');
    return;
  }
  out.key("series").count(row.series).key("new_last_hour").count(row.new_last_hour);
  if (ask.by == CensusAsk::By::metric) {
    out.key("refused_points").count(row.refused_points).key("labels").open('[');
    for (const auto& [name, values] : row.labels)
      out.open('{').key("name").text(name).key("values").count(values).close('}');
    out.close(']');
  }
  out.close('}');
}

std::string text_of(const std::string& tenant, const CensusAsk& ask, const CensusPage& page) {
  JsonText out;
  out.open('{').key("tenant").text(tenant).key("active_series").count(page.series);
  out.key("active_series_of_all").count(page.series_of_all);
  out.key("active_for_s").integer(page.active_for_ms / 1000);
  out.key("limits").open('{').key("active_series").count(page.limits.active_series);
  out.key("series_per_metric").count(page.limits.series_per_metric);
  out.key("total_active_series").count(page.total_active_series).close('}');
  out.key(lists[static_cast<size_t>(ask.by)]).open('[');
  for (const CensusRow& row : page.rows) write_row(out, ask, row);
  out.close(']');
  if (page.more) out.key("next_cursor").text(std::to_string(ask.offset + page.rows.size()));
  out.close('}');
  return out.take();
}

}  // namespace

http::Route cardinality_route(std::function<CensusPage(std::string_view tenant, const CensusAsk& ask)> census) {
  return {"GET", "/v1/cardinality", http::answer([census = std::move(census)](const http::Request& request) {
            const auto tenant = ingest::tenant_of(request.headers);
            if (!tenant) return http::Response::error(tenant.error());
            const auto ask = read_ask(request);
            if (!ask) return http::Response::error(ask.error());
            return http::Response::json(200, text_of(*tenant, *ask, census(*tenant, *ask)));
          })};
}

}  // namespace hs::api::telemetry
