"""Consistent probability sampling: what is counted from a sampled stream is what was there before it was sampled."""
import json
import time

import requests

from harness import Homeostat, wait_for
from test_own_series import SETTINGS, query, value

REQUESTS = 400
WHOLE = 1 << 56  # of thresholds and randomness


def threshold(probability):
    """-> (as a number, as `th` says it: without trailing zeros)"""
    bits = WHOLE - int(WHOLE * probability)
    return bits, f"{bits:014x}".rstrip("0") or "0"


def stream(prefix, probability, random_ids):
    """Spans of REQUESTS requests of `<prefix>front`, each of which calls `<prefix>pay`; those that a sampler of this
    probability keeps. The randomness is spread evenly, so a quarter of the requests is a quarter to the span."""
    rejected, th = threshold(probability)
    now = time.time_ns()
    spans = {"front": [], "pay": []}
    for i in range(REQUESTS):
        randomness = WHOLE // REQUESTS * i + WHOLE // REQUESTS // 2
        if randomness < rejected:
            continue
        # The failed and the slow are spread evenly too.
        failed, ms = i % 4 == 3, 40 if i % 4 else 400
        trace = f"{0xabc if random_ids else i + 1:018x}{randomness:014x}"
        state = f"other=1,ot=th:{th}" + ("" if random_ids else f";rv:{randomness:014x}")
        for service, own, parent, name, kind in (("front", 1, "", "POST /order", 2), ("front", 2, f"{1:016x}", "POST", 3),
                                                 ("pay", 3, f"{2:016x}", "POST /charge", 2)):
            spans[service].append({"traceId": trace, "spanId": f"{own:016x}", "parentSpanId": parent, "name": name,
                                   "kind": kind, "flags": 3 if random_ids else 1,
                                   "traceState": state if probability < 1 else "",
                                   "startTimeUnixNano": str(now - ms * 1_000_000), "endTimeUnixNano": str(now),
                                   "status": {"code": 2 if failed else 0}})
    return {prefix + service: own for service, own in spans.items()}


def send(h, spans):
    for service, own in spans.items():
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": own}]}]}
        answer = requests.post(h.url("otlp_http", "/v1/traces"), data=json.dumps(body), timeout=60,
                               headers={"Content-Type": "application/json"})
        assert answer.ok and answer.text == "{}", answer.text


def figures(h, prefix):
    """Counts, errors, latency and edges of the two services."""
    out = {}
    for service, name in (("front", "POST /order"), ("pay", "POST /charge")):
        which = f'service="{prefix}{service}",span_name="{name}"'
        for status in ("UNSET", "ERROR"):
            labels = f'{{{which},status_code="STATUS_CODE_{status}"}}'
            out[service, status] = value(h, "traces_spanmetrics_calls_total" + labels)
            out[service, status, "seconds"] = round(value(h, "traces_spanmetrics_latency_sum" + labels), 6)
            for row in query(h, "traces_spanmetrics_latency_bucket" + labels):
                out[service, status, row["metric"]["le"]] = float(row["value"][1])
    edge = f'{{client="{prefix}front",server="{prefix}pay"}}'
    for what in ("request_total", "request_failed_total", "request_server_seconds_count"):
        out[what] = value(h, f"traces_service_graph_{what}{edge}")
    return out


def test_rates_are_equal_with_and_without_sampling():
    with Homeostat(settings=SETTINGS) as h:
        kept = {}
        for prefix, probability, random_ids in (("all-", 1, False), ("quarter-", 0.25, False), ("eighth-", 0.125, True)):
            spans = stream(prefix, probability, random_ids)
            kept[prefix] = len(spans[prefix + "pay"])
            send(h, spans)
        assert kept == {"all-": REQUESTS, "quarter-": REQUESTS // 4, "eighth-": REQUESTS // 8}
        for prefix in kept:
            wait_for(f"{prefix} is counted", lambda p=prefix: value(
                h, f'sum(traces_spanmetrics_calls_total{{service="{p}pay"}})') == REQUESTS)
            wait_for(f"the edge of {prefix}", lambda p=prefix: value(
                h, f'traces_service_graph_request_total{{client="{p}front"}}') == REQUESTS)
        expected = figures(h, "all-")
        assert expected["pay", "ERROR"] == REQUESTS / 4 and expected["pay", "ERROR", "+Inf"] == REQUESTS / 4
        assert figures(h, "quarter-") == expected
        # Thirteen of the fifty that are left failed: the parts are near, the whole is exact.
        eighth = figures(h, "eighth-")
        assert eighth["front", "UNSET"] + eighth["front", "ERROR"] == REQUESTS
        assert eighth["request_total"] == REQUESTS


def test_a_weight_that_the_randomness_denies_is_not_believed():
    with Homeostat(settings=SETTINGS) as h:
        spans = stream("forged-", 1, False)
        for span in spans["forged-pay"]:
            span["traceState"] = "ot=th:fff;rv:00000000000001"
        send(h, spans)
        wait_for("counted once each", lambda: value(
            h, 'sum(traces_spanmetrics_calls_total{service="forged-pay"})') == REQUESTS)
