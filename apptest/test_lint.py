"""/v1/lint finds what telemetry lacks, names the fix, and says nothing of telemetry that lacks nothing."""
import functools
import secrets
import time

import pytest
import requests

from harness import Homeostat

MS = 10**6


@functools.cache
def base_ns():
    """Two minutes before the first test: not before the suite was read, which may be long ago."""
    return time.time_ns() - 120 * 10**9


def attributes(values):
    return [{"key": k, "value": {"stringValue": v}} for k, v in values.items()]


def span(name, kind=1, at_ms=0, parent="", trace="", span_id="", **values):
    start = base_ns() + at_ms * MS
    return {"traceId": trace or secrets.token_hex(16), "spanId": span_id or secrets.token_hex(8), "parentSpanId": parent,
            "name": name, "kind": kind, "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 50 * MS),
            "attributes": attributes({k.replace("_", "."): v for k, v in values.items()})}


@pytest.fixture(scope="module")
def h():
    with Homeostat() as homeostat:
        yield homeostat


def send(h, signal, service, items):
    resource = {"attributes": attributes({"service.name": service} if service else {})}
    if signal == "traces":
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": items}]}]}
    else:
        body = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": items}]}]}
    answer = requests.post(h.url("otlp_http", f"/v1/{signal}"), json=body, timeout=30)
    assert (answer.status_code, answer.json()) == (200, {})


def gauge(name, unit):
    return {"name": name, "unit": unit, "gauge": {"dataPoints": [{"asDouble": 1, "timeUnixNano": str(base_ns())}]}}


def test_every_rule(h):
    trace, call, answer = secrets.token_hex(16), secrets.token_hex(8), secrets.token_hex(8)
    send(h, "traces", "", [span("x")])
    send(h, "traces", "shop", [span("GET", 2, http_request_method="GET"),
                               span("GET /a", 2, http_request_method="GET", http_route="/a"),
                               span("old", 3, net_peer_name="h"),
                               span("lost", parent=secrets.token_hex(8)),
                               span("call", 3, 100, trace=trace, span_id=call)])
    send(h, "traces", "skewed", [span("answer", 2, 60, parent=call, trace=trace, span_id=answer)])
    send(h, "traces", "ids", [span(f"order {i}") for i in range(400)])
    send(h, "traces", "good", [span("GET /a", 2, http_request_method="GET", http_route="/a")])
    send(h, "metrics", "shop", [gauge("bare.one", ""), gauge("bare.two", ""), gauge("whole", "s")])
    send(h, "metrics", "good", [gauge("whole", "s")])
    h.flush()
    status, body = h.get("/v1/lint")
    assert status == 200, body
    found = {(f["rule"], f["service"]): (f["count"], f["of"]) for f in body["findings"]}
    names = found.pop(("span-names-unbounded", "ids"))
    assert 390 <= names[0] <= 410 and names[1] == 400  # distinct names are estimated
    assert found == {("service-name-missing", "unknown_service"): (1, 1), ("http-route-missing", "shop"): (1, 5),
                     ("conventions-deprecated", "shop"): (1, 5), ("spans-unparented", "shop"): (1, 1),
                     ("clock-skew", "skewed"): (1, 1), ("metric-unit-missing", "shop"): (2, 3)}
    assert set(body["rules"]) == {rule for rule, _ in found} | {"span-names-unbounded"}
    assert "OTEL_SERVICE_NAME" in body["rules"]["service-name-missing"]["fix"]["any"]
    assert {"python", "javascript", "java", "go"} <= set(body["rules"]["http-route-missing"]["fix"])
    example = next(f["example"] for f in body["findings"] if f["rule"] == "clock-skew")
    assert h.get(f"/v1/traces/{example}")[0] == 200

    assert h.get("/v1/lint?service=good")[1]["findings"] == []
    assert {f["service"] for f in h.get("/v1/lint?service=shop")[1]["findings"]} == {"shop"}
    assert h.get("/v1/lint?what=1")[0] == 400
