#include "loop/explain/links.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "base/http_message.h"
#include "base/metrics.h"

namespace hs::loop {
namespace {

constexpr size_t traces_shown = 3, kpis_shown = 2, names_max = 8;
constexpr int64_t before_s = 120;      // of series: a departure is seen against what was before
constexpr int64_t before_spans_s = 5;  // an onset is an estimate
constexpr int64_t after_s = 60;        // what arrives late, and the next samples of a series
constexpr int64_t step_of_links_s = 30;
constexpr int64_t step_s = 15;          // of a query_range: how often span metrics are told by default
constexpr size_t name_bytes_max = 128;  // longer names of spans are known by their beginning alone (stream/names.h)
constexpr std::string_view id_part = "<*>", folded = "other";  // how the stream folds names of operations
constexpr std::string_view answers = R"(span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER")";
constexpr std::string_view calls = R"(span_kind=~"SPAN_KIND_CLIENT|SPAN_KIND_PRODUCER")";
constexpr std::string_view kinds[] = {"unspecified", "internal", "server", "client", "producer", "consumer"};

bool is_of_time(Starts starts) {
  return starts == Starts::own_time || starts == Starts::edge_time || starts == Starts::peer_time;
}

// Spans of an operation have its name, unless the stream made one of many.
bool is_name_of_spans(const std::string& operation) {
  return !operation.empty() && operation != folded && operation.size() < name_bytes_max &&
         operation.find(id_part) == operation.npos;
}

std::string equals(std::string_view label, std::string_view value) {
  return fmt::format("{}=\"{}\"", label, metrics::escape_label(value));
}

// Matches each of the names, with anything for the ids that were folded away.
std::string one_of(std::string_view label, const std::set<std::string>& names) {
  std::string pattern;
  for (const std::string& name : names) {
    if (!pattern.empty()) pattern += '|';
    for (size_t i = 0; i < name.size(); ++i) {
      if (name.compare(i, id_part.size(), id_part) == 0) {
        pattern += ".*", i += id_part.size() - 1;
        continue;
      }
      if (std::string_view(R"(\.+*?()|[]{}^$)").find(name[i]) != std::string_view::npos) pattern += '\\';
      pattern += name[i];
    }
  }
  return fmt::format("{}=~\"{}\"", label, metrics::escape_label(pattern));
}

std::string rate_of(std::string_view metric, std::string_view selector) {
  return fmt::format("rate({}{{{}}}[1m])", metric, selector);
}

}  // namespace

Links::Links(const History& history, const std::vector<const Symptom*>& symptoms, Stretch within)
    : history_(history), within_(within) {
  shown_.from = within.from;
  shown_.to = ((within.to + after_s) / step_of_links_s + 1) * step_of_links_s;
  for (const Symptom* s : symptoms)
    if (s->kind == SymptomKind::kpi && kpis_.size() < kpis_shown &&
        std::find(kpis_.begin(), kpis_.end(), s->objective) == kpis_.end())
      kpis_.push_back(s->objective);
}

std::vector<Link> Links::of(const About& about) const {
  std::vector<Link> out;
  add_spans(about, out);
  add_logs(about, out);
  add_series(about, out);
  return out;
}

// Of the incident's time: the slowest, or some that failed (ids are random: those that sort first are any, and stay the
// same for a while). A silent service is seen in the calls to it.
std::vector<Examples::One> Links::examples(const About& about) const {
  std::vector<Examples::One> found;
  const bool slow = is_of_time(about.starts), silent = about.starts == Starts::silence;
  const auto take = [&](const std::deque<Examples::One>& from) {
    for (const Examples::One& one : from) {
      const bool other = !silent && about.peer.empty() && !about.operation.empty() && one.operation != about.operation;
      const bool elsewhere = !silent && !about.instance.empty() && one.instance != about.instance;
      if (one.second >= within_.from - 1 && !other && !elsewhere) found.push_back(one);
    }
  };
  for (const auto& [key, known] : history_.examples) {
    if (silent ? key.peer != about.service : key != EdgeKey{about.service, about.peer}) continue;
    if (!slow) take(known.failed);
    if (slow || silent) take(known.slow);
  }
  std::sort(found.begin(), found.end(), [&](const Examples::One& a, const Examples::One& b) {
    const auto order = [&](const Examples::One& one) {
      return std::tuple(slow ? -one.request.duration_ms : 0, one.request.trace);
    };
    return order(a) < order(b);
  });
  std::set<std::string> known;
  std::erase_if(found, [&](const Examples::One& one) { return !known.insert(one.request.trace).second; });
  if (found.size() > traces_shown) found.resize(traces_shown);
  return found;
}

