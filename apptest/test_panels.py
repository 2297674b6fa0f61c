"""Panels of dashboards as people have them (apptest/panels: node exporter, JVM, Go runtime, rate-errors-duration), asked
of a real Prometheus and of Homeostat, which has the same samples by remote write: every point is equal, from memory and
from disk.

HOMEOSTAT_PROMETHEUS names the program (3.8 or newer); `./dev soak prometheus` builds it from its Go module.
"""
import json
import pathlib
import time

import pytest
import requests

from harness import Homeostat, free_ports, wait_for
from panel_targets import Jvm, NativeLatency, NodeExporter
from scrape_targets import PROTOBUF, Target
from test_real_prometheus import alike, program, prometheus, ready

pytestmark = pytest.mark.soak

PANELS = pathlib.Path(__file__).parent / "panels"
SECONDS = 90
NEEDED = 0.9  # of the panels must have points in Prometheus: a comparison of nothing says nothing


def panels():
    for board in sorted(PANELS.glob("*.txt")):
        for line in board.read_text().splitlines():
            if line and not line.startswith("#"):
                yield board.stem, line.replace("[R]", "[10s]").replace("[W]", "[40s]").replace("[W:", "[40s:")


def configuration(h, prometheus_address, targets):
    jobs = [{"job_name": name, "scrape_native_histograms": True, "always_scrape_classic_histograms": True,
             "static_configs": [{"targets": [address]}]}
            for name, address in {**targets, "prometheus": prometheus_address}.items()]
    return {"global": {"scrape_interval": "2s", "scrape_timeout": "2s"}, "scrape_configs": jobs,
            "remote_write": [{"url": h.url("http", "/api/v1/write"), "send_native_histograms": True,
                              "queue_config": {"batch_send_deadline": "500ms"}}]}


def ask(url, path, **params):
    answer = requests.get(url + "/api/v1/" + path, params=params, timeout=120)
    assert answer.status_code in (200, 400, 422), f"{params}: {answer.text}"
    return answer.json()


def ordered(answer, keep_order):
    if answer["status"] == "error":
        return [answer["errorType"], answer["error"]]
    result = answer["data"]["result"]
    if answer["data"]["resultType"] in ("scalar", "string") or keep_order:
        return result
    return sorted(result, key=lambda r: json.dumps(r["metric"], sort_keys=True))


def differences(h, url, start, end):
    """-> what differs, and how many panels had points."""
    wrong, filled = [], 0
    for board, query in panels():
        asked = [("query_range", {"query": query, "start": start, "end": end, "step": step}) for step in ("1", "6.5")]
        asked.append(("query", {"query": query, "time": end}))
        for path, params in asked:
            keep_order = path == "query" and ("sort" in query or query.startswith(("topk", "bottomk")))
            theirs, ours = (ordered(ask(one, path, **params), keep_order) for one in (url, h.url("http")))
            filled += params.get("step") == "1" and bool(theirs) and not isinstance(theirs[0], str)
            if not alike(ours, theirs):
                wrong.append(f"{board} {path} {query}\n  ours   {first_difference(ours, theirs)}")
    return wrong, filled


def first_difference(ours, theirs):
    if not isinstance(ours, list) or len(ours) != len(theirs):
        return f"{json.dumps(ours)[:400]}\n  theirs {json.dumps(theirs)[:400]}"
    for a, b in zip(ours, theirs):
        if alike(a, b):
            continue
        if isinstance(a, dict) and a.get("metric") == b.get("metric") and "values" in a and "values" in b:
            points = [(x, y) for x, y in zip(a["values"], b["values"]) if not alike(x, y)]
            return f"{a['metric']}: {len(a['values'])} points, {points[:2]}\n  theirs {len(b['values'])} points"
        return f"{json.dumps(a)[:400]}\n  theirs {json.dumps(b)[:400]}"
    return "?"


def test_panels_show_what_a_prometheus_shows(tmp_path):
    name = program()
    if NodeExporter.program is None:
        pytest.skip("no node exporter: apt-get install prometheus-node-exporter")
    port = free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    jvm, latency = Jvm(7), NativeLatency(8)
    with Homeostat() as h, Target() as java, Target(latency.body(), PROTOBUF) as native, NodeExporter() as node:
        targets = {"node": node.address, "jvm": java.address, "native": native.address}
        process = prometheus(name, port, tmp_path / "writer", configuration(h, f"127.0.0.1:{port}", targets))
        try:
            wait_for("Prometheus", lambda: ready(url), 60)
            start, begun = time.time() + 1, time.monotonic()
            while time.monotonic() < begun + SECONDS:
                jvm.step()
                latency.step()
                passed = time.monotonic() - begun
                if abs(passed - SECONDS / 2) < 0.5:
                    jvm.restart()
                java.body, native.body = jvm.text(), latency.body()
                java.status = 500 if 60 < passed < 66 else 200  # a target that is down for a while: stale markers
                time.sleep(1)
            end = time.time() - 3
            wait_for("all samples", lambda: ask(h.url("http"), "query", query="count(up) + timestamp(up)", time=end + 1) ==
                     ask(url, "query", query="count(up) + timestamp(up)", time=end + 1), 60)
            wait_for("no more to send", lambda: sent(url), 60)
            wrong, filled = differences(h, url, start, end)
            assert not wrong, f"from memory, {len(wrong)}:\n" + "\n".join(wrong)
            assert filled >= NEEDED * len(list(panels())), filled
            h.stop()
            h.settings["prometheus.memory"] = "0"
            h.start()
            wrong, _ = differences(h, url, start, end)
            assert not wrong, f"from disk, {len(wrong)}:\n" + "\n".join(wrong)
        finally:
            process.terminate()
            process.wait(30)


def sent(url):
    waiting = ask(url, "query", query="prometheus_remote_storage_samples_pending")["data"]["result"]
    return waiting and float(waiting[0]["value"][1]) < 5000
