"""What Homeostat says of itself and counts from traces, as ordinary series: nobody scrapes it."""
import json
import secrets
import time

import requests

from harness import Homeostat, wait_for

SETTINGS = {"metrics.own_interval": "1s", "metrics.spans_interval": "1s", "batch.max_age": "100ms"}


def query(h, text):
    answer = requests.post(h.url("http", "/prometheus/api/v1/query"), data={"query": text}, timeout=30)
    assert answer.ok, (text, answer.text)
    return answer.json()["data"]["result"]


def value(h, text):
    rows = query(h, text)
    return float(rows[0]["value"][1]) if rows else None


def call(h, count=1, failed=False):
    """So many requests to `front`, each of which calls `pay`."""
    spans = {"front": [], "pay": []}
    now = time.time_ns()
    for _ in range(count):
        trace, a, b, c = secrets.token_hex(16), *[secrets.token_hex(8) for _ in range(3)]
        for service, i, parent, name, kind, ms in (("front", a, "", "POST /order", 2, 50), ("front", b, a, "POST", 3, 40),
                                                   ("pay", c, b, "POST /charge", 2, 30)):
            spans[service].append({"traceId": trace, "spanId": i, "parentSpanId": parent, "name": name, "kind": kind,
                                   "startTimeUnixNano": str(now - ms * 1_000_000), "endTimeUnixNano": str(now),
                                   "status": {"code": 2 if failed else 0}})
    for service, own in spans.items():
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": own}]}]}
        assert requests.post(h.url("otlp_http", "/v1/traces"), data=json.dumps(body), timeout=30,
                             headers={"Content-Type": "application/json"}).ok


def test_own_metrics_are_series_that_nobody_scraped():
    with Homeostat(settings=SETTINGS) as h:
        wait_for("own metrics", lambda: query(h, 'homeostat_acting{job="homeostat"}'), 30)
        call(h, 3)
        wait_for("the spans are counted", lambda: value(h, 'sum(homeostat_otlp_items_total{signal="traces"})') == 9, 30)
        row = query(h, "homeostat_ingest_lag_seconds")[0]["metric"]
        assert row == {"__name__": "homeostat_ingest_lag_seconds", "job": "homeostat",
                       "instance": f"127.0.0.1:{h.ports['http']}"}
        about = requests.get(h.url("http", "/prometheus/api/v1/metadata"), timeout=30).json()["data"]
        assert about["homeostat_acting"][0]["type"] == "gauge"
        assert about["homeostat_changes_total"][0]["type"] == "counter"
        names = {sample.partition("{")[0] for sample in h.metrics()}
        values = h.url("http", "/prometheus/api/v1/label/__name__/values")
        wait_for("all of /metrics", lambda: names <= set(requests.get(values, timeout=30).json()["data"]), 30)


def test_span_metrics_and_the_service_graph():
    with Homeostat(settings=SETTINGS) as h:
        call(h, 20)
        call(h, 5, failed=True)
        calls = 'traces_spanmetrics_calls_total{service="pay",span_name="POST /charge",span_kind="SPAN_KIND_SERVER"'
        wait_for("all calls are counted", lambda: value(h, f"sum({calls}}})") == 25, 30)
        assert value(h, calls + ',status_code="STATUS_CODE_ERROR"}') == 5
        # The first spans count in a rate: the series began at 0.
        assert value(h, f"sum(increase({calls}}}[5m]))") > 20
        latency = 'traces_spanmetrics_latency_bucket{service="pay",status_code="STATUS_CODE_UNSET"'
        assert value(h, latency + ',le="0.016"}') == 0 and value(h, latency + ',le="0.032"}') == 20
        edge = '{client="front",server="pay"}'
        assert value(h, "traces_service_graph_request_total" + edge) == 25
        assert value(h, "traces_service_graph_request_failed_total" + edge) == 5
        assert value(h, "traces_service_graph_request_client_seconds_count" + edge) == 25
        assert 0.5 < value(h, "traces_service_graph_request_server_seconds_sum" + edge) < 1
        assert value(h, 'traces_service_graph_request_total{client="user",connection_type="virtual_node"}') == 25


def test_a_restart_is_a_counter_reset():
    with Homeostat(settings=SETTINGS) as h:
        call(h, 40)
        wait_for("counted", lambda: value(h, 'sum(traces_spanmetrics_calls_total{service="pay"})') == 40, 30)
        h.kill()
        h.start()
        call(h, 2)
        wait_for("counted anew", lambda: value(h, 'sum(traces_spanmetrics_calls_total{service="pay"})') == 2, 30)
        assert value(h, 'sum(resets(traces_spanmetrics_calls_total{service="pay"}[5m]))') == 1
        assert value(h, 'sum(increase(traces_spanmetrics_calls_total{service="pay"}[5m]))') >= 42


def test_other_tenants_and_switches():
    with Homeostat(settings={**SETTINGS, "metrics.own_interval": "0s"}) as h:
        call(h, 1)
        wait_for("counted", lambda: query(h, "traces_spanmetrics_calls_total"), 30)
        assert query(h, '{__name__=~"homeostat_.*"}') == []
