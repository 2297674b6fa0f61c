#pragma once
// What the endpoints share. Internal to api/prometheus.

#include <memory>

#include "api/prometheus/params.h"
#include "api/prometheus/routes.h"
#include "promql/store/source.h"

namespace hs::api::prometheus {

// One request under way.
struct Asking {
  const ReadOutside& outside;
  const http::Request& request;
  Params params;
  ReadOptions options;
  std::string tenant;
  MonoNanos deadline = 0;

  int64_t now_ms() const { return outside.clock.wall() / nanos_per_ms; }
  promql::InterruptCheck interrupt() const;
  promql::store::StoreSource source() const;
};

using Endpoint = Reply (*)(Asking&);

Reply query(Asking& asking);
Reply query_range(Asking& asking);
Reply query_exemplars(Asking& asking);
Reply format_query(Asking& asking);
Reply parse_query(Asking& asking);
Reply series(Asking& asking);
Reply labels(Asking& asking);
Reply label_values(Asking& asking);
Reply metadata(Asking& asking);
Reply build_info(Asking& asking);
Reply runtime_info(Asking& asking);
Reply config(Asking& asking);
Reply flags(Asking& asking);
Reply tsdb(Asking& asking);
Reply rules(Asking& asking);
Reply alerts(Asking& asking);
Reply alertmanagers(Asking& asking);
Reply targets(Asking& asking);
Reply targets_metadata(Asking& asking);
Reply scrape_pools(Asking& asking);
Reply empty_list(Asking& asking);
// Not in the envelope: protobuf, or an error's text.
promql::QueryResult<http::Response> remote_read(Asking& asking);

// ["a","b"]; at most `limit` of them (0: all), with a warning when there were more.
Answer list_answer(const std::set<std::string>& texts, size_t limit);
inline constexpr std::string_view truncated = "results truncated due to limit";

}  // namespace hs::api::prometheus
