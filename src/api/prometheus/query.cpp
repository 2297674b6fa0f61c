// format_query, parse_query.

#include "api/prometheus/reader.h"
#include "promql/json.h"

namespace hs::api::prometheus {
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
