"""Our own listeners over TLS (docs/tls.md): SDKs, wrong clients, clients' certificates, certificates that change."""
import contextlib
import gzip
import http.client
import json
import pathlib
import secrets
import signal
import socket
import ssl
import subprocess
import time
import urllib.error

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent_process import Agent
from certificates import Authority
from harness import Homeostat, binary, wait_for
from test_sdk import get, run_sdk

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LISTENERS = ("otlp_grpc", "otlp_http", "http")


class Secured(Homeostat):
    def __init__(self, authority, identity, shown=None, **more):
        super().__init__(settings={"tls.cert_file": identity[0], "tls.key_file": identity[1],
                                   "tls.listeners": "[otlp_grpc, otlp_http, http]", **more})
        self.authority, self.identity = authority, identity
        self.context = authority.client_context(shown)
        self.tls = {listener: self.context for listener in LISTENERS}

    def reload(self, said):
        before = self.log.read_text().count(said)
        self.process.send_signal(signal.SIGHUP)
        wait_for(said, lambda: self.log.read_text().count(said) > before)

    def connect(self, listener, context=None):
        raw = socket.create_connection(("127.0.0.1", self.ports[listener]), timeout=30)
        try:
            return (context or self.context).wrap_socket(raw, server_hostname="localhost")
        except BaseException:
            raw.close()
            raise

    def channel(self, shown=None):
        """A gRPC channel; shown: the client's certificate."""
        parts = {"private_key": shown[1].read_bytes(), "certificate_chain": shown[0].read_bytes()} if shown else {}
        return grpc.secure_channel(f"localhost:{self.ports['otlp_grpc']}", grpc.ssl_channel_credentials(
            self.authority.cert.read_bytes(), **parts))

    def export(self, channel, request, timeout=60):
        return channel.unary_unary(METHOD)(request.SerializeToString(), timeout=timeout)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def h(authority):
    with Secured(authority, authority.sign("server", "/CN=homeostat")) as homeostat:
        yield homeostat


def one_span(service, size=1):
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add()
    spans.resource.attributes.add(key="service.name").value.string_value = service
    span = spans.scope_spans.add().spans.add(
        trace_id=secrets.token_bytes(16), span_id=secrets.token_bytes(8), name="x",
        start_time_unix_nano=time.time_ns(), end_time_unix_nano=time.time_ns())
    for i in range(0, size, 1 << 19):  # below limits.value_bytes
        span.attributes.add(key=f"filler.{i}").value.string_value = "x" * min(size - i, 1 << 19)
    return request


def spans_of(h, service):
    h.flush()
    return get(h, "/v1/spans", service=service)["spans"]


