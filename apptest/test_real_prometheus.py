"""A real Prometheus scrapes a target, writes to Homeostat by remote write 1.0 and 2.0, and both answer queries alike;
another one that has nothing but Homeostat to read from (remote read) answers alike too.

HOMEOSTAT_PROMETHEUS names the program (3.8 or newer); `./dev soak` builds it from its Go module.
"""
import json
import math
import os
import pathlib
import shutil
import subprocess
import time

import pytest
import requests

import remote_write as rw
from harness import Homeostat, free_ports, wait_for
from scrape_targets import OPEN_METRICS, PROTOBUF, Target

pytestmark = pytest.mark.soak

EXPRESSIONS = ["up", "requests_total", "rate(requests_total[3s])", "increase(requests_total[5s])", "native",
               "histogram_count(native)", "histogram_quantile(0.9, native)", "rate(native[3s])", "histogram_avg(native)",
               "custom", "histogram_quantile(0.5, custom)", "sum(custom)", "gone", "scrape_samples_scraped", "absent(gone)"]


def program():
    named = os.environ.get("HOMEOSTAT_PROMETHEUS") or shutil.which("prometheus")
    if not named or not pathlib.Path(named).exists():
        pytest.skip("no Prometheus: HOMEOSTAT_PROMETHEUS=<program>, built as in tools/dev/bench.sh")
    return named


def native(observations):
    histogram = (rw.integer(1, 2 * observations + 1) + rw.double(2, 3.5 * observations) + rw.signed(5, 2) +
                 rw.double(6, 0.001) + rw.integer(7, 1) + rw.spans(12, [(-1, 1), (3, 1)]) +
                 rw.signed(13, observations) + rw.signed(13, 0))
    family = rw.message(1, b"native") + rw.integer(3, 4) + rw.message(4, rw.message(7, histogram))
    return rw.varint(len(family)) + family


def text(n):
    gone = "# TYPE gone gauge\ngone 1\n" if n < 8 else ""
    return (f"# TYPE requests counter\nrequests_total{{code=\"200\"}} {n * 10} # {{trace_id=\"{'ab' * 16}\"}} 1\n" + gone +
            f"# TYPE custom histogram\ncustom_bucket{{le=\"0.5\"}} {n}\ncustom_bucket{{le=\"2\"}} {2 * n}\n"
            f"custom_bucket{{le=\"+Inf\"}} {3 * n}\ncustom_count {3 * n}\ncustom_sum {4 * n}\n# EOF\n")


def configuration(h, addresses):
    write = [{"url": h.url("http", "/api/v1/write"), "protobuf_message": message, "send_native_histograms": True,
              "send_exemplars": True, "headers": {"X-Scope-OrgID": tenant}, "metadata_config": {"send": tenant == "one"},
              "queue_config": {"batch_send_deadline": "200ms"}}
             for tenant, message in (("one", "prometheus.WriteRequest"), ("two", "io.prometheus.write.v2.Request"))]
    jobs = [{"job_name": name, "scrape_native_histograms": True, "convert_classic_histograms_to_nhcb": True,
             "static_configs": [{"targets": [address]}]} for name, address in addresses.items()]
    return {"global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"}, "remote_write": write, "scrape_configs": jobs}


def result(url, expression, start, end, **headers):
    answer = requests.get(url + "/api/v1/query_range", headers=headers, timeout=30,
                          params={"query": expression, "start": start, "end": end, "step": "0.5"})
    assert answer.status_code == 200, answer.text
    return sorted(answer.json()["data"]["result"], key=lambda r: sorted(r["metric"].items()))


