"""`homeostat agent`: what it takes arrives whole and unchanged, and waits on its disk while nobody takes it."""
import gzip
import os
import re
import socket
import subprocess
import threading
import time

import pytest
import requests

from agent_process import Agent
from harness import Homeostat, free_ports, wait_for
from http_double import Answering, Double
from otlp_data import REQUESTS, Context, any_value, full_logs, full_trace, key_values
from otlp_metrics_data import full_metrics
from test_otlp import TRANSPORTS, bare, get, send

OTLP = {"Content-Type": "application/x-protobuf"}


@pytest.fixture(scope="module")
def h():
    with Homeostat() as homeostat:
        yield homeostat


@pytest.fixture(scope="module")
def agent(h):
    with Agent(h.url("otlp_http")) as one:
        yield one


class Receiver:
    """Takes OTLP/HTTP and keeps it; `answers` are given first, one a request: (status, headers, body)."""

    def __init__(self, answers=()):
        self.answers, self.got, self.asked_at = list(answers), [], []
        receiver = self

        class Handler(Answering):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.asked_at.append(time.monotonic())
                if receiver.answers:
                    status, headers, answer = receiver.answers.pop(0)
                    return self.answer(status, answer, headers=headers)
                receiver.got.append((self.path, dict(self.headers), body))
                self.answer(200)

        self.double = Double(Handler)
        self.url = f"http://{self.double.address}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.double.close()


def logs_of(*texts, size=0):
    request = REQUESTS["logs"]()
    records = request.resource_logs.add().scope_logs.add().log_records
    for text in texts:
        records.add(time_unix_nano=time.time_ns(), body={"string_value": text + "x" * size})
    return request


def post(agent, request, headers=None, signal="logs"):
    body = request if isinstance(request, bytes) else request.SerializeToString()
    return requests.post(agent.url("otlp_http", f"/v1/{signal}"), data=body, headers={**OTLP, **(headers or {})},
                         timeout=60)


def texts_in(receiver, by_name=False):
    """The bodies of log records; `by_name`: of requests that came again under their name, once."""
    bodies = [(headers["Homeostat-Shipment"].split(" oldest")[0], body) for path, headers, body in receiver.got
              if path.endswith("/v1/logs")]
    requests_ = [REQUESTS["logs"].FromString(b) for b in (dict(bodies).values() if by_name else [b for _, b in bodies])]
    return [r.body.string_value for q in requests_ for rl in q.resource_logs for sl in rl.scope_logs
            for r in sl.log_records]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_was_sent_to_the_agent_is_read_back_equal(h, agent, transport):
    context = Context()
    traces, want_spans = full_trace(context)
    logs, want_logs = full_logs(context)
    metrics, want_series = full_metrics(context)
    for signal, request in (("traces", traces), ("logs", logs), ("metrics", metrics)):
        send(agent, signal, request, transport)
    agent.wait_drained()
    h.flush()
    spans = get(h, f"/v1/traces/{want_spans[0]['trace_id']}")
    assert [bare(s) for s in spans["spans"]] == want_spans
    for span in spans["spans"]:
        context.check(spans, span)
    assert [bare(r) for r in get(h, "/v1/logs", service=context.service)["logs"]] == want_logs
    for name, series in want_series.items():
        assert [bare(s) for s in get(h, "/v1/series", name=name)["series"]] == [series], name


def test_tenants_headers_and_paths_are_passed_on():
    settings = {"agent.forward.headers": '["Authorization=Bearer abc", "X-Site=berlin"]',
                "agent.forward.compression": "none"}
    with Receiver() as receiver, Agent(receiver.url + "/otlp/", settings) as agent:
        request = logs_of("hello")
        assert post(agent, request, {"X-Scope-OrgID": "team-a"}).status_code == 200
        agent.wait_drained()
        (path, headers, body), = receiver.got
        assert (path, body) == ("/otlp/v1/logs", request.SerializeToString())
        assert (headers["Authorization"], headers["X-Site"], headers["X-Scope-OrgID"]) == (
            "Bearer abc", "berlin", "team-a")
        assert headers["Content-Type"] == "application/x-protobuf"
        assert re.fullmatch(r"stream=[0-9a-f]{32} number=1 oldest=1", headers["Homeostat-Shipment"])


