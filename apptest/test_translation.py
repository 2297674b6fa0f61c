"""How OpenTelemetry's names come into PromQL: Prometheus' four strategies, changed while it runs, over the same data."""
import os
import signal
import time

from harness import Homeostat, wait_for
from otlp_data import key_values
from test_prometheus_api import ask, otlp

# strategy: the names of the series, the label of the route, the label of the service
STRATEGIES = {
    "UnderscoreEscapingWithSuffixes": (
        {"http_server_requests_total", "http_server_duration_seconds_bucket", "cpu_utilization_ratio"},
        "http_route", "service_name"),
    "UnderscoreEscapingWithoutSuffixes": (
        {"http_server_requests", "http_server_duration_bucket", "cpu_utilization"}, "http_route", "service_name"),
    "NoUTF8EscapingWithSuffixes": (
        {"http.server.requests_total", "http.server.duration_seconds_bucket", "cpu.utilization_ratio"},
        "http.route", "service.name"),
    "NoTranslation": (
        {"http.server.requests", "http.server.duration_bucket", "cpu.utilization"}, "http.route", "service.name"),
}


def fill(h):
    at = time.time_ns()

    def build(scope):
        metric = scope.metrics.add(name="http.server.requests", unit="{request}")
        metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2
        metric.sum.data_points.add(time_unix_nano=at, as_int=5, attributes=key_values({"http.route": "/ä"}))
        metric = scope.metrics.add(name="http.server.duration", unit="s")
        metric.histogram.aggregation_temporality = 2
        metric.histogram.data_points.add(time_unix_nano=at, count=2, sum=1.5, explicit_bounds=[0.5], bucket_counts=[1, 1])
        metric = scope.metrics.add(name="cpu.utilization", unit="1")
        metric.gauge.data_points.add(time_unix_nano=at, as_double=0.25)
    otlp(h, build)
    h.flush()


def escaped(name):
    """As Grafana puts a name into a path."""
    return "U__" + "".join(c if c.isalnum() else "__" if c == "_" else f"_{ord(c):x}_" for c in name)


def test_each_strategy_names_the_same_data(tmp_path):
    configuration = tmp_path / "homeostat.yaml"

    def choose(strategy):
        configuration.write_text(f"prometheus:\n  translation: {strategy}\n")
    choose("UnderscoreEscapingWithSuffixes")
    with Homeostat(config=configuration) as h:
        fill(h)
        for strategy, (names, route, service) in STRATEGIES.items():
            choose(strategy)
            os.kill(h.process.pid, signal.SIGHUP)
            wait_for(strategy, lambda: names <= set(ask(h, "label/__name__/values")))
            others = set().union(*(named[0] for key, named in STRATEGIES.items() if key != strategy))
            assert not others & set(ask(h, "label/__name__/values"))
            for name in names:
                only = ', le="+Inf"' if "bucket" in name else ""
                [one] = ask(h, "query", query=f'{{"{name}"{only}}}')["result"]
                assert one["metric"]["__name__"] == name and one["metric"][service] == "shop"
            [requests] = [name for name in names if "requests" in name]
            query = f'sum by ("{route}") (increase({{"{requests}", "{route}"="/ä"}}[5m]) or {{"{requests}"}})'
            assert ask(h, "query", query=query)["result"][0]["metric"] == {route: "/ä"}
            for path in (route, escaped(route)):
                assert ask(h, f"label/{path}/values") == ["/ä"], path
            assert service in ask(h, "labels")
