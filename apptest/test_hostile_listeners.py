"""Every listener against bodies that are malformed, truncated, too large, or explode when they are unpacked: a clear error
in the listener's own form, bounded memory, others unaffected. What only OTLP can do wrong is in test_otlp_hostile.py."""
import functools
import http.client
import json
import socket
import time
import urllib.error
import urllib.request

import cramjam
import grpc
import pytest

import remote_write as rw
from harness import PATIENCE_S, Homeostat
from otlp_data import SERVICES, Context, full_logs
from small_app import CONFIG
from test_otlp_hostile import bombs, field, request_of
from watched import MIB, Watched

LOG = full_logs(Context())[0].SerializeToString()
SERIES = rw.series({"__name__": "hostile"}, rw.sample(1, 1))
QUESTION = json.dumps({"context": {"targetingKey": "ann", "service.name": "pay"}}).encode()
EXPERIMENT = json.dumps({"title": "t", "description": "d", "method": []}).encode()


class Listener:
    """One way in: what is good there, how much it may be, whose memory it is."""

    def __init__(self, name, port, path, good, kind="application/json", body_max=64 * MIB, process="serve", token=False):
        self.name, self.port, self.path, self.good, self.kind = name, port, path, good, kind
        self.body_max, self.process, self.token = body_max, process, token

    def head(self, h, coding=""):
        head = {"Content-Type": self.kind} | ({"Content-Encoding": coding} if coding else {})
        if self.name == "remote write":
            head |= {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
        return head | ({"Authorization": f"Bearer {h.token()}"} if self.token else {})

    def send(self, h, body, coding=""):
        """-> (status, text); 0: the connection was closed on us."""
        request = urllib.request.Request(h.url(self.port, self.path), body, self.head(h, coding), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except OSError:
            return 0, ""


def snappy(body):
    return bytes(cramjam.snappy.compress_raw(body))


PROTOBUF = "application/x-protobuf"
LISTENERS = [
    Listener("otlp http", "otlp_http", "/v1/logs", LOG, PROTOBUF),
    Listener("otlp http json", "otlp_http", "/v1/traces", b'{"resourceSpans":[]}'),
    Listener("remote write", "http", "/api/v1/write", snappy(SERIES), PROTOBUF),
    Listener("own api", "http", "/v1/changes/told", b'{"service":"pay","kind":"deploy","detail":"1"}', token=True),
    Listener("experiments", "http", "/v1/chaos/experiments", EXPERIMENT, token=True),
    Listener("promql", "http", "/api/v1/query", b"query=up", "application/x-www-form-urlencoded"),
    Listener("values", "values", "/ofrep/v1/evaluate/flags/pay.provider", QUESTION, body_max=MIB, process="values"),
]
each_listener = pytest.mark.parametrize("listener", LISTENERS, ids=lambda one: one.name)


@pytest.fixture(scope="module")
def h(tmp_path_factory):
    config = tmp_path_factory.mktemp("config") / "homeostat.yaml"
    config.write_text(CONFIG.split("objectives:")[0].replace("security.ingest_tokens", "# ") +
                      "knobs:" + CONFIG.split("knobs:")[1])
    with Homeostat(config=config, settings={"chaos.enabled": "true", "retention.max_age": "0"}) as homeostat:
        yield homeostat


def watch(h, process):
    """A sender and an evaluating client beside it."""
    def ask(one):
        status, text = one.send(h, one.good)
        return None if status == 200 else (one.name, status, text[:200])
    others = [functools.partial(ask, one) for one in LISTENERS if one.name in ("otlp http", "values")]
    pid, growth_max = (h.values_pid(), 100 * MIB) if process == "values" else (h.process.pid, 1000 * MIB)
    return Watched(pid, growth_max, *others)


def assert_refused(listener, answer, what, statuses=(400, 413, 415)):
    status, text = answer
    assert status in statuses, (listener.name, what, status, text[:300])
    assert len(text.strip()) >= 10, (listener.name, what, "no word about what is wrong", text)


@each_listener
def test_what_is_good_is_taken(h, listener):
    status, text = listener.send(h, listener.good)
    assert 200 <= status < 300, (status, text)


@each_listener
def test_malformed_and_truncated(h, listener):
    whole = listener.good
    with watch(h, listener.process) as watched:
        for body in (b"\xff" * 300, b"\x00" * 300, b"{" * 5000, b'{"a":' * 5000, b"\x0a\xff\xff\xff\xff\x0f" + b"a" * 50):
            if listener.name != "promql":
                assert_refused(listener, listener.send(h, body), body[:20])
        for size in range(1, len(whole), max(1, len(whole) // 40)):
            status, text = listener.send(h, whole[:size])
            assert status < 500 and status != 0, (listener.name, size, status, text)
            assert status < 300 or len(text.strip()) >= 10, (listener.name, size, text)
        for at in range(0, len(whole), max(1, len(whole) // 40)):
            status, text = listener.send(h, whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1:])
            assert status < 500 and status != 0, (listener.name, at, status, text)
    watched.check()


@each_listener
def test_oversized(h, listener):
    with watch(h, listener.process) as watched:
        # By its word, before any of it is sent.
        connection = http.client.HTTPConnection("127.0.0.1", h.ports[listener.port], timeout=60)
        connection.putrequest("POST", listener.path)
        for name, value in listener.head(h).items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(1 << 40))
        connection.endheaders()
        answer = connection.getresponse()
        assert_refused(listener, (answer.status, answer.read().decode()), "a length of 1 TiB", (413,))
        connection.close()
        # In truth; a client that is still sending may find the connection closed.
        answer = listener.send(h, bytes(listener.body_max + 1))
        if answer[0] != 0:
            assert_refused(listener, answer, "one byte too many", (413,))
    watched.check()


@each_listener
def test_chunks_without_end(h, listener):
    with watch(h, listener.process) as watched:
        connection = http.client.HTTPConnection("127.0.0.1", h.ports[listener.port], timeout=60)
        chunk = b"100000\r\n" + bytes(MIB) + b"\r\n"
        end = time.monotonic() + PATIENCE_S
        with pytest.raises(OSError):  # after the refusal it listens for a while, so that we can read it, and closes
            connection.putrequest("POST", listener.path)
            for name, value in (listener.head(h) | {"Transfer-Encoding": "chunked"}).items():
                connection.putheader(name, value)
            connection.endheaders()
            while time.monotonic() < end:
                connection.send(chunk)
        connection.close()
    watched.check()


@functools.cache
def all_bombs():
    return list(bombs())


@each_listener
def test_bombs(h, listener):
    with watch(h, listener.process) as watched:
        for name, body, coding in all_bombs():
            answer = listener.send(h, body, coding)
            # One that does not unpack says so, or takes the bytes for what they are: not its format.
            assert_refused(listener, answer, name) if listener.name != "promql" else None
            assert answer[0] < 500, (listener.name, name, answer)
        if listener.name == "remote write":
            assert_refused(listener, listener.send(h, rw.varint(1 << 30) + b"\x00a"), "snappy of 1 GiB by its word")
            status, text = listener.send(h, snappy(b"\x0a\x00" * (30 * MIB)))
            assert status in (204, 400, 413), text  # thirty million series without anything: there is nothing to store
    watched.check()


# Made when they are needed: a failure would print them whole.
CALLS = {
    "malformed": (lambda: b"\xff" * 300, ["INVALID_ARGUMENT"]),
    "truncated": (lambda: LOG[:len(LOG) // 2], ["INVALID_ARGUMENT"]),
    "oversized": (lambda: request_of(field(2, field(5, field(1, b"x" * 65 * MIB)))), ["RESOURCE_EXHAUSTED"]),
    "gzip of 200 MiB": (lambda: bytes(200 * MIB), ["RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"]),
}


def call(export, name):
    """-> (code, details) of the refusal; "OK" when it was taken."""
    packing = grpc.Compression.Gzip if "gzip" in name else grpc.Compression.NoCompression
    try:
        export(CALLS[name][0](), timeout=240, compression=packing)
    except grpc.RpcError as refused:
        return refused.code().name, refused.details()
    return "OK", ""


@pytest.mark.parametrize("name", CALLS)
def test_grpc(h, name):
    with watch(h, "serve") as watched:
        with grpc.insecure_channel(f"127.0.0.1:{h.ports['otlp_grpc']}",
                                   options=[("grpc.max_send_message_length", -1)]) as channel:
            export = channel.unary_unary(f"/opentelemetry.proto.collector.{SERVICES['logs']}/Export")
            code, details = call(export, name)
            assert code in CALLS[name][1], (code, details)
            assert details, "no word about what is wrong"
            export(LOG, timeout=60)  # the same connection goes on
    watched.check()


def test_hundreds_of_slow_clients_do_not_keep_others_out(h):
    begun = b"POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n\r\n{"
    waiting = []
    try:
        for _ in range(300):
            waiting.append(socket.create_connection(("127.0.0.1", h.ports["values"]), timeout=60))
            waiting[-1].sendall(begun)
        with watch(h, "values") as watched:
            time.sleep(2)
        watched.check()
    finally:
        for one in waiting:
            one.close()