void Links::add_spans(const About& about, std::vector<Link>& out) const {
  if (about.starts == Starts::more_calls) return;  // it is their number that departs
  const std::vector<Examples::One> found = examples(about);
  for (const Examples::One& one : found) out.push_back({"trace", one.request.trace, "/v1/traces/" + one.request.trace});
  if (found.empty()) return;
  const Examples::One& first = found.front();
  std::string url = fmt::format("/v1/spans?service={}&kind={}", http::url_encode(first.service),
                                kinds[first.kind < std::size(kinds) ? first.kind : 0]);
  const bool named = !about.operation.empty() || first.kind == 3 || first.kind == 4;
  if (named && is_name_of_spans(first.operation)) url += "&name=" + http::url_encode(first.operation);
  if (first.request.marked) url += "&status=error";
  if (!first.request.failed) url += fmt::format("&min_duration={:.0f}us", found.back().request.duration_ms * 999);
  url += fmt::format("&start={}&end={}", (shown_.from - before_spans_s) * nanos_per_s, shown_.to * nanos_per_s);
  out.push_back({"spans", "", std::move(url)});
}

// What the service logged then: warnings and worse, if there were any; and all that was logged in one such request.
void Links::add_logs(const About& about, std::vector<Link>& out) const {
  const auto known = history_.logs.find(about.service);
  if (known == history_.logs.end()) return;
  const int64_t from = std::max(within_.from - before_spans_s, within_.to - remembered_s);
  const LogSums sums = known->second.ring.sum(from, within_.to);
  if (sums.n <= 0) return;
  out.push_back({"logs", "",
                 fmt::format("/v1/logs?service={}{}&start={}&end={}", http::url_encode(about.service),
                             sums.warnings > 0 ? "&severity=warn" : "", (shown_.from - before_spans_s) * nanos_per_s,
                             shown_.to * nanos_per_s)});
  if (!known->second.trace.empty() && known->second.trace_second >= from)
    out.push_back({"logs", known->second.trace, "/v1/logs?trace_id=" + known->second.trace});
}

void Links::add_series(const About& about, std::vector<Link>& out) const {
  const bool of_calls = !about.peer.empty();
  const std::string query = of_calls ? query_of_calls(about) : query_of_answers(about);
  if (!query.empty()) out.push_back(series(query));
  for (const std::string& kpi : kpis_) out.push_back(series(fmt::format("homeostat_kpi{{{}}}", equals("kpi", kpi))));
}

std::string Links::query_of_answers(const About& about) const {
  if (!history_.operations.contains({about.service, ""})) return "";
  std::string selector = fmt::format("{},{}", equals("service", about.service), answers);
  if (is_name_of_spans(about.operation))
    selector += "," + equals("span_name", about.operation);
  else if (about.operation.find(id_part) != std::string::npos)
    selector += "," + one_of("span_name", {about.operation});
  if (is_of_time(about.starts))
    return fmt::format("histogram_quantile(0.95, sum by (le) ({}))",
                       rate_of("traces_spanmetrics_latency_bucket", selector));
  const bool failing = about.starts != Starts::silence && about.starts != Starts::more_calls;
  return fmt::format("sum{} ({})", failing ? " by (status_code)" : "",
                     rate_of("traces_spanmetrics_calls_total", selector));
}

// Calls to a service that sends spans are in the service graph; of others the caller's own spans tell.
std::string Links::query_of_calls(const About& about) const {
  if (history_.operations.contains({about.peer, ""})) {
    const std::string selector = equals("client", about.service) + "," + equals("server", about.peer);
    if (is_of_time(about.starts))
      return fmt::format("histogram_quantile(0.95, sum by (le) ({}))",
                         rate_of("traces_service_graph_request_client_seconds_bucket", selector));
    const bool load = about.starts == Starts::more_calls;
    return fmt::format(
        "sum ({})",
        rate_of(load ? "traces_service_graph_request_total" : "traces_service_graph_request_failed_total", selector));
  }
  std::set<std::string> names;
  for (auto at = history_.calls.lower_bound({about.service, "", "", ""}); at != history_.calls.end(); ++at) {
    if (at->first.service != about.service) break;
    if (at->first.callee == about.peer) names.insert(at->first.callee_operation);
  }
  names.erase(""), names.erase(std::string(folded));
  std::string selector = fmt::format("{},{}", equals("service", about.service), calls);
  if (!names.empty() && names.size() <= names_max) selector += "," + one_of("span_name", names);
  if (is_of_time(about.starts))
    return fmt::format("histogram_quantile(0.95, sum by (le) ({}))",
                       rate_of("traces_spanmetrics_latency_bucket", selector));
  return fmt::format("sum by (status_code) ({})", rate_of("traces_spanmetrics_calls_total", selector));
}

Link Links::series(std::string query) const {
  std::string url = fmt::format("/api/v1/query_range?query={}&start={}&end={}&step={}", http::url_encode(query),
                                shown_.from - before_s, shown_.to, step_s);
  return {"series", std::move(query), std::move(url)};
}

}  // namespace hs::loop
