#include "loop/explain/links.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/http_message.h"

namespace hs::loop {
namespace {

constexpr int64_t onset = 10'000;

std::string trace_of(int i) { return fmt::format("{:032x}", i); }

struct Seen {  // what a service and its calls looked like
  Seen() {
    add({.second = onset - 20, .service = "pay", .operation = "charge"}, {.trace = trace_of(1), .failed = true});
    for (int i = 2; i < 8; ++i)
      add({.second = onset + i, .service = "pay", .operation = i % 2 == 0 ? "charge" : "refund", .instance = "a"},
          {.trace = trace_of(i), .failed = true, .marked = true, .duration_ms = 5});
    add({.second = onset, .service = "pay", .operation = "charge"}, {.trace = trace_of(20), .duration_ms = 900});
    add({.second = onset + 1, .service = "pay", .operation = "charge"}, {.trace = trace_of(21), .duration_ms = 800.5});
    add({.second = onset, .service = "front", .operation = "GET", .kind = 3, .peer = "pay"},
        {.trace = trace_of(30), .failed = true});
  }
  void add(stream::Cell cell, const stream::Example& example) {
    cell.count = 1, cell.spans = 1, cell.examples = {example};
    frame.cells.push_back(cell);
  }
  std::vector<Link> of(const About& about, const std::vector<const Symptom*>& symptoms = {}) {
    History history;
    history.add(frame, onset + 10);
    return Links(history, symptoms, {onset, onset + 10}).of(about);
  }
  stream::Frame frame;
};

std::vector<std::string> all(const std::vector<Link>& links, const std::string& kind, bool urls = false) {
  std::vector<std::string> out;
  for (const Link& link : links)
    if (link.kind == kind) out.push_back(urls ? link.url : link.what);
  return out;
}

// What a parameter of the only link of this kind says.
std::string parameter(const std::vector<Link>& links, const std::string& kind, const std::string& name) {
  const auto urls = all(links, kind, true);
  if (urls.size() != 1) return fmt::format("{} links", urls.size());
  const auto query = http::parse_query(std::string_view(urls[0]).substr(urls[0].find('?') + 1));
  if (!query) return "no query";
  for (const auto& [key, value] : *query)
    if (key == name) return value;
  return "";
}

TEST(Links, of_errors_are_requests_that_failed_since_the_onset) {
  const auto links = Seen().of({Starts::own_errors, "pay", "charge"});
  EXPECT_EQ(all(links, "trace"), (std::vector<std::string>{trace_of(2), trace_of(4), trace_of(6)}));
  EXPECT_EQ(links[0].url, "/v1/traces/" + trace_of(2));
  EXPECT_EQ(parameter(links, "spans", "service"), "pay");
  EXPECT_EQ(parameter(links, "spans", "name"), "charge");
  EXPECT_EQ(parameter(links, "spans", "kind"), "server");
  EXPECT_EQ(parameter(links, "spans", "status"), "error");
  EXPECT_TRUE(all(links, "logs").empty()) << "it logged nothing";
  EXPECT_EQ(
      all(links, "series"),
      (std::vector<std::string>{R"(sum by (status_code) (rate(traces_spanmetrics_calls_total{service="pay",)"
                                R"(span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER",span_name="charge"}[1m])))"}));
  EXPECT_EQ(parameter(links, "series", "query"), all(links, "series")[0]);
}

TEST(Links, of_a_delay_are_the_slowest_and_spans_that_are_as_slow) {
  const auto links = Seen().of({Starts::own_time, "pay"});
  EXPECT_EQ(all(links, "trace"), (std::vector<std::string>{trace_of(20), trace_of(21)}));
  EXPECT_EQ(parameter(links, "spans", "min_duration"), "799700us");
  EXPECT_EQ(parameter(links, "spans", "name"), "");
  EXPECT_EQ(parameter(links, "spans", "status"), "");
  EXPECT_NE(all(links, "series").at(0).find("latency_bucket"), std::string::npos);
}

TEST(Links, of_silence_are_the_calls_that_were_not_answered) {
  const auto links = Seen().of({Starts::silence, "pay"});
  EXPECT_EQ(all(links, "trace"), std::vector<std::string>{trace_of(30)});
  EXPECT_EQ(parameter(links, "spans", "service"), "front");
  EXPECT_EQ(parameter(links, "spans", "kind"), "client");
  EXPECT_EQ(parameter(links, "spans", "name"), "GET");
}

TEST(Links, of_an_instance_are_its_own_requests) {
  EXPECT_EQ(all(Seen().of({Starts::own_errors, "pay", "", "a"}), "trace").size(), 3U);
  EXPECT_TRUE(all(Seen().of({Starts::own_errors, "pay", "", "b"}), "trace").empty());
}

TEST(Links, to_logs_are_there_when_something_was_logged) {
  Seen seen;
  stream::LogCell log{.second = onset + 1, .service = "pay", .severity = 9, .count = 3};
  seen.frame.logs = {log};
  EXPECT_EQ(parameter(seen.of({Starts::own_errors, "pay"}), "logs", "severity"), "");
  log.severity = 17, log.trace = trace_of(4);
  seen.frame.logs.push_back(log);
  const auto links = seen.of({Starts::own_errors, "pay"});
  EXPECT_EQ(all(links, "logs"), (std::vector<std::string>{"", trace_of(4)}));
  EXPECT_NE(all(links, "logs", true)[0].find("severity=warn"), std::string::npos);
  EXPECT_EQ(all(links, "logs", true)[1], "/v1/logs?trace_id=" + trace_of(4));
  EXPECT_TRUE(all(seen.of({Starts::own_errors, "front"}), "logs").empty());
}

TEST(Links, to_series_show_the_kpi_that_departs) {
  const Symptom orders{.kind = SymptomKind::kpi, .objective = "orders \"a\""};
  const auto series = all(Seen().of({Starts::own_errors, "pay"}, {&orders, &orders}), "series");
  ASSERT_EQ(series.size(), 2U);
  EXPECT_EQ(series[1], R"(homeostat_kpi{kpi="orders \"a\""})");
}

