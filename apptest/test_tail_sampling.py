"""Tail sampling through the real doors: whole traces are chosen, what is derived from all of them stays exact, and
nothing that was acknowledged and chosen is lost or doubled, whatever is killed."""
import collections
import json
import random
import time

import requests

from harness import Homeostat, wait_for
from test_own_series import SETTINGS, value
from test_sampling import figures

SAMPLING = {"traces.tail_sampling.enabled": "true", "traces.tail_sampling.wait": "2s", "traces.tail_sampling.share": "0.25",
            "traces.tail_sampling.slow_quantile": "0", "traces.tail_sampling.rare_per_hour": "0"}
WHOLE = 1 << 56
REQUESTS = 400


def spans_of(trace, failed=False, ms=40):
    """A request to `front` that calls `pay`, where it may fail, or everywhere (`all`): (service, span)."""
    now = time.time_ns()
    for service, own, parent, name, kind in (("front", 1, "", "POST /order", 2), ("front", 2, f"{1:016x}", "POST", 3),
                                             ("pay", 3, f"{2:016x}", "POST /charge", 2)):
        yield service, {"traceId": trace, "spanId": f"{own:016x}", "parentSpanId": parent, "name": name, "kind": kind,
                        "startTimeUnixNano": str(now - ms * 1_000_000), "endTimeUnixNano": str(now),
                        "status": {"code": 2 if failed == "all" or failed and service == "pay" else 0}}


def send(h, spans):
    """One request a service: no request has a whole trace. -> acknowledged"""
    by_service = collections.defaultdict(list)
    for service, span in spans:
        by_service[service].append(span)
    for service, own in by_service.items():
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": own}]}]}
        answer = requests.post(h.url("otlp_http", "/v1/traces"), data=json.dumps(body), timeout=60,
                               headers={"Content-Type": "application/json"})
        assert answer.ok and answer.text == "{}", answer.text


def trace_id(number, of):
    """Randomness spread evenly: of a quarter of the numbers it is below a quarter."""
    return f"{0xabc:018x}{WHOLE // of * number + WHOLE // of // 2:014x}"


def stored(h):
    """All spans that queries find: trace id -> [span]."""
    found, cursor = collections.defaultdict(list), ""
    while True:
        page = h.get(f"/v1/spans?limit=1000{cursor}")[1]
        for span in page["spans"]:
            found[span["trace_id"]].append(span)
        if "next_cursor" not in page:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def all_decided(h):
    wait_for("everything is decided", lambda: h.status()["ingest"]["undecided_spans"] == 0)
    h.flush()


def test_derived_metrics_are_the_same_and_what_is_kept_can_be_weighed():
    expected = None
    for settings in (SETTINGS, {**SETTINGS, **SAMPLING}):
        with Homeostat(settings=settings) as h:
            send(h, [s for i in range(REQUESTS)
                     for s in spans_of(trace_id(i, REQUESTS), failed="all" if i % 10 == 0 else "")])
            wait_for("all calls are counted", lambda: value(
                h, 'sum(traces_spanmetrics_calls_total{service="pay"})') == REQUESTS)
            wait_for("the edge", lambda: value(h, 'traces_service_graph_request_total{client="front"}') == REQUESTS)
            now = figures(h, "")
            assert now["pay", "ERROR"] == REQUESTS / 10
            assert expected is None or now == expected
            expected = now
            all_decided(h)
            found = stored(h)
            if settings is SETTINGS:
                assert len(found) == REQUESTS
                continue
            assert all(len(spans) == 3 for spans in found.values()), "a part of a trace"
            failed = {trace_id(i, REQUESTS) for i in range(0, REQUESTS, 10)}
            assert failed <= set(found)
            for trace in failed:
                assert all(span["trace_state"] == "" for span in found[trace])
            rest = set(found) - failed
            assert rest == {trace_id(i, REQUESTS) for i in range(300, REQUESTS)} - failed
            assert all(span["trace_state"] == "ot=th:c" for trace in rest for span in found[trace])
            assert len(failed) + 4 * len(rest) == REQUESTS
            metrics = h.metrics()
            kept = 'homeostat_tail_sampling_traces_total{decision="kept",reason="%s"}'
            assert (metrics[kept % "error"], metrics[kept % "share"]) == (len(failed), len(rest))
            dropped = 'homeostat_tail_sampling_traces_total{decision="dropped",reason="share"}'
            assert metrics[dropped] == REQUESTS - len(found)
            assert h.metric("homeostat_tail_sampling_buffer_bytes") == 0


