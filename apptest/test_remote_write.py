"""Prometheus remote write 1.0 through the real binary: what was acknowledged is stored, exactly once, as it was sent."""
import math
import struct
import time

import pytest
import requests

import remote_write as rw
from harness import Homeostat


@pytest.fixture(scope="module")
def h():
    with Homeostat(settings={"retention.max_age": "0", "ingest.body_max": "1MiB"}) as homeostat:
        yield homeostat


def post(h, body, path="/api/v1/write", **headers):
    return requests.post(h.url("http", path), data=body, headers={**rw.HEADERS, **headers}, timeout=30)


def write(h, *parts, **headers):
    answer = post(h, rw.body(*parts), **headers)
    assert answer.status_code == 204, answer.text
    assert answer.content == b""


def read(h, name, start="0"):
    h.flush()
    status, answer = h.get(f"/v1/series?name={name}&start={start}&points=100")
    assert status == 200, answer
    return answer["series"]


def now_ms():
    return int(time.time() * 1000)


def labels_of(one):
    return {a["key"]: a["value"] for a in one["attributes"]}


@pytest.mark.parametrize("path", ["/api/v1/write", "/prometheus/api/v1/write"])
def test_samples_are_stored_as_sent(h, path):
    name, at = f"rw_samples{path.count('/')}", now_ms()
    labels = {"__name__": name, "job": "api", "instance": "a:1", "le": "0.5"}
    body = rw.body(rw.series(labels, rw.sample(1.5, at), rw.sample(float("inf"), at + 1000)))
    assert post(h, body, path).status_code == 204
    [one] = read(h, name)
    assert (one["kind"], one["service"]) == ("untyped", "api")
    assert labels_of(one) == {"job": "api", "instance": "a:1", "le": "0.5"}
    points = sorted(one["points"], key=lambda p: int(p["time_unix_nano"]))
    assert [(int(p["time_unix_nano"]), p["value"]) for p in points] == [(at * 10**6, 1.5), ((at + 1000) * 10**6, "Infinity")]


def test_a_retry_is_not_stored_twice(h):
    body = rw.body(rw.series({"__name__": "rw_retry"}, rw.sample(1, now_ms())))
    assert [post(h, body).status_code for _ in range(3)] == [204] * 3
    assert len(read(h, "rw_retry")[0]["points"]) == 1