def test_hostile_and_wrong_requests_are_refused_as_serve_does(agent):
    assert post(agent, b"\xff\xff\xff").status_code == 400
    assert post(agent, logs_of("x"), {"X-Scope-OrgID": "a/b"}).status_code == 400
    assert post(agent, logs_of("x" * (5 << 20))).status_code == 413
    assert requests.get(agent.url("otlp_http", "/v1/logs"), timeout=30).status_code == 405
    assert agent.get("/healthz") == (200, "ok\n")


def test_days_without_a_network_lose_nothing():
    """Nobody listens at first, the agent is restarted meanwhile; later everything comes, in order, once."""
    receiver = Receiver()
    receiver.double.close()
    with Agent(receiver.url) as agent:
        for i in range(50):
            assert post(agent, logs_of(f"before {i}")).status_code == 200
        agent.kill()
        agent.start()
        for i in range(50):
            assert post(agent, logs_of(f"after {i}")).status_code == 200
        status = agent.status()
        assert status["ready"] and status["queue"]["requests"] == 100
        wait_for("the problem is told", lambda: agent.status()["forward"]["problem"])
        assert agent.metrics()["homeostat_agent_queue_requests"] == 100
        agent.stop()
        with Receiver() as back:
            agent.settings["agent.forward.url"] = back.url
            agent.settings["agent.forward.connections"] = "1"
            agent.start()
            agent.wait_drained()
            assert texts_in(back) == [f"before {i}" for i in range(50)] + [f"after {i}" for i in range(50)]
            assert agent.metrics()["homeostat_agent_sent_items_total"] == 100
            agent.stop()
            agent.start()  # what was sent is known to be sent
            time.sleep(1)
            assert len(back.got) == 100


def test_asks_for_a_retry_are_honoured():
    answers = [(429, {"Retry-After": "2"}, b""), (503, {}, b""), (502, {}, b"")]
    with Receiver(answers) as receiver, Agent(receiver.url) as agent:
        assert post(agent, logs_of("a")).status_code == 200
        agent.wait_drained()
        assert texts_in(receiver) == ["a"]
        assert receiver.asked_at[1] - receiver.asked_at[0] >= 2
        assert agent.metrics()['homeostat_agent_failed_attempts_total{reason="busy"}'] == 3


def test_what_the_receiver_never_wants_does_not_block():
    answers = [(400, {}, b""), (413, {}, b"")] + [(500, {}, b"")] * 5
    with Receiver(answers) as receiver, Agent(receiver.url, {"agent.forward.connections": "1"}) as agent:
        for i in range(5):
            assert post(agent, logs_of(f"{i}")).status_code == 200
        agent.wait_drained()
        assert texts_in(receiver) == ["3", "4"]
        metrics = agent.metrics()
        assert metrics["homeostat_agent_dropped_requests_total"] == 3
        assert metrics["homeostat_agent_dropped_items_total"] == 3
        assert "400" in agent.tail()


def test_a_wrong_credential_keeps_the_queue():
    answers = [(401, {}, b"")] * 3 + [(404, {}, b"")]
    with Receiver(answers) as receiver, Agent(receiver.url) as agent:
        assert post(agent, logs_of("kept")).status_code == 200
        agent.wait_drained()
        assert texts_in(receiver) == ["kept"]


