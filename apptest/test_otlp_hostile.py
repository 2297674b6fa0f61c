"""Malformed, truncated, oversized and exploding requests: a clear error, bounded memory, others unaffected."""
import gzip
import struct
import zlib

import grpc
import pytest
import requests

from harness import Homeostat
from otlp_data import SERVICES, Context, full_logs, full_trace, otlp_json
from watched import MIB, Watched

BODY_MAX = 64 * MIB
# serve may grow by this much while it refuses such requests: a body, its decoded form (DecodeLimits), and the same for
# the few that are decoded at once. Bombs ask for gigabytes.
GROWTH_MAX = 1000 * MIB


@pytest.fixture(scope="module")
def h():
    with Homeostat() as homeostat:
        yield homeostat


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(tag, payload):
    return varint(tag << 3 | 2) + varint(len(payload)) + payload


def request_of(items):
    """A request of any signal whose one scope holds these encoded items."""
    return field(1, field(2, items))


def bombs():
    zeros = bytes(MIB)
    packer = zlib.compressobj(9, wbits=31)
    yield "gzip of 2 GiB", b"".join(packer.compress(zeros) for _ in range(2048)) + packer.flush(), "gzip"
    yield "gzip of gzip", gzip.compress(gzip.compress(bytes(100 * MIB))), "gzip"
    raw_block = struct.pack("<I", (128 * 1024) << 3 | 1 << 1)[:3] + b"\0"  # zstd: RLE block of 128 KiB
    last_block = struct.pack("<I", 1)[:3]
    yield "zstd of 2 GiB", b"\x28\xb5\x2f\xfd\x00\x58" + raw_block * 16384 + last_block, "zstd"
    yield "zstd with a window of 2 GiB", b"\x28\xb5\x2f\xfd\x00\xa8" + raw_block + last_block, "zstd"


def hostile_bodies():
    attribute = field(1, b"a")
    deep = b""
    for _ in range(200):
        deep = field(5, field(1, deep))
    yield "two bytes a record", "logs", request_of(b"\x12\x00" * (8 * MIB))
    yield "tiny attributes", "logs", request_of(field(2, field(6, attribute) * 1000) * 7_000)
    yield "two bytes a point", "metrics", request_of(field(2, field(1, b"m") + field(9, b"\x0a\x00" * (8 * MIB))))
    yield "two bytes a resource", "traces", b"\x0a\x00" * (8 * MIB)
    yield "empty scopes", "traces", field(1, b"\x12\x00" * (8 * MIB))
    yield "links without end", "traces", request_of(field(2, b"\x6a\x00" * (8 * MIB)))
    yield "deep values", "logs", request_of(field(2, field(5, deep)))
    yield "lengths that lie", "traces", b"\x0a\xff\xff\xff\xff\x0f" + bytes(1000)


def watch(h):
    """Serve, and a sender beside it."""
    body = full_logs(Context())[0].SerializeToString()

    def send():
        answer = post(h, "logs", body)
        return None if answer.status_code == 200 else (answer.status_code, answer.text[:200])
    return Watched(h.process.pid, GROWTH_MAX, send)


def post(h, signal, body, coding="", kind="application/x-protobuf"):
    headers = {"Content-Type": kind} | ({"Content-Encoding": coding} if coding else {})
    return requests.post(h.url("otlp_http", f"/v1/{signal}"), data=body, headers=headers, timeout=120)


def call(h, signal, body):
    with grpc.insecure_channel(f"127.0.0.1:{h.ports['otlp_grpc']}",
                               options=[("grpc.max_send_message_length", -1)]) as channel:
        try:
            channel.unary_unary(f"/opentelemetry.proto.collector.{SERVICES[signal]}/Export")(body, timeout=120)
            return grpc.StatusCode.OK
        except grpc.RpcError as error:
            return error.code()


def test_bombs(h):
    with watch(h) as watched:
        for name, body, coding in bombs():
            answer = post(h, "logs", body, coding)
            assert answer.status_code in (400, 413), (name, answer.status_code, answer.text[:200])
    watched.check()


def test_small_things_that_want_to_be_large(h):
    with watch(h) as watched:
        for name, signal, body in hostile_bodies():
            assert len(body) <= BODY_MAX, name
            answer = post(h, signal, body)
            assert answer.status_code in (200, 400, 413), (name, answer.status_code, answer.text[:200])
            packed = post(h, signal, gzip.compress(body, 1), "gzip")
            assert packed.status_code == answer.status_code, name
            assert call(h, signal, body) in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT,
                                             grpc.StatusCode.RESOURCE_EXHAUSTED), name
    watched.check()


def test_json_that_wants_to_be_large(h):
    with watch(h) as watched:
        logs = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":['
        for name, body in (("brackets", b"[" * (60 * MIB)), ("values", b"[" + b"1," * (30 * MIB) + b"1]"),
                           ("objects", logs + b"{}," * (19 * MIB) + b"{}]}]}]}")):
            answer = post(h, "logs", body, kind="application/json")
            assert answer.status_code in (400, 413), (name, answer.status_code)
    watched.check()


def test_every_truncation_and_many_damages(h):
    context = Context()
    whole = full_trace(context)[0]
    for body, kind in ((whole.SerializeToString(), "application/x-protobuf"), (otlp_json(whole), "application/json")):
        for size in range(1, len(body), max(1, len(body) // 60)):
            assert post(h, "traces", body[:size], kind=kind).status_code in (200, 400), size
        for at in range(0, len(body), max(1, len(body) // 60)):
            damaged = body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1:]
            assert post(h, "traces", damaged, kind=kind).status_code in (200, 400), at
    assert post(h, "traces", whole.SerializeToString()).status_code == 200
    h.flush()


def test_oversized(h):
    body = request_of(field(2, field(5, field(1, b"x" * BODY_MAX))))
    assert post(h, "logs", body).status_code == 413
    assert call(h, "logs", body) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert post(h, "logs", gzip.compress(body, 1), "gzip").status_code == 413
