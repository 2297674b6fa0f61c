"""Remote read by hand: what was written comes back, numbers and native histograms, from memory and from the engine."""
import struct
import time

import cramjam
import pytest
import requests

import remote_write as rw
from harness import Homeostat
from test_prometheus_api import write

HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
           "X-Prometheus-Remote-Read-Version": "0.1.0"}
EQUAL, NOT_EQUAL, REGEX, NOT_REGEX = range(4)


@pytest.fixture(scope="module")
def h():
    with Homeostat(settings={"retention.max_age": "0", "prometheus.max_samples": "5000"}) as homeostat:
        yield homeostat


def fields(data):
    """-> [(field, value)] of one message: numbers, 8-byte values and bytes."""
    out, at = [], 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return value
    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            out.append((tag >> 3, number()))
            continue
        length = 8 if tag & 7 == 1 else number()
        out.append((tag >> 3, data[at:at + length]))
        at += length
    return out


def real(value):
    return struct.unpack("<d", value)[0]


def every(message, field):
    return [value for tag, value in message if tag == field]


def one(message, field, otherwise=None):
    return next(iter(every(message, field)), otherwise)


def reals(message, field):
    return [v for packed in every(message, field) for v in struct.unpack(f"<{len(packed) // 8}d", packed)]


def zigzag(number):
    return number >> 1 ^ -(number & 1)


def histogram_of(message):
    spans = [(zigzag(one(s, 1, 0)), one(s, 2)) for s in map(fields, every(message, 11))]
    return {"t": one(message, 15), "count": real(one(message, 2)), "sum": one(message, 3),
            "schema": zigzag(one(message, 4, 0)), "spans": spans, "counts": reals(message, 13), "bounds": reals(message, 16)}


def series_of(message):
    labels = {one(fields(label), 1).decode(): one(fields(label), 2).decode() for label in every(message, 1)}
    samples = [(one(s, 2), one(s, 1)) for s in map(fields, every(message, 2))]
    return labels, samples, [histogram_of(fields(s)) for s in every(message, 4)]


def query(start, end, *matchers):
    return rw.message(1, rw.integer(1, start) + rw.integer(2, end) + b"".join(
        rw.message(3, rw.integer(1, kind) + rw.message(2, name.encode()) + rw.message(3, value.encode()))
        for kind, name, value in matchers))


def post(h, *parts, **headers):
    body = bytes(cramjam.snappy.compress_raw(b"".join(parts)))
    return requests.post(h.url("http", "/api/v1/read"), data=body, headers={**HEADERS, **headers}, timeout=60)


def read(h, *queries, **headers):
    """-> for each query its series: (labels, [(time, value's bytes)], [histogram])"""
    answer = post(h, *queries, rw.message(2, bytes([1, 0])), **headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Encoding"] == "snappy" and answer.headers["Content-Type"] == "application/x-protobuf"
    results = fields(bytes(cramjam.snappy.decompress_raw(answer.content)))
    return [[series_of(fields(s)) for s in every(fields(result), 1)] for _, result in results]


def bits(value):
    return struct.pack("<d", value)


# Now: what is kept in memory. 2001: what only the engine has.
@pytest.mark.parametrize("now", [int(time.time() * 1000), 1_000_000_000_000])
def test_what_was_written_is_read(h, now):
    tenant = {"X-Scope-OrgID": f"read{now}"}
    counts = rw.integer(1, 13) + rw.double(3, 20.5) + rw.signed(4, 1) + rw.double(5, 0.001) + rw.integer(6, 2)
    write(h, rw.series({"__name__": "x", "job": "b", "ü": "ö"}, *[rw.sample(n / 3, now - n * 1000) for n in (3, 2, 1)]),
          rw.series({"__name__": "x", "job": "a"}, rw.sample(1, now - 2000), rw.sample(rw.STALE, now - 1000)),
          rw.series({"__name__": "y", "job": "c"}, rw.sample(7, now - 500),
                    rw.histogram(counts, rw.spans(11, [(-2, 2), (1, 1)]), rw.deltas(12, [3, 1, 1]),
                                 rw.integer(15, now - 100))),
          rw.series({"__name__": "z"},
                    rw.histogram(rw.double(2, 6.5), rw.double(3, 9), rw.signed(4, -53), rw.spans(11, [(0, 2)]),
                                 rw.doubles(13, [2, 4.5]), rw.doubles(16, [0.5, 1]), rw.integer(15, now - 50))), **tenant)
    first, second, none, custom = read(h, query(now - 2000, now, (EQUAL, "__name__", "x")),
                                       query(now - 5000, now, (REGEX, "__name__", "x|y"), (NOT_EQUAL, "job", "a"),
                                             (NOT_REGEX, "job", "b.*")),
                                       query(now + 1, now + 2000, (EQUAL, "__name__", "x")),
                                       query(now - 50, now - 50, (EQUAL, "__name__", "z")), **tenant)
    assert first == [({"__name__": "x", "job": "a"}, [(now - 2000, bits(1)), (now - 1000, rw.STALE)], []),
                     ({"__name__": "x", "job": "b", "ü": "ö"}, [(now - 2000, bits(2 / 3)), (now - 1000, bits(1 / 3))], [])]
    [(labels, samples, histograms)] = second
    assert labels == {"__name__": "y", "job": "c"} and samples == [(now - 500, bits(7))]
    assert histograms == [{"t": now - 100, "count": 13, "sum": bits(20.5), "schema": 1, "bounds": [],
                           "spans": [(-2, 2), (1, 1)], "counts": [3, 4, 5]}]
    assert none == []
    [(_, _, [bounded])] = custom
    assert (bounded["schema"], bounded["counts"], bounded["bounds"]) == (-53, [2, 4.5], [0.5, 1])
    assert read(h, query(0, now, (EQUAL, "__name__", "x"))) == [[]]  # of another tenant


def test_large_answers_and_limits(h):
    now = int(time.time() * 1000)
    for at in range(0, 6000, 1000):
        write(h, rw.series({"__name__": "many"}, *[rw.sample(n, now - n) for n in range(at, at + 1000)]))
    [[(_, samples, _)]] = read(h, query(now - 4900, now, (EQUAL, "__name__", "many")))
    assert [t for t, _ in samples] == list(range(now - 4900, now + 1))
    answer = post(h, query(now - 6000, now, (EQUAL, "__name__", "many")))
    assert answer.status_code == 422 and "too many samples" in answer.text


def test_what_is_no_request(h):
    matcher = (EQUAL, "a", "b")
    assert requests.post(h.url("http", "/api/v1/read"), data=b"nonsense", headers=HEADERS, timeout=60).status_code == 400
    for parts, text in (((query(0, 1, matcher), rw.message(2, bytes([1]))), "SAMPLES"), ((query(0, 1),), "matcher"),
                        ((query(0, 1, (REGEX, "a", "(")),), "("), ((query(0, 1, (7, "a", "b")),), "type 7"),
                        ((query(0, 1, matcher),) * 65, "64 queries")):
        answer = post(h, *parts)
        assert answer.status_code == 400 and text in answer.text, answer.text
    assert post(h, query(0, 1, matcher), **{"X-Scope-OrgID": "a/b"}).status_code == 400
    assert post(h, b"\0" * (2 << 20)).status_code == 422
