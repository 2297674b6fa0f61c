"""`homeostat serve` as an operator sees it: start, health, access, reload, stop."""
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import time

import pytest

from harness import PATIENCE_S, ROOT, Homeostat, binary, wait_for


@pytest.fixture(scope="module")
def server():
    with Homeostat() as h:
        yield h


def test_health_and_metrics(server):
    assert server.get("/healthz") == (200, "ok\n")
    status, ready = server.get("/readyz")
    assert status == 200 and ready["pid"] == server.process.pid
    status, text = server.get("/metrics")
    assert status == 200 and "# TYPE" in text


def test_token_file_is_private(server):
    assert oct((server.data / "token").stat().st_mode & 0o777) == "0o600"


def test_foreign_host_and_origin_are_refused(server):
    assert server.get("/readyz", headers={"Host": "evil.example"})[0] == 403
    assert server.get("/readyz", headers={"Origin": "http://evil.example"})[0] == 403


def test_a_second_serve_is_refused_with_the_reason(server):
    done = subprocess.run(server.command("serve"), capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "another `homeostat serve` uses" in done.stderr


def test_wide_bind_is_refused(tmp_path):
    done = subprocess.run([binary(), "serve", "--data", str(tmp_path), "--set", "listen.http=0.0.0.0:0", "--set",
                           "listen.values=", "--set", "listen.otlp_grpc=", "--set", "listen.otlp_http="],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "listen.http" in done.stderr


def test_baselines_that_cannot_be_used_are_said_and_learned_anew():
    with Homeostat() as h:
        wait_for("the first step", lambda: h.get("/v1/status")[0] == 200)
        h.stop()
        baselines = h.data / "loop/baselines"
        good = baselines.read_bytes()
        assert good.startswith(b"homeostat-baselines/2")
        h.start()
        assert "learned anew" not in h.tail(200)
        h.stop()
        baselines.write_bytes(good[:-1] + b"?")
        h.start()
        wait_for("the message", lambda: "learned anew" in h.tail(200) and h.get("/v1/status")[0] == 200)


def test_a_wide_fault_proxy_is_refused(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("chaos.proxies:\n  - {name: pay, listen: '0.0.0.0:0', upstream: '127.0.0.1:9'}\n")
    h = Homeostat(config=config, settings={"chaos.enabled": "true"}, data=tmp_path / "data")
    done = subprocess.run(h.command("serve"), capture_output=True, text=True, timeout=60)
    h.stop_values()
    assert done.returncode == 1 and "proxies.pay" in done.stderr and "insecure-bind" in done.stderr, done.stderr
    h = Homeostat(config=config, settings={"chaos.enabled": "true", "security.insecure_bind": "true"})
    with h:
        assert h.get("/v1/chaos/proxies")[1]["proxies"][0]["name"] == "pay"


def test_reload_is_whole_or_nothing(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("retention.max_age: 7d\n")
    with Homeostat(config=config) as h:
        config.write_text("retention.max_age: 8d\nlog.format: json\n")
        h.process.send_signal(signal.SIGHUP)
        wait_for("it", lambda: "not applied" in h.tail() and "log.format" in h.tail())
        config.write_text("retention.max_age: 9d\n")
        h.process.send_signal(signal.SIGHUP)
        wait_for("it", lambda: "configuration applied" in h.tail())
        assert h.get("/healthz")[0] == 200


def test_a_reload_whose_knobs_cannot_be_written_applies_nothing(tmp_path):
    """The state file of knobs is locked by somebody else: neither the knobs nor anything else changes."""
    knob = "knobs: [{key: k, type: integer, base: %d, min: 0, max: 9, services: [s]}]\n"
    objectives = "objectives: [{name: %s, service: s}]\n"
    config = tmp_path / "c.yaml"
    config.write_text(knob % 1 + objectives % "old")
    with Homeostat(config=config) as h:
        def now():
            (_, knobs), (_, objectives) = h.get("/v1/knobs"), h.get("/v1/objectives")  # at first there are none yet
            return [k["base"] for k in knobs.get("knobs", [])], [o["name"] for o in objectives.get("objectives", [])]
        wait_for("the knob", lambda: now() == ([1], ["old"]))
        config.write_text(knob % 2 + objectives % "new")
        with open(h.data / "values" / "write.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            h.process.send_signal(signal.SIGHUP)
            wait_for("the refusal", lambda: "configuration not applied" in h.tail())
            assert "write.lock" in h.tail()
        assert now() == ([1], ["old"])
        h.process.send_signal(signal.SIGHUP)
        wait_for("it", lambda: "configuration applied" in h.tail())
        wait_for("both", lambda: now() == ([2], ["new"]))


def test_stop_is_clean_and_values_stays(server):
    values = server.values_pid()
    assert values
    with Homeostat() as h:
        values = h.values_pid()
        h.stop()  # how long it takes under load is measured by soak_ingest.py
        assert h.process.returncode == 0
        os.kill(values, 0)  # still there
        status, body = h.request("GET", "/healthz", listener="values")
        assert status in (200, 503), body


def test_the_reference_page_is_current():
    page = subprocess.run([binary(), "check-config", "--reference"], capture_output=True, text=True, timeout=20).stdout
    assert page == (ROOT / "docs/configuration.md").read_text(), \
        "run: build/dev/homeostat check-config --reference > docs/configuration.md"


def test_an_experiment_runs_over_http(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("chaos.proxies:\n  - {name: pay, listen: '127.0.0.1:0', upstream: '127.0.0.1:9'}\n")
    provider = {"type": "homeostat", "fault": "latency", "proxy": "pay", "lease": "30s", "latency_ms": 50}
    experiment = {"title": "a slow provider", "description": "d",
                  "method": [{"type": "action", "name": "slow", "provider": provider}]}
    with Homeostat(config=config) as h:
        assert h.post("/v1/chaos/experiments", experiment)[0] == 403  # chaos.enabled is false
        h.stop()
        h.settings["chaos.enabled"] = "true"
        h.start()
        assert h.post("/v1/chaos/experiments", experiment, headers={"Authorization": "Bearer wrong"})[0] == 401
        code, started = h.post("/v1/chaos/experiments", experiment)
        assert code == 201, started
        wait_for("it", lambda: h.get(f"/v1/chaos/experiments/{started['id']}")[1]["ended"])
        result = h.get(f"/v1/chaos/experiments/{started['id']}")[1]
        assert result["status"] == "completed" and result["journal"]["run"][0]["status"] == "succeeded", result
        assert h.get("/v1/chaos/experiments")[1]["experiments"][0]["id"] == started["id"]
        assert h.get("/v1/chaos/faults")[1]["faults"] == []


def test_a_relative_data_directory(tmp_path):
    with Homeostat(data=os.path.relpath(tmp_path / "data"), settings={"batch.max_age": "50ms"}) as h:
        record = {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": "x"}}
        body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
        status, answer = h.post("/v1/logs", body, listener="otlp_http")
        assert status == 200, answer
        h.flush()


def outward_address():
    """An address of this machine that is not a loopback one; it is bound and asked only by this test."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing
            return s.getsockname()[0]
        except OSError:
            pytest.skip("this machine has loopback addresses only")


def test_a_reload_does_not_take_the_credentials_from_a_wide_listener(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text("security: {ingest_tokens: ['team=one']}\n")
    with Homeostat(config=config) as h:
        h.stop()
        h.settings["listen.otlp_http"] = f"{outward_address()}:{h.ports.pop('otlp_http')}"
        h.start()
        config.write_text("security: {ingest_tokens: []}\n")
        h.process.send_signal(signal.SIGHUP)
        wait_for("the refusal", lambda: "configuration not applied" in h.tail() and "listen.otlp_http" in h.tail())
        host, port = h.settings["listen.otlp_http"].split(":")
        for token, answer in (("one", 200), ("two", 401)):
            connection = http.client.HTTPConnection(host, int(port), timeout=20)
            connection.request("POST", "/v1/logs", "{}", {"Content-Type": "application/json",
                                                          "Authorization": f"Bearer {token}"})
            assert connection.getresponse().status == answer
            connection.close()


def values_knows(h, *names):
    """Which of these names of hosts `values` lets pass."""
    known = set()
    for name in names:
        connection = http.client.HTTPConnection("127.0.0.1", h.ports["values"], timeout=20)
        connection.request("POST", "/ofrep/v1/evaluate/flags", "{}", {"Content-Type": "application/json", "Host": name})
        if connection.getresponse().status != 403:
            known.add(name)
        connection.close()
    return known


def test_values_follows_a_reload_and_a_restart(tmp_path):
    first, second = "first.example", "second.example"
    config = tmp_path / "homeostat.yaml"
    config.write_text(f"security: {{hosts: [{first}]}}\n")
    with Homeostat(config=config) as h:
        pid = h.values_pid()
        assert values_knows(h, first, second) == {first}
        config.write_text(f"security: {{hosts: [{second}]}}\n")
        h.process.send_signal(signal.SIGHUP)
        wait_for("the new name", lambda: values_knows(h, first, second) == {second})
        h.stop()
        config.write_text(f"security: {{hosts: [{first}]}}\n")
        h.start()
        wait_for("the first name again", lambda: values_knows(h, first, second) == {first})
        assert h.values_pid() == pid
