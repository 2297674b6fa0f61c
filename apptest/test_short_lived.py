"""Senders that live for a call, or come back after days: what docs/short-lived-senders.md says, through the door."""
import secrets
import time

import pytest
import requests

from harness import Homeostat

S = 1_000_000_000
HOUR, DAY = 3600 * S, 86_400 * S
STARTS = 12


@pytest.fixture(scope="module")
def h():
    with Homeostat() as homeostat:
        yield homeostat


def post(h, signal, body):
    answer = requests.post(h.url("otlp_http", f"/v1/{signal}"), json=body, timeout=60)
    assert answer.ok and answer.text == "{}", answer.text


def resource(service, instance=""):
    named = {"service.name": service, **({"service.instance.id": instance} if instance else {})}
    return {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in named.items()]}


def send_span(h, service, start, end):
    trace = secrets.token_hex(16)
    span = {"traceId": trace, "spanId": secrets.token_hex(8), "name": "invoke", "kind": 2,
            "startTimeUnixNano": str(start), "endTimeUnixNano": str(end)}
    post(h, "traces", {"resourceSpans": [{"resource": resource(service), "scopeSpans": [{"spans": [span]}]}]})
    return trace


def send_point(h, name, instance, temporality, start, at, value):
    point = {"startTimeUnixNano": str(start), "timeUnixNano": str(at), "asInt": str(value)}
    metric = {"name": name, "sum": {"aggregationTemporality": temporality, "isMonotonic": True, "dataPoints": [point]}}
    post(h, "metrics", {"resourceMetrics": [{"resource": resource("fn", instance),
                                             "scopeMetrics": [{"metrics": [metric]}]}]})


def total(h, text, at):
    answer = requests.post(h.url("http", "/prometheus/api/v1/query"), data={"query": text, "time": at / S}, timeout=60)
    assert answer.ok, answer.text
    rows = answer.json()["data"]["result"]
    return float(rows[0]["value"][1]) if rows else None


@pytest.mark.parametrize("start_ago,end_ago", [(3 * HOUR, 3 * HOUR - S), (3 * HOUR, 0), (20 * DAY, 20 * DAY - S),
                                               (200 * DAY, 200 * DAY - S)],
                         ids=["frozen-after-the-call", "frozen-in-the-call", "a-device-after-weeks", "after-months"])
def test_a_span_that_comes_late_is_found_and_shows_its_own_times(h, start_ago, end_ago):
    now = time.time_ns()
    trace = send_span(h, "fn", now - start_ago, now - end_ago)
    h.flush()
    (span,) = h.get(f"/v1/traces/{trace}")[1]["spans"]
    assert span["start_time_unix_nano"] == str(now - start_ago)
    assert span["duration_nano"] == str(start_ago - end_ago)
    around = now - min(start_ago, 30 * DAY)  # where it is stored (docs/clocks.md)
    listed = h.get(f"/v1/spans?service=fn&start={around - 60 * S}&end={around + 60 * S}")[1]["spans"]
    assert trace in [s["trace_id"] for s in listed]


def test_a_backlog_that_a_device_sends_again_is_stored_once(h):
    service, now = f"device-{secrets.token_hex(4)}", time.time_ns()
    span = {"traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": "read",
            "startTimeUnixNano": str(now - 9 * DAY), "endTimeUnixNano": str(now - 9 * DAY + S)}
    for _ in range(3):  # it had no network for the answer
        post(h, "traces", {"resourceSpans": [{"resource": resource(service), "scopeSpans": [{"spans": [span]}]}]})
    h.flush()
    assert len(h.get(f"/v1/traces/{span['traceId']}")[1]["spans"]) == 1


@pytest.mark.parametrize("ago", [0, 9 * DAY], ids=["now", "days-late"])
def test_delta_counts_of_cold_starts_add_up(h, ago):
    at, name = (time.time_ns() - ago) // S * S, f"delta{ago // DAY}"
    for i in range(STARTS):
        send_point(h, name, f"start-{i}", 1, at - (20 * i + 5) * S, at - 20 * i * S, 3)
    h.flush()
    assert total(h, f"sum(sum_over_time({name}_total[10m]))", at) == 3 * STARTS


def test_cumulative_counts_of_single_calls_have_no_increase_but_a_last_value(h):
    at = time.time_ns() // S * S
    for i in range(STARTS):
        send_point(h, "whole", f"start-{i}", 2, at - (20 * i + 5) * S, at - 20 * i * S, 3)
    h.flush()
    assert total(h, "sum(last_over_time(whole_total[10m]))", at) == 3 * STARTS
    assert total(h, "sum(increase(whole_total[10m]))", at) is None, "two points make an increase, as in Prometheus"


def test_cumulative_counts_of_a_few_calls_are_estimated(h):
    at = time.time_ns() // S * S
    for i in range(STARTS):
        for calls, ago in ((3, 10), (5, 0)):
            send_point(h, "few", f"start-{i}", 2, at - (20 * i + 15) * S, at - (20 * i + ago) * S, calls)
    h.flush()
    assert total(h, "sum(last_over_time(few_total[10m]))", at) == 5 * STARTS
    increase = total(h, "sum(increase(few_total[10m]))", at)
    assert 2 * STARTS < increase < 5 * STARTS, "what was counted before the first point is not seen, but extrapolated"


def test_delta_counts_without_an_instance_are_one_series(h):
    at = time.time_ns() // S * S
    for i in range(STARTS):
        send_point(h, "shared", "", 1, at - (20 * i + 20) * S, at - 20 * i * S, 3)
    h.flush()
    assert total(h, "count(count_over_time(shared_total[10m]))", at) == 1
    assert total(h, "sum_over_time(shared_total[10m])", at) == 3 * STARTS
    # As many as came between the first point and the last, and what the first one tells of.
    assert total(h, "increase(shared_total[4m])", at) == pytest.approx(3 * STARTS, rel=0.1)
