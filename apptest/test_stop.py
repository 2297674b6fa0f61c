"""SIGTERM ends `serve`, engine included, whatever else hangs: clients, targets, receivers, queries, the engine itself.

What would hang here hangs for longer than the tests wait. The times are for the soak: python test_stop.py prints them.
"""
import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time

import pytest

from engine_process import alive, wait_gone
from harness import PATIENCE_S, Homeostat, free_ports, is_stopped, wait_for
from kill_load import Sender

FOR_EVER = f"{10 * PATIENCE_S}s"


class Silent:
    """A server that takes connections and never answers."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.taken = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.taken.append(self.socket.accept()[0])

    def asked(self):
        return any(s.recv(1, socket.MSG_PEEK) for s in list(self.taken))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        for s in self.taken:
            s.close()


def send(port, data=b""):
    s = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    s.sendall(data)
    return s


def freeze(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for("the stop", lambda: is_stopped(pid))


def stopped(h):
    """-> seconds. The engine is gone too, and nothing was given up on."""
    engine = h.engine_pid()
    seconds = h.stop()
    assert h.process.returncode == 0, h.tail()
    assert engine is None or wait_gone(engine, PATIENCE_S), "the engine is still there"
    assert "everything has stopped" in h.tail(), h.tail()
    return seconds


def waited_for(h):
    return [line.split("waited\" ", 1)[1] for line in h.tail(100).splitlines() if "stopping: waited" in line]


def clients_that_say_nothing(tmp_path):
    port = free_ports(1)[0]
    with Homeostat(settings={"listen.syslog_tcp": f"127.0.0.1:{port}"}) as h:
        half = b"POST /v1/logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        said = [(listener, text) for listener in ("http", "otlp_http") for text in (b"", b"POST /v1/l", half)]
        open_ones = [send(h.ports[listener], text) for listener, text in said]
        http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        open_ones += [send(h.ports["otlp_grpc"], text) for text in (b"", http2 + b"\0\0\0\4\0\0\0\0\0")]
        open_ones += [send(h.ports["otlp_http"], text) for text in (http2[:9], http2, http2 + b"\0\0\0\4\0\0\0\0\0")]
        open_ones += [send(port, text) for text in (b"", b"<13>half a mess", b"900000 <13>1 -")]
        time.sleep(0.5)
        seconds = stopped(h)
        for s in open_ones:
            s.close()
        return seconds, waited_for(h)


def targets_and_receivers_that_hang(tmp_path):
    (tmp_path / "rules.yml").write_text(
        "groups: [{name: g, interval: 1s, rules: [{alert: A, expr: vector(1)}, {record: r, expr: vector(1)}]}]\n")
    with Silent() as target, Silent() as hook, Silent() as discovery:
        jobs = [{"job_name": "static", "scrape_interval": FOR_EVER, "scrape_timeout": FOR_EVER,
                 "static_configs": [{"targets": [f"127.0.0.1:{target.port}"]}]},
                {"job_name": "found", "http_sd_configs": [{"url": f"http://127.0.0.1:{discovery.port}/"}]}]
        config = {"scrape_configs": jobs, "rules": {"files": ["rules.yml"]}}
        (tmp_path / "c.yaml").write_text(json.dumps(config))
        receivers = f"http://127.0.0.1:{hook.port}/a"
        with Homeostat(config=tmp_path / "c.yaml", settings={"alerts.webhooks": receivers, "alerts.group_wait": "1s"}) as h:
            wait_for("the webhook and the discovery are asked", lambda: hook.asked() and discovery.asked())
            return stopped(h), waited_for(h)


def ask_for_ever(h, path):
    return send(h.ports["http"], f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def a_busy_store(tmp_path):
    with Homeostat(settings={"batch.max_age": "100ms", "prometheus.timeout": FOR_EVER}) as h:
        senders = [Sender(h, n, n) for n in range(3)]
        for sender in senders:
            sender.start()
        wait_for("something is stored", lambda: any(len(s.acknowledged) > 100 for s in senders))
        heavy = "/api/v1/query_range?start=0&end=1000000&step=100&query=" + "sum(" * 50 + "vector(1)%2Bvector(2)" + ")" * 50
        asking = [ask_for_ever(h, heavy) for _ in range(8)]
        seconds = stopped(h)
        for sender in senders:
            sender.stopping.set()
        for s in asking:
            s.close()
        return seconds, waited_for(h)


def a_frozen_engine(tmp_path):
    with Homeostat(settings={"batch.max_age": "100ms", "prometheus.timeout": FOR_EVER}) as h:
        engine = h.engine_pid()
        freeze(engine)
        sender = Sender(h, 0, 1)
        assert sender.post("logs", sender.next_request("logs")[2]) == 200
        asking = [ask_for_ever(h, path) for path in ("/api/v1/query?query=up", "/v1/logs", "/api/v1/labels")]
        asking += [send(h.ports["http"], f"POST /v1/flush HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {h.token()}"
                                         "\r\nContent-Length: 0\r\n\r\n".encode())]
        time.sleep(1)  # until they are under way
        seconds = stopped(h)
        assert not alive(engine)
        for s in asking:
            s.close()
        return seconds, waited_for(h)


def an_engine_that_starts(tmp_path):
    h = Homeostat()
    try:
        h.start(wait_engine=False)
        wait_for("the engine's process", h.engine_pid)
        return stopped(h), waited_for(h)
    finally:
        h.__exit__()


def an_engine_frozen_before_it_has_a_schema(tmp_path):
    h = Homeostat()
    try:
        h.start(wait_engine=False)
        wait_for("the engine's process", h.engine_pid)
        freeze(h.engine_pid())
        time.sleep(1)
        return stopped(h), waited_for(h)
    finally:
        h.__exit__()


def frozen_values(tmp_path):
    with Homeostat() as h:
        pid = h.values_pid()
        freeze(pid)
        try:
            time.sleep(2)  # until its keeper waits for it
            return stopped(h), waited_for(h)
        finally:
            os.kill(pid, signal.SIGKILL)


def an_experiment_whose_calls_hang(tmp_path):
    with Silent() as silent:
        call = {"type": "http", "url": f"http://127.0.0.1:{silent.port}/", "timeout": 60}
        rollbacks = [{"type": "action", "name": f"undo {i}", "provider": call} for i in range(20)]
        experiment = {"title": "t", "description": "d", "rollbacks": rollbacks,
                      "method": [{"type": "action", "name": "do", "provider": call}]}
        with Homeostat(settings={"chaos.enabled": "true", "chaos.hosts": f"127.0.0.1:{silent.port}"}) as h:
            code, answer = h.post("/v1/chaos/experiments", experiment)
            assert code == 201, answer
            wait_for("the call", silent.asked)
            return stopped(h), waited_for(h)


CASES = [clients_that_say_nothing, targets_and_receivers_that_hang, a_busy_store, a_frozen_engine, an_engine_that_starts,
         an_engine_frozen_before_it_has_a_schema, frozen_values, an_experiment_whose_calls_hang]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_stops(case, tmp_path):
    case(tmp_path)


if __name__ == "__main__":
    import pathlib
    import tempfile
    worst = 0
    for one in CASES:
        with tempfile.TemporaryDirectory() as folder:
            took, waits = one(pathlib.Path(folder))
        worst = max(worst, took)
        print(f"{one.__name__:45} {took:6.2f} s {'; '.join(waits)}", flush=True)
    sys.exit(0 if worst < 5 else 1)
