// series, labels, label values, metadata, query_exemplars.

#include <algorithm>

#include <fmt/format.h>

#include "api/prometheus/reader.h"
#include "base/json.h"
#include "promql/json.h"

namespace hs::api::prometheus {
namespace {

using promql::Matcher;
using promql::store::Window;

using Sets = std::vector<std::vector<Matcher>>;

struct Question {
  Window window;
  Sets sets;
  size_t limit = 0;
};

promql::QueryResult<Question> read_question(Asking& asking) {
  Question q;
  const auto start = asking.params.time_ms("start", 0), end = asking.params.time_ms("end", INT64_MAX / nanos_per_ms);
  if (!start) return tl::unexpected(start.error());
  if (!end) return tl::unexpected(end.error());
  const auto limit = asking.params.limit("limit");
  if (!limit) return tl::unexpected(limit.error());
  auto sets = asking.params.selectors();
  if (!sets) return tl::unexpected(sets.error());
  q.window = {*start, *end};
  q.sets = std::move(*sets);
  q.limit = *limit;
  return q;
}

// Selectors of any expression, from its tree as parse_query tells it.
void collect_selectors(const json::Json& node, std::vector<const json::Json*>& out) {
  if (node.is_array()) {
    for (const json::Json& item : node) collect_selectors(item, out);
  } else if (node.is_object()) {
    if (json::text(node, "type") == "vectorSelector" || json::text(node, "type") == "matrixSelector")
      out.push_back(&node);
    for (const auto& [key, item] : node.items()) collect_selectors(item, out);
  }
}

Result<Matcher> matcher_of(const json::Json& node) {
  const std::string_view type = json::text(node, "type").value_or("=");
  const auto kind = type == "!="   ? promql::MatchType::not_equal
                    : type == "=~" ? promql::MatchType::regex
                    : type == "!~" ? promql::MatchType::not_regex
                                   : promql::MatchType::equal;
  return Matcher::make(kind, std::string(json::text(node, "name").value_or("")),
                       std::string(json::text(node, "value").value_or("")));
}

promql::QueryResult<Sets> selectors_of(Asking& asking) {
  auto tree = promql::parse_query(asking.params.text("query"), asking.options.features);
  if (!tree) return bad_parameter("query", tree.error().message);
  HS_STORED(const json::Json parsed, json::parse(*tree, "query"));
  std::vector<const json::Json*> nodes;
  collect_selectors(parsed, nodes);
  Sets sets;
  for (const json::Json* node : nodes) {
    const json::Json* list = json::find(*node, "matchers");
    if (list == nullptr) continue;
    std::vector<Matcher> matchers;
    for (const json::Json& one : *list) {
      HS_STORED(Matcher matcher, matcher_of(one));
      matchers.push_back(std::move(matcher));
    }
    sets.push_back(std::move(matchers));
  }
  return sets;
}

void write_exemplars(std::string& out, const promql::store::ExemplarsOf& of) {
  out += "{\"seriesLabels\":";
  promql::write_json_labels(out, of.series);
  out += ",\"exemplars\":[";
  for (size_t i = 0; i < of.exemplars.size(); ++i) {
    out += i > 0 ? ",{\"labels\":" : "{\"labels\":";
    promql::write_json_labels(out, of.exemplars[i].labels);
    out += ",\"value\":";
    promql::write_json_float(out, of.exemplars[i].value);
    out += ",\"timestamp\":";
    promql::write_json_time(out, of.exemplars[i].t_ms);
    out += '}';
  }
  out += "]}";
}

}  // namespace

Reply series(Asking& asking) {
  auto q = read_question(asking);
  if (!q) return tl::unexpected(q.error());
  if (q->sets.empty()) return bad_data("no match[] parameter provided");
  HS_STORED(const auto found, asking.source().series(q->sets, q->window, asking.options.limits.max_series));
  Answer answer{"["};
  size_t written = 0;
  for (const promql::Labels& labels : found) {
    if (q->limit > 0 && written == q->limit) {
      answer.warnings.emplace_back(truncated);
      break;
    }
    if (written++ > 0) answer.data += ',';
    promql::write_json_labels(answer.data, labels);
  }
  answer.data += ']';
  return answer;
}

Reply labels(Asking& asking) {
  auto q = read_question(asking);
  if (!q) return tl::unexpected(q.error());
  HS_STORED(const auto names, asking.source().label_names(q->sets, q->window, asking.options.limits.max_series));
  return list_answer(names, q->limit);
}

Reply label_values(Asking& asking) {
  const std::string name = unescape_name(asking.request.param("name"));
  if (name.empty()) return bad_data("invalid label name: \"\"");
  auto q = read_question(asking);
  if (!q) return tl::unexpected(q.error());
  HS_STORED(const auto values,
            asking.source().label_values(name, q->sets, q->window, asking.options.limits.max_series));
  return list_answer(values, q->limit);
}

Reply metadata(Asking& asking) {
  const auto limit = asking.params.limit("limit"), per_metric = asking.params.limit("limit_per_metric");
  if (!limit) return tl::unexpected(limit.error());
  if (!per_metric) return tl::unexpected(per_metric.error());
  const std::string_view wanted = asking.params.text("metric");
  HS_STORED(const auto known, asking.source().metadata({0, INT64_MAX / nanos_per_ms}));
  Answer answer{"{"};
  size_t written = 0;
  for (const auto& [name, infos] : known) {
    if (!wanted.empty() && name != wanted) continue;
    if (*limit > 0 && written == *limit) break;
    if (written++ > 0) answer.data += ',';
    promql::write_json_string(answer.data, name);
    answer.data += ":[";
    size_t told = 0;
    for (const promql::store::FamilyInfo& info : infos) {
      if (*per_metric > 0 && told == *per_metric) break;
      answer.data += told++ > 0 ? ",{\"type\":" : "{\"type\":";
      promql::write_json_string(answer.data, info.type);
      answer.data += ",\"help\":";
      promql::write_json_string(answer.data, info.help);
      answer.data += ",\"unit\":";
      promql::write_json_string(answer.data, info.unit);
      answer.data += '}';
    }
    answer.data += ']';
  }
  answer.data += '}';
  return answer;
}

Reply query_exemplars(Asking& asking) {
  const auto start = asking.params.time_ms("start", asking.now_ms());
  if (!start) return tl::unexpected(start.error());
  const auto end = asking.params.time_ms("end", *start);
  if (!end) return tl::unexpected(end.error());
  if (*end < *start) return bad_data("end timestamp must not be before start timestamp");
  auto sets = selectors_of(asking);
  if (!sets) return tl::unexpected(sets.error());
  Answer answer{"["};
  if (!sets->empty()) {
    HS_STORED(const auto found, asking.source().exemplars(*sets, {*start, *end}));
    for (size_t i = 0; i < found.size(); ++i) {
      if (i > 0) answer.data += ',';
      write_exemplars(answer.data, found[i]);
    }
  }
  answer.data += ']';
  return answer;
}

}  // namespace hs::api::prometheus