def test_a_trace_is_found_by_its_id_before_it_is_decided():
    with Homeostat(settings={"batch.max_age": "100ms", **SAMPLING, "traces.tail_sampling.share": "0",
                             "traces.tail_sampling.wait": "4s"}) as h:
        bad, good = f"{0xa:032x}", f"{0xb:032x}"
        send(h, [*spans_of(bad, failed=True), *spans_of(good)])
        h.flush()
        for trace in (bad, good):
            status, answer = h.get(f"/v1/traces/{trace}")
            assert status == 200 and answer["undecided"] == 3 and not answer["truncated"], answer
            assert [s["name"] for s in answer["spans"]] == ["POST /order", "POST", "POST /charge"]
            assert {r["service"] for r in answer["resources"].values()} == {"front", "pay"}
            other = h.request("GET", f"/v1/traces/{trace}", headers={"X-Scope-OrgID": "other"})
            assert other[0] == 404, "another tenant's"
        undecided = h.get(f"/v1/traces/{bad}")[1]
        all_decided(h)
        wait_for("it is in the store", lambda: "undecided" not in h.get(f"/v1/traces/{bad}")[1])
        assert {**h.get(f"/v1/traces/{bad}")[1], "undecided": 3} == undecided
        wait_for("the other is gone", lambda: h.request("GET", f"/v1/traces/{good}")[0] == 404)
        # Who comes late goes the same way.
        send(h, [(service, {**span, "spanId": f"{9:016x}", "status": {"code": 2}})
                 for trace in (bad, good) for service, span in list(spans_of(trace))[:1]])
        all_decided(h)
        wait_for("the late one", lambda: len(h.get(f"/v1/traces/{bad}")[1]["spans"]) == 4)
        assert h.request("GET", f"/v1/traces/{good}")[0] == 404


def test_at_the_bound_it_decides_early_and_says_so():
    with Homeostat(settings={"batch.max_age": "100ms", **SAMPLING, "traces.tail_sampling.wait": "10m",
                             "traces.tail_sampling.traces_max": "1000"}) as h:
        for start in range(0, 3000, 500):
            send(h, [s for i in range(start, start + 500) for s in spans_of(trace_id(i, 3000))])
        wait_for("the oldest are decided", lambda: h.metric("homeostat_tail_sampling_waiting_traces") <= 1000
                 and h.metric("homeostat_tail_sampling_early_decisions_total") >= 2000)


def test_kill_9_in_the_middle():
    dice, lives_s = random.Random(7), random.Random(8)
    acknowledged = []
    # Most lives are longer than the wait: something is decided, and something is not, whenever it is killed.
    settings = {"batch.max_age": "100ms", **SAMPLING, "traces.tail_sampling.wait": "500ms"}
    with Homeostat(settings=settings) as h:
        number = 0
        for _ in range(5):
            end = time.monotonic() + lives_s.uniform(0.5, 4)
            while time.monotonic() < end:
                batch = [(f"{dice.getrandbits(128):032x}", (number + i) % 10 == 0) for i in range(20)]
                number += 20
                send(h, [s for trace, failed in batch for s in spans_of(trace, failed)])
                acknowledged += batch
            h.kill()
            h.start()
        all_decided(h)
        wait_for("all is delivered", lambda: h.status()["ingest"]["waiting_rows"] == 0)
        found = stored(h)
        for trace, spans in found.items():
            assert len({span["span_id"] for span in spans}) == len(spans), f"{trace}: twice"
        for trace, failed in acknowledged:
            assert not failed or len(found[trace]) == 3, f"{trace} failed, and {len(found[trace])} of 3 spans are there"
        kept = sum(1 for trace, failed in acknowledged if not failed and found.get(trace))
        assert kept < len(acknowledged) * 0.9, "nothing was sampled"