def test_at_the_bound_senders_are_told_to_retry_and_nothing_is_lost():
    with Receiver() as receiver:
        receiver.double.close()
        settings = {"agent.queue.max_bytes": "16MiB", "agent.forward.compression": "none"}
        with Agent(receiver.url, settings) as agent:
            taken = 0
            while (answer := post(agent, logs_of(str(taken), size=300_000))).status_code == 200:
                taken += 1
                assert taken < 100
            assert answer.status_code == 429
            assert int(answer.headers["Retry-After"]) > 0
            assert b"agent.queue.max_bytes" in answer.content
            assert agent.metrics()["homeostat_agent_queue_bytes"] <= 16 << 20
            assert agent.metrics()['homeostat_agent_refused_requests_total{reason="queue_full"}'] == 1
            agent.stop()
            with Receiver() as back:
                agent.settings["agent.forward.url"] = back.url
                agent.start()
                agent.wait_drained()
                assert sorted(int(t.rstrip("x")) for t in texts_in(back)) == list(range(taken))
                wait_for("room", lambda: post(agent, logs_of("room")).status_code == 200)


def test_memory_stays_bounded_with_a_backlog():
    """Twice as much waits on disk as the agent may have in memory, in large requests and in many small ones."""
    with Receiver() as receiver:
        receiver.double.close()
        settings = {"agent.forward.compression": "none", "agent.queue.min_free": "0"}
        with Agent(receiver.url, settings) as agent:
            def load(number):
                with requests.Session() as session:
                    for i in range(20):
                        for request in [logs_of(*[f"{number}-{i}-{n}" for n in range(800)], size=4000),
                                        *[logs_of(f"{number}-{i}-small-{n}") for n in range(20)]]:
                            answer = session.post(agent.url("otlp_http", "/v1/logs"), request.SerializeToString(),
                                                  headers=OTLP, timeout=120)
                            assert answer.status_code == 200

            threads = [threading.Thread(target=load, args=(n,)) for n in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert agent.metrics()["homeostat_agent_queue_bytes"] > 120 << 20
            peaks = [agent.memory_kib()]
            agent.kill()
            agent.start()  # reading it again must not hold it either
            peaks.append(agent.memory_kib())
            with Receiver() as back:
                agent.stop()
                agent.settings["agent.forward.url"] = back.url
                agent.start()
                agent.wait_drained()
                assert len(texts_in(back)) == 2 * 20 * 820
                peaks.append(agent.memory_kib())
            print("peak of RSS in KiB while receiving, after kill -9, while sending:", *peaks)
            assert max(peaks) <= 64 << 10


def test_files_and_syslog_are_kept_and_forwarded_too(tmp_path):
    """Lines of a file and syslog messages, redacted as everything else; each once, also when the agent is killed."""
    path = tmp_path / "app.log"
    path.write_text("first line of ann@example.org\n")
    syslog, = free_ports(1)
    settings = {"logs.files": f'["{path}"]', "listen.syslog_tcp": f"127.0.0.1:{syslog}",
                "agent.redact.patterns": '["email"]'}
    with Receiver() as receiver, Agent(receiver.url, settings) as agent:
        wait_for("the first line", lambda: "first line of [redacted:email]" in texts_in(receiver))
        agent.kill()
        with path.open("a") as file:
            file.write("second line\n")
        agent.start()
        with socket.create_connection(("127.0.0.1", syslog)) as connection:
            connection.sendall(b"<13>Oct 11 22:14:15 host app: by syslog of bob@example.org\n")
        wait_for("all", lambda: len(texts_in(receiver, by_name=True)) >= 3)
        agent.wait_drained()
        texts = texts_in(receiver, by_name=True)  # this receiver takes twice what was on its way at the kill
        assert [t for t in texts if "line" in t] == ["first line of [redacted:email]", "second line"]
        assert sum("by syslog of [redacted:email]" in t for t in texts) == 1 and len(texts) == 3
        assert b"example.org" not in b"".join(body for _, _, body in receiver.got) + agent.queue_bytes()


SECRETS = ["4111 1111 1111 1111", "ann@example.org", "Bearer abcdef0123456789", "hunter2", "tango-77"]
REDACT = {"agent.redact.patterns": '["credit_card", "email", "bearer", "url_password"]',
          "agent.redact.custom": '["code=code (tango-[0-9]+)"]', "agent.redact.drop_keys": '["dropped.*"]',
          "agent.redact.mask_keys": '["password"]', "agent.forward.compression": "none"}


def with_secrets():
    """Requests with a secret wherever text may stand."""
    texts = ["card 4111 1111 1111 1111", "ann@example.org", "Authorization: Bearer abcdef0123456789",
             "postgres://app:hunter2@db/x", "code tango-77"]
    attributes = key_values({"text": texts[0], "list": texts, "map": {"deep": {"url": texts[3]}},
                             "bytes": texts[1].encode(), "password": "hunter2", "dropped.this": "hunter2",
                             "kept": "kept"})
    requests_ = {name: REQUESTS[name]() for name in ("traces", "logs", "metrics")}
    for signal, request in requests_.items():
        group = getattr(request, f"resource_{'spans' if signal == 'traces' else signal}").add()
        group.resource.attributes.extend(key_values({"service.name": "secretive"}) + attributes)
        scope = getattr(group, f"scope_{'spans' if signal == 'traces' else signal}").add()
        scope.scope.attributes.extend(attributes)
    spans = requests_["traces"].resource_spans[0].scope_spans[0].spans
    for i, text in enumerate(texts):
        span = spans.add(trace_id=os.urandom(16), span_id=os.urandom(8), name=f"op {text}", attributes=attributes,
                         start_time_unix_nano=time.time_ns() - 10**9, end_time_unix_nano=time.time_ns())
        span.status.message = text
        span.events.add(name=text, attributes=attributes)
        span.links.add(trace_id=os.urandom(16), span_id=os.urandom(8), attributes=attributes)
        record = requests_["logs"].resource_logs[0].scope_logs[0].log_records.add(
            time_unix_nano=time.time_ns(), severity_text=text, event_name=text, attributes=attributes)
        record.body.CopyFrom(any_value(text if i % 2 else {"text": text, "password": "hunter2"}))
    point = requests_["metrics"].resource_metrics[0].scope_metrics[0].metrics.add(name="m").gauge.data_points.add(
        time_unix_nano=time.time_ns(), as_int=1, attributes=attributes)
    point.exemplars.add(time_unix_nano=time.time_ns(), as_int=1, filtered_attributes=attributes)
    return requests_


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_secrets_are_on_no_disk_and_in_no_answer(transport):
    """The receiver stays away at first: what stands in the queue is looked at, then what arrives."""
    receiver = Receiver()
    receiver.double.close()
    with Agent(receiver.url, REDACT) as agent:
        for signal, request in with_secrets().items():
            send(agent, signal, request, transport)
        on_disk = agent.queue_bytes()
        assert b"[redacted:credit_card]" in on_disk and b"secretive" in on_disk
        counts = agent.metrics()
        for pattern in ("credit_card", "email", "bearer", "url_password", "code", "drop_keys", "mask_keys"):
            assert counts[f'homeostat_agent_redacted_total{{pattern="{pattern}"}}'] > 0, pattern
        agent.stop()
        with Receiver() as back:
            agent.settings["agent.forward.url"] = back.url
            agent.start()
            agent.wait_drained()
            sent = b"".join(body for _, _, body in back.got)
            assert len(back.got) == 3
        for secret in SECRETS:
            assert secret.encode() not in on_disk + agent.queue_bytes() + sent, secret
        assert b"dropped.this" not in sent and b"[redacted]" in sent and b"kept" in sent
        assert b"postgres://app:[redacted:url_password]@db/x" in sent
        logs = REQUESTS["logs"].FromString(next(body for path, _, body in back.got if path == "/v1/logs"))
        bodies = [r.body.string_value for r in logs.resource_logs[0].scope_logs[0].log_records if r.body.string_value]
        assert bodies == ["[redacted:email]", "postgres://app:[redacted:url_password]@db/x"]


def test_requests_without_secrets_come_through_a_redacting_agent_equal(h):
    """JSON becomes protobuf, everything is taken apart and put together: nothing else changes."""
    with Agent(h.url("otlp_http"), REDACT) as agent:
        for transport in TRANSPORTS:
            context = Context()
            traces, want_spans = full_trace(context)
            logs, want_logs = full_logs(context)
            metrics, want_series = full_metrics(context)
            for signal, request in (("traces", traces), ("logs", logs), ("metrics", metrics)):
                send(agent, signal, request, transport)
            agent.wait_drained()
            h.flush()
            spans = get(h, f"/v1/traces/{want_spans[0]['trace_id']}")["spans"]
            assert [bare(s) for s in spans] == want_spans, transport
            assert [bare(r) for r in get(h, "/v1/logs", service=context.service)["logs"]] == want_logs, transport
            for name, series in want_series.items():
                assert [bare(s) for s in get(h, "/v1/series", name=name)["series"]] == [series], (transport, name)


def test_sampling_is_consistent_and_counts_stay_weighted():
    """Two agents keep the same traces; what is kept stands for all, and errors for themselves."""
    request = REQUESTS["traces"]()
    by_resource = request.resource_spans.add()
    by_resource.resource.attributes.extend(key_values({"service.name": "sampled"}))
    spans = by_resource.scope_spans.add().spans
    for i in range(1000):
        span = spans.add(trace_id=os.urandom(16), span_id=os.urandom(8), name="op", trace_state="vendor=1",
                         start_time_unix_nano=time.time_ns(), end_time_unix_nano=time.time_ns())
        if i % 10 == 0:
            span.status.code = 2
    settings = {"agent.sampling.ratio": "0.25", "agent.sampling.keep_errors": "true"}
    kept = []
    for transport in ("protobuf", "json"):
        with Receiver() as receiver, Agent(receiver.url, settings) as agent:
            send(agent, "traces", request, transport)
            agent.wait_drained()
            (_, _, body), = receiver.got
            kept.append([s for rs in REQUESTS["traces"].FromString(body).resource_spans for ss in rs.scope_spans
                         for s in ss.spans])
            assert agent.metrics()["homeostat_agent_sampled_out_spans_total"] == 1000 - len(kept[-1])
    assert [s.span_id for s in kept[0]] == [s.span_id for s in kept[1]]
    errors = [s for s in kept[0] if s.status.code == 2]
    others = [s for s in kept[0] if s.status.code != 2]
    assert len(errors) == 100 and {s.trace_state for s in errors} == {"vendor=1"}
    assert {s.trace_state for s in others} == {"ot=th:c,vendor=1"}
    assert {s.span_id for s in others} == {
        s.span_id for s in spans if s.status.code != 2 and int.from_bytes(s.trace_id[-7:], "big") >= 0xc0000000000000}
    assert abs(4 * len(others) - 900) < 350  # six standard deviations


def test_a_few_bytes_that_ask_for_much_memory_do_not_get_it():
    """Two million empty records in four megabytes: refused before they are columns."""
    records = b"\x12\x00" * (2_000_000 - 20)

    def nested(number, body):
        size, length = len(body), b""
        while size >= 0x80:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + body

    with Receiver() as receiver, Agent(receiver.url) as agent:
        assert post(agent, nested(1, nested(2, records))).status_code == 413
        assert post(agent, logs_of("and goes on")).status_code == 200
        assert agent.memory_kib() <= 64 << 10


def test_it_has_no_engine_and_no_children(agent):
    pid = agent.process.pid
    assert "chdb" not in open(f"/proc/{pid}/maps").read()
    children = [open(f"/proc/{pid}/task/{t}/children").read().strip() for t in os.listdir(f"/proc/{pid}/task")]
    assert not any(children)


def test_what_is_missing_is_said():
    agent = Agent("")
    done = subprocess.run(agent.command(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "agent.forward.url" in done.stderr
    help_text = subprocess.run([*agent.command()[:2], "--help"], capture_output=True, text=True, timeout=60).stdout
    assert "agent.forward.url" in help_text and "docs/agent.md" in help_text
