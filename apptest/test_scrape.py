"""Scraping through the real binary: what targets tell is found by PromQL, and their end too."""
import json
import pathlib
import signal
import urllib.parse

import prometheus_client
import pytest
from prometheus_client.openmetrics import exposition as openmetrics

import remote_write as rw
from harness import Homeostat, wait_for
from scrape_targets import OPEN_METRICS, PROTOBUF, Target, sd

GLOBAL = {"scrape_interval": "1s", "scrape_timeout": "1s"}


@pytest.fixture
def scraping(tmp_path):
    """scraping(jobs) -> a Homeostat that scrapes them; its `reload(jobs)` replaces them."""
    started = []

    def write(jobs):
        path = tmp_path / "homeostat.yaml"
        path.write_text(json.dumps({"global": GLOBAL, "scrape_configs": jobs}))  # JSON is YAML
        return path

    def start(*jobs):
        h = Homeostat(settings={"batch.max_age": "100ms"}, config=write(jobs))
        started.append(h)
        h.start()

        def reload(*next_jobs):
            write(next_jobs)
            h.process.send_signal(signal.SIGHUP)
        h.reload = reload
        return h

    yield start
    for h in started:
        h.__exit__()


def job(name, *addresses, **more):
    return {"job_name": name, "static_configs": [{"targets": list(addresses)}], **more}


def query(h, expression):
    """-> [(labels, value)] of an instant query."""
    status, answer = h.post("/api/v1/query?query=" + urllib.parse.quote(expression))
    assert status == 200, answer
    return [(r["metric"], r.get("histogram", r.get("value"))[1]) for r in answer["data"]["result"]]


def value(h, expression):
    found = query(h, expression)
    return found[0][1] if len(found) == 1 else None


def eventually(h, expression, expected):
    seen = []

    def right():
        seen[:] = query(h, expression)
        return [v for _, v in seen] == expected
    try:
        wait_for(f"{expression} = {expected}", right, 60)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {seen}\n{h.tail(5)}") from None


def targets(h, parameters=""):
    status, answer = h.get("/api/v1/targets" + parameters)
    assert status == 200, answer
    return answer["data"]


def test_text_with_labels_timestamps_and_metadata(scraping):
    body = ("# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total{queue=\"a\",instance=\"theirs\"} 5\n"
            "# TYPE lat histogram\nlat_bucket{le=\"1\"} 2\nlat_bucket{le=\"+Inf\"} 3\nlat_sum 4\nlat_count 3\n")
    with Target(body) as target:
        h = scraping(job("text", target.address, params={"x": ["1"]}, metrics_path="/probe"))
        eventually(h, "jobs_total", ["5"])
        [(labels, _)] = query(h, "jobs_total")
        assert labels == {"__name__": "jobs_total", "queue": "a", "exported_instance": "theirs", "job": "text",
                          "instance": target.address}
        assert value(h, 'lat_bucket{le="1.0"}') == "2"
        assert value(h, "up") == "1"
        assert value(h, "scrape_samples_scraped") == "5"
        assert target.asked[0][0] == "/probe?x=1"
        assert "application/openmetrics-text" in target.asked[0][1]["Accept"]
        h.flush()
        assert h.get("/api/v1/metadata?metric=jobs_total")[1]["data"]["jobs_total"][0]["help"] == "Jobs."
        [told] = h.get("/api/v1/targets/metadata?metric=jobs_total")[1]["data"]
        assert (told["type"], told["help"]) == ("counter", "Jobs.")
        [active] = targets(h)["activeTargets"]
        assert (active["health"], active["scrapePool"], active["scrapeInterval"]) == ("up", "text", "1s")
        assert h.get("/api/v1/scrape_pools")[1]["data"] == {"scrapePools": ["text"]}


def test_a_target_that_goes_and_comes(scraping):
    with Target("flap 1\n") as target:
        h = scraping(job("flap", target.address))
        eventually(h, "flap", ["1"])
        target.status = 500
        eventually(h, "up", ["0"])
        eventually(h, "flap", [])
        assert "500" in targets(h)["activeTargets"][0]["lastError"]
        target.status, target.body = 200, "flap 2\nother 1\n"
        eventually(h, "flap", ["2"])
        eventually(h, "up", ["1"])
        target.body = "flap 3\n"
        eventually(h, "other", [])
        eventually(h, "flap", ["3"])
        assert float(value(h, "resets(up[10m])")) >= 1


