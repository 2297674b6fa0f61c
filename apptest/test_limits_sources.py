"""Limits of tenants (docs/limits.md) on what comes without OTLP: syslog, tailed files and scraped targets."""
import json
import socket

import pytest

from harness import Homeostat, free_ports, wait_for
from scrape_targets import Target
from test_limits import refused, stored

LINES = 120  # of which a second's rate and a burst are a part


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    home = tmp_path_factory.mktemp("limits")
    (port,) = free_ports(1)
    target = Target("".join(f'wide{{n="{n}"}} 1\n' for n in range(30)))
    config = {"limits": {"items_per_s": 10, "burst": "1s", "attributes": 3, "active_series": 0, "series_per_metric": 20},
              "syslog": {"tenant": "syslog"},
              "logs": {"files": [f"{home}/*.log"]},
              "global": {"scrape_interval": "5s", "scrape_timeout": "5s"},
              "scrape_configs": [{"job_name": "wide", "static_configs": [{"targets": [f"127.0.0.1:{target.port}"]}]}]}
    (home / "homeostat.yaml").write_text(json.dumps(config))  # JSON is YAML
    with Homeostat(settings={"listen.syslog_tcp": f"127.0.0.1:{port}"}, config=home / "homeostat.yaml") as h:
        h.port, h.home = port, home
        yield h


def test_syslog_is_held_back_at_the_rate_and_nothing_is_lost(running):
    def taken():
        return running.metric("homeostat_syslog_messages_total")

    message = '<13>1 2026-01-01T00:00:00Z host app {i} ID [a@1 b="1" c="2" d="3"] syslog {i}'
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as s:
        for i in range(LINES):
            s.sendall((message.replace("{i}", str(i)) + "\n").encode())
            if i == LINES // 2:  # two rounds at least: the first may pass whatever its size
                wait_for("the first ones are taken", lambda: taken() > 0)
        wait_for("all of them", lambda: taken() == LINES)
    assert refused(running, "syslog", "items_per_s") > 0
    running.flush()
    found = running.get("/v1/logs?limit=1000&start=2025-12-31T00:00:00Z&end=2030-01-01T00:00:00Z",
                        headers={"X-Scope-OrgID": "syslog"})[1]["logs"]
    assert sorted(r["body"]["value"] for r in found) == sorted(f"syslog {i}" for i in range(LINES))
    assert all(len(r["attributes"]) == 3 and r["dropped_attributes"] > 0 for r in found), "limits.attributes"


def test_files_are_held_back_at_the_rate_and_nothing_is_lost(running):
    for part in range(4):
        (running.home / f"app{part}.log").write_text("".join(f"file {part * LINES // 4 + i}\n" for i in range(LINES // 4)))
    wait_for("all of them", lambda: len(stored(running, "")) >= LINES)
    assert sorted(stored(running, "")) == sorted(f"file {i}" for i in range(LINES))
    assert refused(running, "", "items_per_s") > 0


def test_scraped_series_find_their_limit_and_are_counted(running):
    def refused_points():
        return running.metric("homeostat_limits_refused_points_total", tenant="", reason="series_per_metric")
    wait_for("ten of thirty are refused", lambda: refused_points() >= 10)
    running.flush()
    answer = running.post("/api/v1/query?query=count(wide)")[1]
    assert answer["data"]["result"][0]["value"][1] == "20"
    up = running.post("/api/v1/query?query=up")[1]
    assert up["data"]["result"][0]["value"][1] == "1", "what is not refused goes on"
