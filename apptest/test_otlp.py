"""What official clients' messages carry comes back equal, field by field, whichever way it was sent."""
import gzip
import secrets
import time
import urllib.parse

import grpc
import pytest
import requests

from harness import Homeostat
from otlp_data import REQUESTS, RESPONSES, SERVICES, Context, full_logs, full_trace, key_values, otlp_json
from otlp_metrics_data import full_metrics

TRANSPORTS = ("protobuf", "json", "gzip", "grpc", "grpc on the port of HTTP")


@pytest.fixture(scope="module")
def h():
    with Homeostat() as homeostat:
        yield homeostat


def send(h, signal, message, transport="protobuf"):
    """Sends, and checks that nothing was rejected or warned about."""
    if transport.startswith("grpc"):
        with grpc.insecure_channel(f"127.0.0.1:{h.ports['otlp_grpc' if transport == 'grpc' else 'otlp_http']}") as channel:
            call = channel.unary_unary(f"/opentelemetry.proto.collector.{SERVICES[signal]}/Export",
                                       request_serializer=REQUESTS[signal].SerializeToString,
                                       response_deserializer=RESPONSES[signal].FromString)
            assert not call(message, timeout=30).HasField("partial_success")
        return
    kind = "application/json" if transport == "json" else "application/x-protobuf"
    body = otlp_json(message) if transport == "json" else message.SerializeToString()
    headers = {"Content-Type": kind}
    if transport == "gzip":
        body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
    answer = requests.post(h.url("otlp_http", f"/v1/{signal}"), data=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind), answer.text
    assert answer.content == (b"{}" if transport == "json" else b"")


def get(h, path, **params):
    status, body = h.get(path + ("?" + urllib.parse.urlencode(params) if params else ""))
    assert status == 200, body
    return body


def bare(row):
    return {k: v for k, v in row.items() if k not in ("resource", "scope", "id")}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_traces_come_back_equal(h, transport):
    context = Context()
    request, want = full_trace(context)
    send(h, "traces", request, transport)
    h.flush()
    answer = get(h, f"/v1/traces/{want[0]['trace_id']}")
    assert [bare(s) for s in answer["spans"]] == want
    assert answer["truncated"] is False
    for span in answer["spans"]:
        context.check(answer, span)
    listed = get(h, "/v1/spans", service=context.service)
    assert [bare(s) for s in listed["spans"]] == want[::-1]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_logs_come_back_equal(h, transport):
    context = Context()
    request, want = full_logs(context)
    send(h, "logs", request, transport)
    h.flush()
    answer = get(h, "/v1/logs", service=context.service)
    assert [bare(r) for r in answer["logs"]] == want
    for record in answer["logs"]:
        context.check(answer, record)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_metrics_come_back_equal(h, transport):
    context = Context()
    request, want = full_metrics(context)
    send(h, "metrics", request, transport)
    h.flush()
    names = get(h, "/v1/series/names", service=context.service)["names"]
    assert sorted(n["name"] for n in names) == sorted(want)
    for name, series in want.items():
        answer = get(h, "/v1/series", name=name)
        assert [bare(s) for s in answer["series"]] == [series], name
        context.check(answer, answer["series"][0])


def test_filters_of_spans(h):
    context = Context()
    request, want = full_trace(context)
    send(h, "traces", request)
    h.flush()

    def names(**params):
        return [s["name"] for s in get(h, "/v1/spans", service=context.service, **params)["spans"]]

    everything = [s["name"] for s in want[::-1]]
    text = next(a["value"] for a in want[0]["attributes"] if a["key"] == "text")
    assert names(**{"attr.text": text, "attr.large": str(2**63 - 1), "attr.yes": "true"}) == everything
    assert names(**{"attr.text": text + "x"}) == []
    assert names(**{"attr.empty.text": ""}) == everything
    assert names(**{"attr.absent": ""}) == []
    assert names(**{"attr.yes": str(2**63 - 1), "attr.large": "true"}) == []  # both values exist, at other keys
    assert names(**{"resource.replicas": "3"}) == everything
    assert names(**{"resource.replicas": "4"}) == []
    assert names(kind="server") == ["op 2"]
    assert names(status="error") == ["op 5", "op 2"]
    assert names(min_duration="3.007us") == ["op 5", "op 4", "op 3"]
    assert names(max_duration="1007ns") == ["op 1", "op 0"]
    assert names(name="op 4") == ["op 4"]
    assert names(trace_id=want[0]["trace_id"].upper()) == everything
    assert names(start=want[4]["start_time_unix_nano"]) == ["op 5", "op 4"]
    assert names(end=want[1]["start_time_unix_nano"]) == ["op 1", "op 0"]
    assert names(start="2020-01-01T00:00:00Z", end="2020-01-02T00:00:00Z") == []
    services = {s["name"]: s for s in get(h, "/v1/services")["services"]}
    assert services[context.service]["instances"] == [f"{context.service}-1"]


