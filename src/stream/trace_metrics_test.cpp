// What Grafana's Tempo data source asks for, from batches of spans.
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "stream/service_graph.h"
#include "stream/span_metrics.h"
#include "stream/test_batches.h"

namespace hs::stream {
namespace {

constexpr UnixNanos now = t0 * nanos_per_s;

struct Told {
  std::map<std::string, double> value;  // by name{label="value",...} with labels in the order they were told
  std::map<std::string, bool> first;
  EachSeries each() {
    return [this](std::span<const model::Attribute> labels, double v, bool is_first) {
      std::string text = std::string(labels.back().value) + "{";
      for (const model::Attribute& l : labels.first(labels.size() - 1))
        text += std::string(l.key) + "=" + std::string(l.value) + ",";
      value[text + "}"] = v;
      first[text + "}"] = is_first;
    };
  }
};

template <class Metrics>
Told told(Metrics& metrics, UnixNanos at = now) {
  Told out;
  metrics.collect(at, out.each());
  return out;
}

const std::string charge = "{service=pay,span_name=charge,span_kind=SPAN_KIND_SERVER,status_code=STATUS_CODE_UNSET,}";

TEST(SpanMetrics, CountsAndTimesByServiceNameKindAndStatus) {
  SpanMetrics metrics;
  Builder b("pay");
  b.span({.id = 1, .name = "charge", .duration_ms = 3}).span({.id = 2, .name = "charge", .duration_ms = 40});
  b.span({.id = 3, .kind = 3, .name = "GET", .duration_ms = 20'000, .status = 2});
  metrics.add(b.batch(), now);
  const Told t = told(metrics);
  EXPECT_EQ(t.value.at("traces_spanmetrics_calls_total" + charge), 2);
  EXPECT_NEAR(t.value.at("traces_spanmetrics_latency_sum" + charge), 0.043, 1e-9);
  EXPECT_EQ(t.value.at("traces_spanmetrics_latency_count" + charge), 2);
  const std::string bucket = "traces_spanmetrics_latency_bucket" + charge.substr(0, charge.size() - 1);
  EXPECT_EQ(t.value.at(bucket + "le=0.002,}"), 0);
  EXPECT_EQ(t.value.at(bucket + "le=0.004,}"), 1);
  EXPECT_EQ(t.value.at(bucket + "le=0.032,}"), 1);
  EXPECT_EQ(t.value.at(bucket + "le=0.064,}"), 2);
  const std::string slow = "{service=pay,span_name=GET,span_kind=SPAN_KIND_CLIENT,status_code=STATUS_CODE_ERROR,";
  EXPECT_EQ(t.value.at("traces_spanmetrics_latency_bucket" + slow + "le=16.384,}"), 0);
  EXPECT_EQ(t.value.at("traces_spanmetrics_latency_bucket" + slow + "le=+Inf,}"), 1);
}

TEST(SpanMetrics, SampledSpansStandForThoseThatWereNotKept) {
  SpanMetrics metrics;
  Builder b("pay");
  b.state("ot=th:c").span({.id = 1, .name = "charge"});  // kept with probability 1/4
  metrics.add(b.batch(), now);
  EXPECT_EQ(told(metrics).value.at("traces_spanmetrics_calls_total" + charge), 4);
}

TEST(SpanMetrics, OnlyTheFirstTellingIsTheFirst) {
  SpanMetrics metrics;
  Builder b("pay");
  metrics.add(b.span({.id = 1, .name = "charge"}).batch(), now);
  EXPECT_TRUE(told(metrics).first.at("traces_spanmetrics_calls_total" + charge));
  EXPECT_FALSE(told(metrics).first.at("traces_spanmetrics_calls_total" + charge));
}

TEST(SpanMetrics, IdleOnesAreForgottenAndBeginAgainAtZero) {
  SpanMetrics metrics;
  Builder b("pay");
  metrics.add(b.span({.id = 1, .name = "charge"}).batch(), now);
  const UnixNanos later = now + idle_series_s * nanos_per_s;
  EXPECT_TRUE(told(metrics, later).value.empty());
  metrics.add(b.batch(), later);
  const Told t = told(metrics, later);
  EXPECT_EQ(t.value.at("traces_spanmetrics_calls_total" + charge), 1);
  EXPECT_TRUE(t.first.at("traces_spanmetrics_calls_total" + charge));
}

TEST(SpanMetrics, AServiceWithTooManyNamesOverflowsAlone) {
  SpanMetrics metrics;
  Builder noisy("noisy");
  for (size_t i = 0; i < SpanMetrics::per_service_max + 5; ++i) noisy.span({.id = i + 1, .name = std::to_string(i)});
  metrics.add(noisy.batch(), now);
  Builder b("pay");
  metrics.add(b.span({.id = 1, .name = "charge"}).batch(), now);
  const Told t = told(metrics);
  EXPECT_EQ(t.value.at("traces_spanmetrics_calls_total{service=noisy,metric_overflow=true,}"), 5);
  EXPECT_EQ(t.value.at("traces_spanmetrics_calls_total" + charge), 1);
  EXPECT_EQ(metrics.overflowed(), 5u);
}

TEST(SpanMetrics, TooManyServicesOverflowWithoutAName) {
  SpanMetrics metrics;
  for (size_t i = 0; i < SpanMetrics::combinations_max + 3; ++i) {
    Builder b("service-" + std::to_string(i));
    metrics.add(b.span({.id = 1}).batch(), now);
  }
  EXPECT_EQ(told(metrics).value.at("traces_spanmetrics_calls_total{metric_overflow=true,}"), 3);
}

// front calls pay over HTTP.
Builder client(std::string service = "front", Attributes attributes = {}, uint8_t kind = 3) {
  Builder b(std::move(service));
  b.span({.id = 2, .parent = 1, .kind = kind, .duration_ms = 300, .attributes = std::move(attributes)});
  return b;
}
Builder server(std::string service = "pay", uint8_t status = 0, uint8_t kind = 2) {
  Builder b(std::move(service));
  b.span({.id = 3, .parent = 2, .kind = kind, .duration_ms = 150, .status = status});
  return b;
}
const std::string front_pay = "{client=front,server=pay,}";

TEST(ServiceGraph, ACallIsAClientAndItsServerInAnyOrder) {
  for (const bool server_first : {false, true}) {
    ServiceGraph graph;
    graph.add((server_first ? server() : client()).batch(), now);
    EXPECT_TRUE(told(graph).value.empty());
    graph.add((server_first ? client() : server()).batch(), now);
    const Told t = told(graph);
    EXPECT_EQ(t.value.at("traces_service_graph_request_total" + front_pay), 1);
    EXPECT_EQ(t.value.at("traces_service_graph_request_failed_total" + front_pay), 0);
    EXPECT_NEAR(t.value.at("traces_service_graph_request_server_seconds_sum" + front_pay), 0.15, 1e-9);
    EXPECT_NEAR(t.value.at("traces_service_graph_request_client_seconds_sum" + front_pay), 0.3, 1e-9);
    EXPECT_EQ(t.value.at("traces_service_graph_request_server_seconds_bucket{client=front,server=pay,le=0.1,}"), 0);
    EXPECT_EQ(t.value.at("traces_service_graph_request_server_seconds_bucket{client=front,server=pay,le=0.2,}"), 1);
  }
}

TEST(ServiceGraph, EitherSideCanFail) {
  ServiceGraph graph;
  graph.add(client().batch(), now);
  graph.add(server("pay", 2).batch(), now);
  EXPECT_EQ(told(graph).value.at("traces_service_graph_request_failed_total" + front_pay), 1);
}

TEST(ServiceGraph, NamesWhatKindOfConnectionItIs) {
  ServiceGraph graph;
  graph.add(client("front", {{"db.system.name", "postgresql"}, {"server.address", "db1"}}).batch(), now);
  graph.add(client("front", {{"db.system", "redis"}}).batch(), now);
  graph.add(client("shop", {}, 4).batch(), now);
  graph.add(server("mailer", 0, 5).batch(), now);
  Builder root("front");
  graph.add(root.span({.id = 9, .kind = 2}).batch(), now);
  const Told t = told(graph);
  const auto total = [&](const std::string& labels) {
    return t.value.contains("traces_service_graph_request_total{" + labels + "}");
  };
  EXPECT_TRUE(total("client=front,server=db1,connection_type=database,"));
  EXPECT_TRUE(total("client=front,server=redis,connection_type=database,"));
  EXPECT_TRUE(total("client=shop,server=mailer,connection_type=messaging_system,"));
  EXPECT_TRUE(total("client=user,server=front,connection_type=virtual_node,"));
  EXPECT_FALSE(t.value.contains(
      "traces_service_graph_request_client_seconds_count{client=user,server=front,connection_type=virtual_node,}"));
}

TEST(ServiceGraph, APeerThatSendsNoSpansIsAVirtualNode) {
  ServiceGraph graph;
  graph.add(client("front", {{"peer.service", "bank"}}).batch(), now);
  Builder nameless("front");  // says nothing of whom it calls
  graph.add(nameless.span({.id = 7, .kind = 3}).batch(), now);
  graph.collect(now, [](auto, double, bool) {});
  const UnixNanos later = now + ServiceGraph::wait_s * nanos_per_s;
  EXPECT_TRUE(told(graph, later).value.empty());  // the other side may still come
  const Told t = told(graph, later + ServiceGraph::wait_s * nanos_per_s);
  EXPECT_EQ(t.value.at("traces_service_graph_request_total{client=front,server=bank,connection_type=virtual_node,}"),
            1);
  EXPECT_EQ(graph.unpaired(), 1u);
}

TEST(ServiceGraph, WhatWaitsAndWhatIsToldHasABound) {
  ServiceGraph graph;
  Builder many("front");
  for (uint64_t i = 0; i < ServiceGraph::halves_max + 7; ++i) many.span({.id = i + 2, .kind = 3});
  graph.add(many.batch(), now);
  EXPECT_EQ(graph.dropped(), 7u);
  Builder peers("front");
  for (size_t i = 0; i < ServiceGraph::edges_max + 2; ++i)
    peers.span({.id = 1, .kind = 3, .attributes = {{"db.system", "db" + std::to_string(i)}}});
  graph.add(peers.batch(), now);
  EXPECT_EQ(told(graph).value.at("traces_service_graph_request_total{metric_overflow=true,}"), 2);
}

}  // namespace
}  // namespace hs::stream