def test_the_official_client_library(scraping):
    registry = prometheus_client.CollectorRegistry()
    counter = prometheus_client.Counter("orders", "Orders.", ["kind"], registry=registry)
    histogram = prometheus_client.Histogram("pay_seconds", "Paying.", buckets=(0.5, 1), registry=registry)
    prometheus_client.Summary("wait_seconds", "Waiting.", registry=registry).observe(2)
    prometheus_client.Info("build", "Build.", registry=registry).info({"version": "1"})
    prometheus_client.Enum("state", "State.", states=["on", "off"], registry=registry).state("on")
    counter.labels("a").inc(3, {"trace_id": "ab" * 16})
    histogram.observe(0.7)
    texts = {"text/plain; version=0.0.4": prometheus_client.generate_latest(registry),
             OPEN_METRICS: openmetrics.generate_latest(registry)}
    for content_type, body in texts.items():
        with Target(body, content_type) as target:
            h = scraping(job("library", target.address))
            eventually(h, "orders_total", ["3"])
            assert value(h, 'pay_seconds_bucket{le="1.0"}') == "1"
            assert value(h, "wait_seconds_sum") == "2"
            assert value(h, "build_info") == "1"
            assert value(h, 'state{state="on"}') == "1"
            if content_type == OPEN_METRICS:
                h.flush()
                _, found = h.get("/api/v1/query_exemplars?query=orders_total&start=0&end=9999999999")
                assert found["data"][0]["exemplars"][0]["labels"] == {"trace_id": "ab" * 16}
                created = float(value(h, "orders_created"))
                _, series = h.get("/v1/series?name=orders_total&points=1")
                start = int(series["series"][0]["points"][0]["start_time_unix_nano"]) / 1e9
                assert start == pytest.approx(created, abs=0.01)
            h.__exit__()


def test_native_histograms_by_protobuf(scraping):
    histogram = (rw.integer(1, 4) + rw.double(2, 10.0) + rw.signed(5, 0) + rw.double(6, 0.001) + rw.integer(7, 1) +
                 rw.spans(12, [(0, 2)]) + rw.signed(13, 1) + rw.signed(13, 1))
    family = rw.message(1, b"native") + rw.integer(3, 4) + rw.message(4, rw.message(7, histogram))
    with Target(rw.varint(len(family)) + family, PROTOBUF) as target:
        h = scraping(job("native", target.address, scrape_native_histograms=True))
        eventually(h, "up", ["1"])
        eventually(h, "histogram_count(native)", ["4"])
        assert value(h, "histogram_sum(native)") == "10"
        assert value(h, "histogram_fraction(-0.001, 0.001, native)") == "0.25"
        assert "vnd.google.protobuf" in target.asked[0][1]["Accept"]
        target.status = 500
        eventually(h, "up", ["0"])
        eventually(h, "native", [])


def test_relabelling_and_limits(scraping):
    with Target("keep_a 1\nkeep_b 1\ndrop_c 1\n") as target:
        keep = [{"source_labels": ["__name__"], "regex": "keep_.*", "action": "keep"},
                {"source_labels": ["__name__"], "regex": "keep_(.*)", "target_label": "which"}]
        h = scraping(job("relabel", target.address, metric_relabel_configs=keep),
                     job("limit", target.address, sample_limit=2),
                     job("dropped", target.address, relabel_configs=[{"source_labels": ["__address__"], "action": "drop"}]))
        eventually(h, 'sum(up{job="relabel"})', ["1"])
        eventually(h, 'sum(up{job="limit"})', ["0"])
        assert {m["which"] for m, _ in query(h, '{job="relabel",which!=""}')} == {"a", "b"}
        assert query(h, 'drop_c') == []
        assert value(h, 'scrape_samples_post_metric_relabeling{job="relabel"}') == "2"
        told = targets(h)
        assert told["droppedTargetCounts"]["dropped"] == 1 and len(told["droppedTargets"]) == 1
        assert any("sample limit" in t["lastError"] for t in told["activeTargets"])
        assert targets(h, "?state=dropped")["activeTargets"] == []