def test_remote_write_of_a_real_prometheus(tmp_path):
    name = program()
    port = free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    with Homeostat(settings={"batch.max_age": "100ms"}) as h, Target(native(1), PROTOBUF) as histograms, \
            Target(text(1), OPEN_METRICS) as counters:
        targets = {"h": histograms.address, "c": counters.address}
        process = prometheus(name, port, tmp_path / "writer", configuration(h, targets))
        try:
            start = time.time()
            wait_for("samples in Prometheus", lambda: ready(url) and result(url, "native", start, time.time()), 60)
            for n in range(2, 16):
                histograms.body, counters.body = native(n), text(n)
                if n == 12:
                    counters.body = text(1)  # a counter that starts anew
                time.sleep(0.7)
            end = time.time() - 0.5
            for tenant in ("one", "two"):
                compare(h, url, tenant, start, end)
            read_back(name, h, tmp_path, url, start, end)
            assert "gone" in h.get("/api/v1/label/__name__/values", headers={"X-Scope-OrgID": "two"})[1]["data"]
            found = h.get(f"/api/v1/query_exemplars?query=requests_total&start={start}&end={end}",
                          headers={"X-Scope-OrgID": "two"})[1]["data"]
            assert found and found[0]["exemplars"][0]["labels"]["trace_id"] == "ab" * 16
        finally:
            process.terminate()
            process.wait(30)


def said(url, query):
    answer = requests.get(url + "/api/v1/query", params={"query": query, "time": "1000"}, timeout=60)
    told = answer.json()
    return answer.status_code, told.get("errorType"), told.get("error"), told.get("data")


def test_bad_queries_are_told_alike(tmp_path):
    name, port = program(), free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    queries = [line for line in open(pathlib.Path(__file__).parent / "bad_queries.txt").read().splitlines()
               if not line.startswith("# ")]
    process = prometheus(name, port, tmp_path / "prometheus", {})
    try:
        with Homeostat(settings={"prometheus.features": ""}) as h:
            wait_for("Prometheus", lambda: ready(url), 60)
            differ = [(query, theirs, ours) for query in ["", "#only a comment", *queries]
                      if (theirs := said(url, query)) != (ours := said(h.url("http"), query))]
            assert not differ, "\n".join(map(str, differ))
    finally:
        process.terminate()
        process.wait(30)


def prometheus(name, port, directory, config):
    directory.mkdir()
    (directory / "prometheus.yml").write_text(json.dumps(config))
    return subprocess.Popen([name, f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                             f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"],
                            stdout=subprocess.DEVNULL, stderr=open(directory / "log", "w"))


def read_back(name, h, tmp_path, url, start, end):
    """A Prometheus without data of its own that reads Homeostat's."""
    port = free_ports(1)[0]
    read = {"url": h.url("http", "/api/v1/read"), "headers": {"X-Scope-OrgID": "two"}, "read_recent": True}
    process = prometheus(name, port, tmp_path / "reader", {"remote_read": [read]})
    try:
        reader = f"http://127.0.0.1:{port}"
        wait_for("the reading Prometheus", lambda: ready(reader), 60)
        for expression in EXPRESSIONS:
            theirs, ours = (result(one, expression, start, end) for one in (url, reader))
            assert theirs and alike(ours, theirs), difference("remote read", expression, ours, theirs)
    finally:
        process.terminate()
        process.wait(30)


def ready(url):
    try:
        return requests.get(url + "/-/ready", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def compare(h, url, tenant, start, end):
    head = {"X-Scope-OrgID": tenant}
    wait_for(f"what was written for tenant {tenant}",
             lambda: result(h.url("http"), "up", start, end, **head) == result(url, "up", start, end), 60)
    for expression in EXPRESSIONS:
        if tenant == "one" and "custom" in expression:
            continue  # Prometheus sends histograms with custom buckets by 2.0 alone
        theirs = result(url, expression, start, end)
        ours = result(h.url("http"), expression, start, end, **head)
        assert theirs, f"Prometheus has nothing for {expression}"
        assert alike(ours, theirs), difference(tenant, expression, ours, theirs)


def difference(tenant, expression, ours, theirs):
    shown = [json.dumps(r)[:1500] for r in (ours, theirs)]
    return f"{tenant}: {expression}\nours   {shown[0]}\ntheirs {shown[1]}"


def alike(ours, theirs):
    """Equal, but for the last digits of computed numbers: C's and Go's exponential functions round differently."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(alike(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(alike, ours, theirs))
    try:
        return ours == theirs or math.isclose(float(ours), float(theirs), rel_tol=1e-12)
    except (TypeError, ValueError):
        return False