@pytest.mark.parametrize("lang", ["python", "node"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_official_sdks(h, authority, lang, protocol):
    service = f"tls-{lang}-{secrets.token_hex(4)}"
    ids = run_sdk(h, lang, protocol, service, int(time.time() * 1000) - 2000,
                  OTEL_EXPORTER_OTLP_CERTIFICATE=str(authority.cert), NODE_EXTRA_CA_CERTS=str(authority.cert),
                  REQUESTS_CA_BUNDLE=str(authority.cert))  # where one is set it wins over the exporter's
    assert len(get(h, f"/v1/traces/{ids['checkout'][0]}")["spans"]) >= 2
    assert get(h, "/v1/logs", service=service)["logs"]


def test_versions(h, authority):
    with h.connect("http") as s:
        assert s.version() == "TLSv1.3"
    old = authority.client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    for listener in LISTENERS:
        with h.connect(listener, old) as s:
            assert (s.version(), s.cipher()[0][:6]) == ("TLSv1.2", "ECDHE-")
    for cipher in ("AES128-SHA", "AES128-GCM-SHA256"):  # no forward secrecy
        old.set_ciphers(cipher)
        for listener in ("otlp_http", "http"):
            with pytest.raises(ssl.SSLError):
                h.connect(listener, old)


def test_large_bodies_both_ways_and_a_slow_reader(h):
    service = f"tls-{secrets.token_hex(4)}"
    body = one_span(service, size=20 << 20).SerializeToString()
    client = http.client.HTTPSConnection("127.0.0.1", h.ports["otlp_http"], context=h.context, timeout=120)
    for encoding, data in (("identity", body), ("gzip", gzip.compress(body, 1))):  # on one connection
        client.request("POST", "/v1/traces", data, {"Content-Type": "application/x-protobuf",
                                                    "Content-Encoding": encoding})
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    for i in range(50):
        assert h.request("POST", "/v1/traces", one_span(service, 50_000).SerializeToString(), listener="otlp_http",
                         headers={"Content-Type": "application/x-protobuf"})[0] == 200, i
    h.flush()
    with h.connect("http") as s:  # an answer of megabytes, read in sips
        s.sendall(f"GET /v1/spans?service={service}&limit=1000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                  .encode())
        received = b""
        while piece := s.recv(4096):
            received += piece
    assert received.startswith(b"HTTP/1.1 200") and len(received) > 2_000_000
    # Pipelined requests are answered in order; HEAD and HTTP/1.0 end as they should.
    with h.connect("http") as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3 +
                  b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := s.recv(4096):
            received += piece
    assert received.count(b"HTTP/1.1 200 OK") == 4 and received.count(b"ok\n") == 3


def test_who_speaks_no_tls(h):
    for listener in ("otlp_http", "http"):
        plain = http.client.HTTPConnection("127.0.0.1", h.ports[listener], timeout=30)
        plain.request("GET", "/healthz")
        answer = plain.getresponse()
        assert (answer.status, b"https" in answer.read()) == (400, True)
    silent = [socket.create_connection(("127.0.0.1", h.ports["otlp_http"]), timeout=60) for _ in range(50)]
    for garbage in (b"\x16\x03\x01\xff\xff" + b"\x00" * 500, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\x00" * 9000):
        with socket.create_connection(("127.0.0.1", h.ports["otlp_http"]), timeout=30) as s:
            with contextlib.suppress(OSError):  # it may be closed at any of these steps
                s.sendall(garbage)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
    assert h.request("GET", "/v1/nothing", listener="otlp_http")[0] == 404
    assert h.metrics()['homeostat_http_failed_handshakes_total{listener="otlp_http"}'] >= 3
    wait_for("those who never shake hands are closed", lambda: all(s.recv(1) == b"" for s in silent))
    for s in silent:
        s.close()


def test_a_client_that_leaves_stops_what_it_asked_for(h):
    """Cut in the middle of a request, of an answer, with and without saying so: nothing is left behind."""
    for _ in range(20):
        s = h.connect("http")
        s.sendall(b"GET /v1/spans?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        s.close()
        s = h.connect("otlp_http")
        s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n12345")
        with contextlib.suppress(OSError):
            s.setblocking(False)
            s.unwrap()
        s.close()

    def open_connections():
        return sum(value for name, value in h.metrics().items() if name.startswith("homeostat_http_connections{"))
    wait_for("only the question's own connection is left", lambda: open_connections() <= 1)


def test_the_command_line_finds_the_listener(h):
    command = [binary(), "chaos", "faults", "--data", str(h.data)]
    for key, value in {**h.settings, "listen.http": f"127.0.0.1:{h.ports['http']}"}.items():
        command += ["--set", f"{key}={value}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (0, "no fault is on\n"), run.stderr


def serial(h, listener):
    context = ssl.create_default_context(cafile=str(h.authority.cert))
    if listener == "otlp_grpc":
        context.set_alpn_protocols(["h2"])
    with h.connect(listener, context) as s:
        return s.getpeercert()["serialNumber"]


def test_certificates_are_read_again_at_sighup(tmp_path):
    authority = Authority(tmp_path)
    identity = authority.sign("server", "/CN=homeostat")
    with Secured(authority, identity) as h:
        channel = h.channel()
        h.export(channel, one_span("reload"))
        before = {listener: serial(h, listener) for listener in LISTENERS}
        key = identity[1].read_text()
        identity[1].write_text("no key\n")
        h.reload("configuration not applied")
        assert f"tls.key_file {identity[1]}" in h.tail()
        identity[1].write_text(key)
        authority.sign("server", "/CN=homeostat")
        assert {listener: serial(h, listener) for listener in LISTENERS} == before
        h.reload("configuration applied")
        for listener in LISTENERS:
            assert serial(h, listener) != before[listener]
        h.export(channel, one_span("reload"))  # the connection of before goes on
        with h.channel() as new:
            h.export(new, one_span("reload"))
        assert len(spans_of(h, "reload")) == 3
        channel.close()


def test_clients_show_their_certificates(tmp_path):
    """mTLS for senders; people with a browser and a token need none."""
    authority, others = Authority(tmp_path / "a"), Authority(tmp_path / "b", "Someone else")
    identity = authority.sign("server", "/CN=homeostat")
    sender, stranger = authority.sign("sender", "/CN=checkout"), others.sign("stranger", "/CN=checkout")
    more = {"tls.client_ca_file": authority.cert, "tls.verify_clients": "[otlp_grpc, otlp_http]"}
    with Secured(authority, identity, **more) as h:
        assert h.get("/healthz")[0] == 200
        known = authority.client_context(sender)
        h.tls["otlp_http"] = known
        body = one_span("known").SerializeToString()
        head = {"Content-Type": "application/x-protobuf"}
        assert h.request("POST", "/v1/traces", body, head, "otlp_http")[0] == 200
        with h.channel(sender) as channel:
            h.export(channel, one_span("known"))
        for shown in (None, stranger):
            h.tls["otlp_http"] = authority.client_context(shown)
            with pytest.raises((urllib.error.URLError, OSError)):
                h.request("POST", "/v1/traces", one_span("unknown").SerializeToString(), head, "otlp_http")
            with h.channel(shown) as channel, pytest.raises(grpc.RpcError) as refused:
                h.export(channel, one_span("unknown"), timeout=5)
            assert refused.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        assert len(spans_of(h, "known")) == 2 and not spans_of(h, "unknown")


@pytest.mark.parametrize("change, said", [
    ({"tls.key_file": ""}, "tls.key_file is not set"),
    ({"tls.listeners": "[]"}, "shown by nobody: name listeners in tls.listeners"),
    ({"tls.listeners": "[otlp]"}, "tls.listeners: 'otlp' is none of otlp_grpc, otlp_http, http"),
    ({"tls.verify_clients": "[http]"}, "tls.verify_clients: http needs tls.client_ca_file"),
    ({"tls.cert_file": ""}, "tls.cert_file is not set"),
    ({"tls.client_ca_file": "/nowhere"}, "tls.client_ca_file /nowhere"),
])
def test_what_is_wrong_is_named(authority, change, said):
    assert said in Secured(authority, authority.sign("named", "/CN=homeostat"), **change).refused_start()


def test_other_addresses_with_a_certificate_of_each_client(authority, tmp_path):
    """A verified client is one with a credential: no --insecure-bind is needed."""
    identity = authority.sign("wide", "/CN=homeostat")
    h = Secured(authority, identity, authority.sign("client", "/CN=client"), **{"tls.client_ca_file": authority.cert})
    for listener in LISTENERS:
        h.settings[f"listen.{listener}"] = f"0.0.0.0:{h.ports[listener]}"
    with h:
        assert h.get("/healthz")[0] == 200
        assert "without TLS" not in h.log.read_text()


def test_an_agent_forwards_over_tls(tmp_path):
    """agent.forward.* with our certificate, the receiver's verified; a receiver that is not who it should be gets
    nothing, and nothing is lost."""
    authority, others = Authority(tmp_path / "a"), Authority(tmp_path / "b", "Someone else")
    identity, shown = authority.sign("server", "/CN=homeostat"), authority.sign("agent", "/CN=agent")
    more = {"tls.client_ca_file": authority.cert, "tls.verify_clients": "[otlp_http]"}
    with Secured(authority, identity, **more) as h:
        settings = {"agent.forward.ca_file": others.cert, "agent.forward.cert_file": shown[0],
                    "agent.forward.key_file": shown[1]}
        with Agent(f"https://localhost:{h.ports['otlp_http']}", settings) as agent:
            def send(service):
                request = one_span(service).SerializeToString()
                with grpc.insecure_channel(f"127.0.0.1:{agent.ports['otlp_grpc']}") as channel:
                    channel.unary_unary(METHOD)(request, timeout=30)
            for _ in range(5):
                send("agent-tls")
            wait_for("the certificate is refused", lambda: "certificate" in agent.status()["forward"]["problem"])
            assert agent.status()["queue"]["requests"] == 5
            agent.stop()
            agent.settings["agent.forward.ca_file"] = authority.cert
            agent.start()
            agent.wait_drained()
            send("agent-tls")
            agent.wait_drained()
            assert len(spans_of(h, "agent-tls")) == 6


def test_an_agent_listens_over_tls(authority):
    identity = authority.sign("agent-server", "/CN=agent")
    context = authority.client_context()
    with Homeostat() as h:
        settings = {"tls.cert_file": identity[0], "tls.key_file": identity[1], "tls.listeners": "[otlp_grpc, otlp_http]"}
        with Agent(h.url("otlp_http"), settings) as agent:
            client = http.client.HTTPSConnection("localhost", agent.ports["otlp_http"], context=context, timeout=60)
            client.request("POST", "/v1/traces", one_span("to-agent").SerializeToString(),
                           {"Content-Type": "application/x-protobuf"})
            assert client.getresponse().status == 200
            key = identity[1].read_text()
            pathlib.Path(identity[1]).write_text("no key")
            agent.process.send_signal(signal.SIGHUP)
            wait_for("the agent says so", lambda: "certificates not applied" in agent.log.read_text())
            pathlib.Path(identity[1]).write_text(key)
            agent.process.send_signal(signal.SIGHUP)
            wait_for("the agent takes them", lambda: "certificates applied" in agent.log.read_text())
            with grpc.secure_channel(f"localhost:{agent.ports['otlp_grpc']}", grpc.ssl_channel_credentials(
                    authority.cert.read_bytes())) as channel:
                channel.unary_unary(METHOD)(one_span("to-agent").SerializeToString(), timeout=30)
            agent.wait_drained()
            assert len(spans_of(h, "to-agent")) == 2