def test_who_we_are(scraping, tmp_path):
    (tmp_path / "token").write_text("sesame\n")
    with Target("m 1\n") as basic, Target("n 1\n") as bearer:
        basic.required, bearer.required = "Basic YTpi", "Bearer sesame"
        h = scraping(job("basic", basic.address, basic_auth={"username": "a", "password": "b"}),
                     job("bearer", bearer.address, authorization={"credentials_file": str(tmp_path / "token")}),
                     job("nobody", bearer.address))
        eventually(h, "sum by(job)(up) == 1", ["1", "1"])
        eventually(h, 'sum(up{job="nobody"})', ["0"])
        assert "sesame" not in json.dumps(targets(h))


def test_targets_in_files_and_services_change(scraping, tmp_path):
    files = tmp_path / "targets"
    files.mkdir()
    with Target("m 1\n") as one, Target("m 2\n") as two, Target(sd(([], {})), "application/json") as service:
        service.body = sd(([one.address], {"from": "service"}))
        h = scraping({"job_name": "files", "file_sd_configs": [{"files": [str(files / "*.json")]}]},
                     {"job_name": "service", "http_sd_configs": [{"url": f"http://{service.address}/",
                                                                 "refresh_interval": "1s"}]})
        eventually(h, 'm{from="service"}', ["1"])
        (files / "a.json").write_text(sd(([one.address], {"from": "file"})))
        eventually(h, 'm{from="file"}', ["1"])
        (files / "a.json").write_text(sd(([two.address], {"from": "file"})))
        eventually(h, 'm{from="file"}', ["2"])
        (files / "a.json").write_text("no targets")  # what was known stays
        service.body = sd(([two.address], {"from": "service"}))
        eventually(h, 'm{from="service"}', ["2"])
        assert value(h, 'm{from="file"}') == "2"
        (files / "a.json").unlink()
        eventually(h, 'm{from="file"}', [])
        eventually(h, 'count({job="files"})', [])


def test_reload(scraping):
    with Target("m 1\n") as one:
        h = scraping(job("a", one.address))
        eventually(h, "m", ["1"])
        h.reload(job("a", one.address, scrape_interval="2s", scrape_timeout="2s"), job("b", one.address))
        eventually(h, "count(m)", ["2"])
        assert {t["scrapeInterval"] for t in targets(h)["activeTargets"]} == {"1s", "2s"}
        h.reload()
        eventually(h, "count(m)", [])


@pytest.mark.parametrize("content_type, body, error", [
    ("", "m 1\n", "fallback_scrape_protocol"),
    ("text/html", "<html>", "fallback_scrape_protocol"),
    (OPEN_METRICS, "m 1\n", "EOF"),
    ("text/plain", "m{ 1\n", "line 1"),
    ("text/plain", "m 1\n" * 30_000, "larger than"),
], ids=["no type", "html", "cut", "line", "large"])
def test_bad_answers_are_told(scraping, content_type, body, error):
    with Target(body, content_type) as target:
        h = scraping(job("bad", target.address, body_size_limit="64KB"))
        eventually(h, "up", ["0"])
        assert error in targets(h)["activeTargets"][0]["lastError"]


def test_a_slow_target_does_not_hold_others(scraping):
    with Target("m 1\n") as good:
        slow = Target("m 1\n")
        slow.server.shutdown()  # accepts by the kernel, never answers
        try:
            h = scraping(job("good", good.address), job("slow", slow.address))
            eventually(h, 'sum(up{job="slow"})', ["0"])
            eventually(h, 'sum(up{job="good"})', ["1"])
        finally:
            slow.server.server_close()


def test_our_own_metrics(scraping):
    h = scraping()
    h.reload(job("self", f"127.0.0.1:{h.ports['http']}"))
    eventually(h, 'sum(up{job="self"})', ["1"])
    assert float(value(h, "homeostat_scrape_targets")) == 1


def test_a_bad_configuration_is_refused(tmp_path):
    import subprocess

    from harness import binary
    path = pathlib.Path(tmp_path) / "c.yaml"
    for jobs, error in (([job("a", relabel_configs=[{"regex": "("}])], "target_label"),
                        ([job("a", relabel_configs=[{"regex": "(", "target_label": "x"}])], "regex"),
                        ([job("a"), job("a")], "twice"),
                        ([job("a", scrape_intervall="1s")], "scrape_interval"),
                        ([job("a", scrape_interval="1s", scrape_timeout="3s")], "scrape_timeout")):
        path.write_text(json.dumps({"scrape_configs": jobs}))
        done = subprocess.run([binary(), "check-config", "--config", str(path)], capture_output=True, text=True)
        assert done.returncode != 0 and error in done.stderr + done.stdout, (jobs, done)
