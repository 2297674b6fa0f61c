"""Prometheus remote write 2.0 through the real binary: stored as sent, and the sender is told what was written."""
import time

import pytest
import requests

import remote_write as rw
import remote_write_v2 as v2
from harness import Homeostat


@pytest.fixture(scope="module")
def h():
    with Homeostat() as homeostat:
        yield homeostat


def post(h, request, **headers):
    return requests.post(h.url("http", "/api/v1/write"), data=request.body(), headers={**v2.HEADERS, **headers}, timeout=30)


def written(answer):
    return tuple(int(answer.headers[f"X-Prometheus-Remote-Write-{what}-Written"])
                 for what in ("Samples", "Histograms", "Exemplars"))


def points(h, name):
    h.flush()
    status, answer = h.get(f"/v1/series?name={name}&points=100")
    assert status == 200, answer
    return [p for one in answer["series"] for p in one["points"]]


def now_ms():
    return int(time.time() * 1000)


def native(at, start=0):
    return v2.histogram(rw.integer(1, 3), rw.double(3, 5.5), rw.signed(4, 0), rw.spans(11, [(0, 2)]), rw.deltas(12, [1, 1]),
                        rw.integer(15, at), rw.integer(17, start))


def test_everything_of_a_series_is_stored_and_counted(h):
    at, request = now_ms(), v2.Request()
    labels = {"__name__": "v2_requests_total", "job": "api", "instance": "a:1"}
    request.series(labels, v2.sample(5, at, at - 60_000), v2.sample(6, at + 1),
                   request.exemplar(0.5, at, trace_id="ab" * 16), request.metadata(1, "Requests.", "requests"))
    request.series({"__name__": "v2_seconds", "job": "api"}, native(at, at - 30_000), request.metadata(3, "Latency.", "s"))
    answer = post(h, request)
    assert (answer.status_code, written(answer)) == (204, (2, 1, 1))
    first, second = sorted(points(h, "v2_requests_total"), key=lambda p: int(p["time_unix_nano"]))
    assert (first["value"], second["value"]) == (5, 6)
    [histogram] = points(h, "v2_seconds")
    assert histogram["positive"] == {"offset": -1, "counts": [1, 2]}
    _, metadata = h.get("/api/v1/metadata?metric=v2_requests_total")
    assert metadata["data"]["v2_requests_total"] == [{"type": "counter", "help": "Requests.", "unit": "requests"}]
    around = f"start={at / 1000 - 10}&end={at / 1000 + 10}"
    _, found = h.get(f"/api/v1/query_exemplars?query=v2_requests_total&{around}")
    assert found["data"][0]["exemplars"][0]["labels"] == {"trace_id": "ab" * 16}


def test_start_times_are_in_the_store(h):
    at, request = now_ms(), v2.Request()
    post(h, request.series({"__name__": "v2_start"}, v2.sample(1, at, at - 5000)))
    assert [p["start_time_unix_nano"] for p in points(h, "v2_start")] == [str((at - 5000) * 10**6)]


def test_a_part_is_written_and_told(h):
    at, request = now_ms(), v2.Request()
    request.series({"__name__": "v2_part"}, v2.sample(1, at))
    request.series({"__name__": "v2_part", "job": ""}, v2.sample(1, 1000), native(1000))
    request.series({"job": "nameless"}, v2.sample(1, at))
    answer = post(h, request)
    assert (answer.status_code, written(answer)) == (400, (1, 0, 0))
    assert "all others are stored" in answer.text and "__name__" in answer.text
    assert len(points(h, "v2_part")) == 1


def test_nothing_written_is_told_too(h):
    request = v2.Request().series({"job": "nameless"}, v2.sample(1, now_ms()))
    for headers, status in (({}, 400), ({"X-Scope-OrgID": "no such/name"}, 400), ({"Content-Encoding": "zstd"}, 415)):
        answer = post(h, request, **headers)
        assert answer.status_code == status
        if status == 400:
            assert written(answer) == (0, 0, 0)


def test_a_retry_counts_the_same_and_is_stored_once(h):
    request = v2.Request().series({"__name__": "v2_retry"}, v2.sample(1, now_ms()))
    assert [written(post(h, request)) for _ in range(2)] == [(1, 0, 0)] * 2
    assert len(points(h, "v2_retry")) == 1


def test_acknowledged_samples_survive_a_kill():
    with Homeostat() as h:
        for i in range(10):
            assert post(h, v2.Request().series({"__name__": "v2_kill"}, v2.sample(i, now_ms() + i))).status_code == 204
        h.kill()
        h.start()
        assert len(points(h, "v2_kill")) == 10