// Of a name that the stream has folded, or that tries to be a query, nothing but a name comes out.
TEST(Links, names_stay_names) {
  Seen seen;
  const std::string evil = R"(x"} or vector(1) # &service=y)";
  seen.add({.second = onset, .service = evil, .operation = "GET /users/<*>/a.b"},
           {.trace = trace_of(7), .failed = true});
  const auto links = seen.of({Starts::own_errors, evil, "GET /users/<*>/a.b"});
  EXPECT_EQ(parameter(links, "spans", "service"), evil);
  EXPECT_EQ(parameter(links, "spans", "name"), "") << "spans have ids there";
  const std::string query = parameter(links, "series", "query");
  EXPECT_NE(query.find(R"(service="x\"} or vector(1) # &service=y",)"), std::string::npos) << query;
  EXPECT_NE(query.find(R"(span_name=~"GET /users/.*/a\\.b")"), std::string::npos) << query;
}

TEST(Links, of_calls_name_the_callers_spans_or_the_edge_of_the_service_graph) {
  Seen seen;
  stream::Call call{.second = onset, .service = "pay", .operation = "charge", .callee = "bank:443"};
  call.callee_operation = "POST (card)", call.count = 1;
  seen.frame.calls = {call};
  seen.add({.second = onset, .service = "pay", .operation = "POST (card)", .kind = 3, .peer = "bank:443"},
           {.trace = trace_of(40), .failed = true});
  auto links = seen.of({Starts::peer_errors, "pay", "", "", "bank:443"});
  EXPECT_EQ(all(links, "trace"), std::vector<std::string>{trace_of(40)});
  EXPECT_NE(all(links, "series").at(0).find(R"x(span_name=~"POST \\(card\\)")x"), std::string::npos);
  links = seen.of({Starts::edge_errors, "front", "", "", "pay"});
  EXPECT_EQ(all(links, "series").at(0),
            R"(sum (rate(traces_service_graph_request_failed_total{client="front",server="pay"}[1m])))");
}

TEST(Links, do_not_change_with_every_second) {
  History history;
  history.add(Seen().frame, onset + 10);
  const auto at = [&](int64_t now) {
    return Links(history, {}, {onset, now}).of({Starts::own_errors, "pay"}).back().url;
  };
  EXPECT_EQ(at(onset), at(onset + 5));
  EXPECT_NE(at(onset), at(onset + 300));
}

}  // namespace
}  // namespace hs::loop