def test_out_of_order_and_1970(h):
    at = now_ms()
    for t in (at, at - 3_600_000, 0, 300_000):
        write(h, rw.series({"__name__": "rw_old"}, rw.sample(t, t)))
    times = {int(p["time_unix_nano"]) // 10**6 for p in read(h, "rw_old")[0]["points"]}
    assert times == {at, at - 3_600_000, 0, 300_000}


def test_old_samples_are_refused_while_retention_is_bounded():
    with Homeostat() as h:
        answer = post(h, rw.body(rw.series({"__name__": "m"}, rw.sample(1, 0), rw.sample(1, now_ms()))))
        assert answer.status_code == 400
        assert "1 samples rejected" in answer.text and "all others are stored" in answer.text
        assert len(read(h, "m")[0]["points"]) == 1
        assert post(h, rw.body(rw.series({"__name__": "m"}, rw.sample(1, now_ms() + 7_200_000)))).status_code == 400


def test_stale_markers_keep_their_bits(h):
    at = now_ms()
    write(h, rw.series({"__name__": "rw_stale"}, rw.sample(rw.STALE, at), rw.sample(math.nan, at + 1)))
    assert [p["value"] for p in read(h, "rw_stale")[0]["points"]] == ["NaN", "NaN"]


def test_native_histograms(h):
    at = now_ms()
    ints = rw.histogram(rw.integer(1, 13), rw.double(3, 20.5), rw.signed(4, 1), rw.double(5, 0.001), rw.integer(6, 2),
                        rw.spans(11, [(-2, 2), (1, 1)]), rw.deltas(12, [3, 1, 1]), rw.integer(15, at))
    floats = rw.histogram(rw.double(2, 3.5), rw.double(3, 7), rw.signed(4, -53), rw.spans(11, [(0, 2)]),
                          rw.doubles(13, [1.5, 2.0]), rw.integer(14, 3), rw.integer(15, at), rw.doubles(16, [1.0, 5.0]))
    write(h, rw.series({"__name__": "rw_ints"}, ints), rw.series({"__name__": "rw_floats"}, floats))
    [point] = read(h, "rw_ints")[0]["points"]
    assert (point["count"], point["sum"], point["scale"], point["zero_count"]) == (13, 20.5, 1, 2)
    assert point["positive"] == {"offset": -3, "counts": [3, 4, 0, 5]}
    [point] = read(h, "rw_floats")[0]["points"]
    assert (point["count"], point["scale"], point["bounds"]) == (3.5, -53, [1.0, 5.0])
    assert point["positive"] == {"offset": 0, "counts": [1.5, 2.0]}


def test_exemplars_and_metadata(h):
    at = now_ms()
    trace = "0102030405060708090a0b0c0d0e0f10"
    labels = {"__name__": "rw_ex_bucket", "le": "1"}
    write(h, rw.series(labels, rw.sample(5, at)))
    write(h, rw.series(labels, rw.exemplar(0.7, at + 1, trace_id=trace)), rw.family(1, "rw_ex", "Help.", "seconds"))
    write(h, rw.family(2, "rw_only_metadata", "Alone.", ""))
    [one] = read(h, "rw_ex_bucket")
    assert len(one["points"]) == 1  # the exemplar's row carries no point
    assert [(e["value"], e["trace_id"]) for e in one["exemplars"]] == [(0.7, trace)]


def test_tenants_are_apart(h):
    write(h, rw.series({"__name__": "rw_tenant"}, rw.sample(1, now_ms())), **{"X-Scope-OrgID": "other"})
    assert read(h, "rw_tenant") == []
    assert post(h, rw.body(), **{"X-Scope-OrgID": "no such/name"}).status_code == 400


PROTOBUF = "application/x-protobuf;proto="


@pytest.mark.parametrize("headers, status", [({"Content-Encoding": "gzip"}, 415),
                                             ({"Content-Type": "application/json"}, 415),
                                             ({"Content-Type": PROTOBUF + "io.prometheus.write.v3.Request"}, 415),
                                             ({"Content-Type": PROTOBUF + "prometheus.WriteRequest"}, 204)])
def test_content_types(h, headers, status):
    assert post(h, rw.body(rw.series({"__name__": "rw_types"}, rw.sample(1, now_ms()))), **headers).status_code == status


@pytest.mark.parametrize("body, status", [(b"", 400), (b"\xff" * 100, 400),
                                          (rw.body(b"\x0a\x7f"), 400),
                                          (rw.varint(2**32 - 1) + b"\x00a", 413),
                                          (rw.varint(1 << 20) + b"\x00a", 400),
                                          (rw.body(b"\x00" * (2 << 20)), 413),
                                          (b"x" * (2 << 20), 413),
                                          (rw.body(rw.series({"job": "x"}, rw.sample(1, 1))), 400)])
def test_hostile_bodies_get_clear_errors(h, body, status):
    answer = post(h, body)
    assert answer.status_code == status, answer.text
    assert answer.text.strip()
    assert post(h, rw.body()).status_code == 204  # others are unaffected


def test_senders_need_their_credential():
    with Homeostat(settings={"security.ingest_tokens": "prom=sesame0123456789"}) as h:
        body = rw.body(rw.series({"__name__": "m"}, rw.sample(1, now_ms())))
        assert post(h, body).status_code == 401
        assert post(h, body, Authorization="Bearer sesame0123456789").status_code == 204
        assert post(h, body, Authorization="Bearer sesame0123456789", Origin="http://evil.example").status_code == 403


def test_acknowledged_samples_survive_a_kill():
    with Homeostat() as h:
        sent = 0
        for i in range(20):
            write(h, rw.series({"__name__": "rw_kill"}, rw.sample(i, now_ms() + i)))
            sent += 1
        h.kill()
        h.start()
        assert len(read(h, "rw_kill")[0]["points"]) == sent


def test_a_full_journal_says_when_to_retry():
    h = Homeostat(settings={"journal.min_free": "900TB"})  # more than any disk has
    try:
        h.start(wait_engine=False)
        while h.status() is None:
            time.sleep(0.05)
        answer = post(h, rw.body(rw.series({"__name__": "m"}, rw.sample(1, now_ms()))))
        assert answer.status_code in (429, 503)
        assert int(answer.headers["Retry-After"]) >= 1
    finally:
        h.__exit__()