def test_filters_of_logs_and_series(h):
    context = Context()
    request, want = full_logs(context)
    send(h, "logs", request)
    metrics, series = full_metrics(context)
    send(h, "metrics", metrics)
    h.flush()

    def numbers(**params):
        return [r["severity_number"] for r in get(h, "/v1/logs", service=context.service, **params)["logs"]]

    assert numbers(severity="warn") == [15, 14, 13]
    assert numbers(contains="DROP TABLE spans") == [1]
    assert numbers(contains="%") == []
    assert numbers(contains="back\ttab\nline") == [1]
    assert numbers(event_name="event.4") == [5]
    traced = next(r for r in want if r["trace_id"])
    assert numbers(trace_id=traced["trace_id"]) == [traced["severity_number"]]
    name = next(n for n in series if "gauge" in n)
    assert len(get(h, "/v1/series", **{"name": name, "label.route": "/a'b\\", "label.code": "200"})["series"]) == 1
    assert get(h, "/v1/series", **{"name": name, "label.route": "/a'b"})["series"] == []
    assert get(h, "/v1/series", name=name, points=0)["series"][0]["points"] == []
    newest = get(h, "/v1/series", name=name, points=2)["series"][0]["points"]
    assert newest == series[name]["points"][:2]


def test_paging_is_stable_while_data_come_in(h):
    """Rows of one nanosecond, over several requests and cuts; more arrive between the pages."""
    context = Context()
    at = context.now - 10**9

    def logs(count, first):
        request = REQUESTS["logs"]()
        by_resource = request.resource_logs.add()
        context.fill(by_resource, by_resource.scope_logs.add())
        for i in range(count):
            by_resource.scope_logs[0].log_records.add(
                time_unix_nano=at + (first + i) // 20, attributes=key_values({"n": first + i}))
        send(h, "logs", request)
        h.flush()

    for part in range(3):
        logs(40, part * 40)
    before = set(range(120))
    seen, cursor, pages = [], {}, 0
    while True:
        answer = get(h, "/v1/logs", service=context.service, limit=7, **cursor)
        seen += [r["attributes"][0]["value"] for r in answer["logs"]]
        pages += 1
        if pages in (2, 5):
            logs(40, 1000 * pages)  # at later and at the same times
        if "next_cursor" not in answer:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert len(seen) == len(set(seen))
    assert before <= set(seen)
    assert len(get(h, "/v1/logs", service=context.service, limit=1000)["logs"]) == 200


def test_partial_success_counts_what_was_rejected(h):
    context = Context()
    request, want = full_trace(context)
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    answer = requests.post(h.url("otlp_http", "/v1/traces"), data=request.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=30)
    partial = RESPONSES["traces"].FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 1)
    assert "trace_id" in partial.error_message
    h.flush()
    kept = get(h, "/v1/spans", service=context.service)["spans"]
    assert [bare(s) for s in kept] == [w for i, w in enumerate(want) if i != 1][::-1]


def test_an_unknown_trace_and_wrong_parameters_say_so(h):
    status, body = h.get("/v1/traces/" + secrets.token_hex(16))
    assert status == 404 and "no trace" in body["error"]["message"]
    for path, part in (("/v1/traces/xyz", "32 hex"), ("/v1/spans?servce=x", "did you mean 'service'"),
                       ("/v1/logs?limit=5000", "'limit'"), ("/v1/series", "'name' is required")):
        status, body = h.get(path)
        assert status == 400 and part in body["error"]["message"], (path, body)


def test_without_the_engine_reads_say_retry_and_writes_go_on(h):
    context = Context()
    h.kill("engine")
    answer = requests.get(h.url("http", "/v1/spans"), timeout=30)
    request, want = full_trace(context)
    send(h, "traces", request)
    if answer.status_code != 200:  # it may be back already
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1"), answer.text
    end = time.monotonic() + 30
    while h.get("/v1/services")[0] != 200 and time.monotonic() < end:
        time.sleep(0.2)
    h.flush()
    assert [bare(s) for s in get(h, f"/v1/traces/{want[0]['trace_id']}")["spans"]] == want
