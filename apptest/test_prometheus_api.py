"""Prometheus' HTTP API over what Prometheus and OpenTelemetry sent: metadata, translation, errors, tenants."""
import gzip
import time

import pytest
import requests

import remote_write as rw
from harness import Homeostat
from otlp_data import RESPONSES, key_values
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

PREFIXES = ("/api/v1", "/prometheus/api/v1")


@pytest.fixture(scope="module")
def h():
    with Homeostat(settings={"retention.max_age": "0"}) as homeostat:
        yield homeostat


def now_ms():
    return int(time.time() * 1000)


def write(h, *parts, **headers):
    answer = requests.post(h.url("http", "/api/v1/write"), data=rw.body(*parts), headers={**rw.HEADERS, **headers},
                           timeout=30)
    assert answer.status_code == 204, answer.text


def ask(h, path, status=200, tenant="", method="GET", prefix="/api/v1", **params):
    headers = {"X-Scope-OrgID": tenant} if tenant else {}
    url = h.url("http", f"{prefix}/{path}")
    params = {k.replace("match", "match[]"): v for k, v in params.items()}
    where = {"params": params} if method == "GET" else {"data": params}
    answer = requests.request(method, url, headers=headers, timeout=60, **where)
    assert answer.status_code == status, (answer.status_code, answer.text)
    body = answer.json()
    assert body["status"] == ("success" if status == 200 else "error"), body
    return body["data"] if status == 200 else (body["errorType"], body["error"])


def otlp(h, build):
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend(key_values({"service.name": "shop", "service.namespace": "eu",
                                                    "service.instance.id": "shop-1", "host.name": "h1"}))
    build(resource.scope_metrics.add())
    answer = requests.post(h.url("otlp_http", "/v1/metrics"), data=request.SerializeToString(),
                           headers={"Content-Type": "application/x-protobuf"}, timeout=30)
    assert answer.status_code == 200 and RESPONSES["metrics"].FromString(answer.content), answer.text


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_was_written_is_seen_at_once(h, prefix):
    tenant = f"seen{len(prefix)}"
    for i in range(3):
        write(h, rw.series({"__name__": f"seen{i}", "job": "api", "utf8.label": "ü"}, rw.sample(i, now_ms())),
              **{"X-Scope-OrgID": tenant})
        names = ask(h, "label/__name__/values", tenant=tenant, prefix=prefix)
        assert names == [f"seen{n}" for n in range(i + 1)]
    assert ask(h, "labels", tenant=tenant, prefix=prefix) == ["__name__", "job", "utf8.label"]
    assert ask(h, "label/utf8.label/values", tenant=tenant, prefix=prefix) == ["ü"]
    assert ask(h, "label/U__utf8_2e_label/values", tenant=tenant, prefix=prefix) == ["ü"]
    assert ask(h, "labels", tenant="nobody", prefix=prefix) == []


def test_matchers_of_every_kind(h):
    write(h, *[rw.series({"__name__": "m", "code": c, "job": j}, rw.sample(1, now_ms()))
               for c, j in (("200", "a"), ("404", "a"), ("500", "b\nc"))], **{"X-Scope-OrgID": "matchers"})

    def codes(selector):
        return [s.get("code") for s in ask(h, "series", tenant="matchers", match=selector)]
    assert codes("m") == ["200", "404", "500"]
    assert codes('m{code="404"}') == ["404"]
    assert codes('m{code!="404"}') == ["200", "500"]
    assert codes('m{code=~"4..|5.."}') == ["404", "500"]
    assert codes('m{code!~"4.*"}') == ["200", "500"]
    assert codes('m{code=~"0"}') == []  # anchored
    assert codes('{job=~"b.c"}') == ["500"]  # a dot matches a newline too
    assert codes('{__name__=~"m|n", none=""}') == ["200", "404", "500"]
    assert codes('{job="a\' OR 1=1 --"}') == []
    assert ask(h, "label/code/values", tenant="matchers", match='{job="a"}') == ["200", "404"]
    assert ask(h, "labels", tenant="matchers", method="POST", match="m") == ["__name__", "code", "job"]


def test_limits_say_that_they_cut(h):
    write(h, *[rw.series({"__name__": f"limited{i}"}, rw.sample(1, now_ms())) for i in range(5)],
          **{"X-Scope-OrgID": "limits"})
    for path in ("label/__name__/values", "series"):
        answer = requests.get(h.url("http", f"/api/v1/{path}"), headers={"X-Scope-OrgID": "limits"}, timeout=60,
                              params={"limit": "2", "match[]": '{__name__!=""}'}).json()
        assert len(answer["data"]) == 2
        assert answer["warnings"] == ["results truncated due to limit"]


def test_otlp_metrics_have_prometheus_names(h):
    at = time.time_ns()

    def build(scope):
        metric = scope.metrics.add(name="http.server.requests", unit="{request}", description="Requests.")
        metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2
        metric.sum.data_points.add(time_unix_nano=at, as_int=5, attributes=key_values({"http.route": "/a"}))
        metric = scope.metrics.add(name="http.server.duration", unit="s")
        metric.histogram.aggregation_temporality = 2
        point = metric.histogram.data_points.add(time_unix_nano=at, count=3, sum=1.5, explicit_bounds=[0.5, 1],
                                                 bucket_counts=[1, 1, 1])
        point.exemplars.add(time_unix_nano=at, as_double=0.7, trace_id=bytes(range(1, 17)), span_id=b"\1" * 8)
        metric = scope.metrics.add(name="memory.used", unit="By")
        metric.gauge.data_points.add(time_unix_nano=at, as_double=2)
    otlp(h, build)
    names = ask(h, "label/__name__/values")
    wanted = {"http_server_requests_total", "http_server_duration_seconds_bucket", "http_server_duration_seconds_sum",
              "http_server_duration_seconds_count", "memory_used_bytes", "target_info"}
    assert wanted <= set(names)
    [one] = ask(h, "series", match="http_server_requests_total")
    assert one == {"__name__": "http_server_requests_total", "http_route": "/a", "job": "eu/shop",
                   "instance": "shop-1", "service_name": "shop", "service_namespace": "eu"}
    bounds = ask(h, "label/le/values", match="http_server_duration_seconds_bucket")
    assert bounds == ["+Inf", "0.5", "1"]
    assert [s["host_name"] for s in ask(h, "series", match="target_info")] == ["h1"]
    assert ask(h, "metadata", metric="http_server_requests_total") == {
        "http_server_requests_total": [{"type": "counter", "help": "Requests.", "unit": "{request}"}]}
    [exemplars] = ask(h, "query_exemplars", query='rate(http_server_duration_seconds_bucket{job="eu/shop"}[5m])',
                      start=at / 1e9 - 60, end=at / 1e9 + 60)
    assert exemplars["exemplars"][0]["labels"] == {"trace_id": bytes(range(1, 17)).hex(), "span_id": "01" * 8}
    assert exemplars["exemplars"][0]["value"] == "0.7"


def test_metadata_of_prometheus(h):
    write(h, rw.family(1, "fam_total", "Help.", ""), rw.family(4, "gh", "", "s"), **{"X-Scope-OrgID": "meta"})
    assert ask(h, "metadata", tenant="meta") == {"fam_total": [{"type": "counter", "help": "Help.", "unit": ""}],
                                                 "gh": [{"type": "gaugehistogram", "help": "", "unit": "s"}]}
    assert list(ask(h, "metadata", tenant="meta", limit=1)) == ["fam_total"]


def test_exemplars_of_prometheus(h):
    at = now_ms()
    labels = {"__name__": "ex_bucket", "le": "1"}
    write(h, rw.series(labels, rw.sample(5, at)), rw.series(labels, rw.exemplar(0.7, at, traceID="t1")),
          **{"X-Scope-OrgID": "ex"})
    found = ask(h, "query_exemplars", tenant="ex", query="ex_bucket", start=at / 1000 - 1, end=at / 1000 + 1)
    assert found == [{"seriesLabels": labels, "exemplars": [{"labels": {"traceID": "t1"}, "value": "0.7",
                                                             "timestamp": at / 1000}]}]
    # Grafana asks once in milliseconds whether exemplars are there at all.
    assert ask(h, "query_exemplars", query="test", start=str(at), end=str(at + 1800000)) == []


def test_cardinality(h):
    write(h, *[rw.series({"__name__": "card", "id": str(i)}, rw.sample(1, now_ms())) for i in range(20)],
          **{"X-Scope-OrgID": "card"})
    tsdb = ask(h, "status/tsdb", tenant="card")
    assert (tsdb["headStats"]["numSeries"], tsdb["headStats"]["numLabelPairs"]) == (20, 20)
    assert tsdb["seriesCountByMetricName"] == [{"name": "card", "value": 20}]
    assert tsdb["labelValueCountByLabelName"] == [{"name": "id", "value": 20}]
    assert len(tsdb["seriesCountByLabelValuePair"]) == 10


def test_text_tools(h):
    assert ask(h, "format_query", query='sum(rate(m{a="b"}[5m]))by(x)').startswith("sum by (x) (")
    assert ask(h, "parse_query", query="m{a='b'}")["type"] == "vectorSelector"
    kind, text = ask(h, "parse_query", status=400, query="m{")
    assert kind == "bad_data" and "parse error" in text


def test_status_pages(h):
    assert ask(h, "status/buildinfo")["version"].startswith("3.")
    assert "features" not in ask(h, "status/buildinfo")
    assert ask(h, "status/flags")["query.lookback-delta"] == "5m"
    assert ask(h, "rules") == {"groups": []}
    assert ask(h, "alerts") == {"alerts": []}
    assert ask(h, "targets")["activeTargets"] == []
    for path in ("status/runtimeinfo", "status/config", "alertmanagers", "targets/metadata", "notifications"):
        ask(h, path)
    for path in ("/-/ready", "/-/healthy", "/prometheus/-/ready", "/prometheus/-/healthy"):
        assert requests.get(h.url("http", path), timeout=30).status_code == 200


@pytest.mark.parametrize("path, params, text", [
    ("series", {}, "no match[] parameter provided"),
    ("series", {"match": "m{"}, 'invalid parameter "match[]"'),
    ("series", {"match": '{a=""}'}, 'match[] must contain at least one non-empty matcher'),
    ("labels", {"start": "x"}, 'invalid parameter "start": cannot parse "x" to a valid timestamp'),
    ("labels", {"limit": "-1"}, "limit must be non-negative"),
    ("query_exemplars", {"query": "m", "start": "2", "end": "1"}, "end timestamp must not be before start timestamp"),
    ("label/a/values", {"limit": "x"}, 'invalid parameter "limit"')])
def test_errors_are_prometheus_errors(h, path, params, text):
    kind, message = ask(h, path, status=400, **params)
    assert kind == "bad_data" and text in message


def test_bad_tenants_are_refused(h):
    assert requests.get(h.url("http", "/api/v1/labels"), headers={"X-Scope-OrgID": "a/b"}, timeout=30).status_code == 400


def test_large_answers_are_compressed_on_request(h):
    write(h, *[rw.series({"__name__": f"long_name_of_a_metric_{i}"}, rw.sample(1, now_ms())) for i in range(100)],
          **{"X-Scope-OrgID": "gzip"})
    url = h.url("http", "/api/v1/label/__name__/values")
    head = {"X-Scope-OrgID": "gzip"}
    plain = requests.get(url, headers={**head, "Accept-Encoding": "identity"}, timeout=30)
    assert "Content-Encoding" not in plain.headers
    packed = requests.get(url, headers={**head, "Accept-Encoding": "gzip"}, timeout=30, stream=True)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.raw.read()) == plain.content


def test_foreign_pages_cannot_read(h):
    assert requests.get(h.url("http", "/api/v1/labels"), headers={"Origin": "http://evil.example"},
                        timeout=30).status_code == 403


def test_queries(h):
    at = now_ms() // 1000 * 1000
    write(h, *[rw.series({"__name__": "reqs", "code": c}, *[rw.sample(i * n, at - 60_000 + i * 15_000) for i in range(5)])
               for c, n in (("200", 15), ("500", 30))], **{"X-Scope-OrgID": "query"})
    found = ask(h, "query", tenant="query", query="sum(rate(reqs[1m1s]))", time=at / 1000)
    assert found["resultType"] == "vector" and float(found["result"][0]["value"][1]) == pytest.approx(3, rel=0.05)
    for method in ("GET", "POST"):
        found = ask(h, "query_range", tenant="query", method=method, query="reqs", start=at / 1000 - 60, end=at / 1000,
                    step="15")
        assert {s["metric"]["code"]: [v for _, v in s["values"]] for s in found["result"]} == {
            "200": ["0", "15", "30", "45", "60"], "500": ["0", "30", "60", "90", "120"]}
    found = ask(h, "query", tenant="query", query="reqs", time=at / 1000, limit=1)
    assert len(found["result"]) == 1
    found = ask(h, "query", tenant="query", query="reqs", time=at / 1000, stats="all")
    assert found["stats"]["samples"]["totalQueryableSamples"] == 2
    assert ask(h, "query", tenant="query", query="reqs", time=at / 1000 + 20, lookback_delta="10s")["result"] == []


def test_delta_and_cumulative_rates_agree(h):
    at = time.time_ns() // 10**9 * 10**9

    def build(scope):
        for name, temporality in (("c", 2), ("d", 1)):
            metric = scope.metrics.add(name=f"rated.{name}")
            metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, temporality
            for i in range(7):
                start = at - (70 - 10 * i if name == "d" else 70) * 10**9
                metric.sum.data_points.add(time_unix_nano=at - (60 - 10 * i) * 10**9, start_time_unix_nano=start,
                                           as_double=30 * (i if name == "c" else 1))
    otlp(h, build)
    rates = [float(ask(h, "query", query=f"rate(rated_{n}_total[1m1s])", time=at / 1e9)["result"][0]["value"][1])
             for n in "cd"]
    assert rates[0] == pytest.approx(3, rel=0.05)
    assert rates[1] == pytest.approx(3, rel=0.2)


def test_staleness(h):
    at = now_ms()
    write(h, rw.series({"__name__": "gone"}, rw.sample(1, at - 2000), rw.sample(rw.STALE, at - 1000)),
          **{"X-Scope-OrgID": "stale"})
    assert ask(h, "query", tenant="stale", query="gone", time=at / 1000)["result"] == []
    assert len(ask(h, "query", tenant="stale", query="gone", time=at / 1000 - 1.5)["result"]) == 1


def test_what_was_sent_twice_counts_once(h):
    at = now_ms()
    for value in (1, 2):
        write(h, rw.series({"__name__": "twice"}, rw.sample(value, at)), **{"X-Scope-OrgID": "twice"})
    [one] = ask(h, "query", tenant="twice", query="twice[1m]", time=at / 1000)["result"]
    assert [v for _, v in one["values"]] == ["2"]  # the later writing stands


@pytest.mark.parametrize("path, params, status, kind, text", [
    ("query", {"query": "up{"}, 400, "bad_data", 'invalid parameter "query": 1:4: parse error'),
    ("query", {"query": "up", "time": "x"}, 400, "bad_data", 'cannot parse "x" to a valid timestamp'),
    ("query", {"query": "up", "timeout": "x"}, 400, "bad_data", 'invalid parameter "timeout"'),
    ("query_range", {"query": "up", "start": "1", "end": "0", "step": "1"}, 400, "bad_data",
     "end timestamp must not be before start time"),
    ("query_range", {"query": "up", "start": "0", "end": "1", "step": "0"}, 400, "bad_data", "zero or negative"),
    ("query_range", {"query": "up", "start": "0", "end": "20000", "step": "1"}, 400, "bad_data", "11,000 points"),
    ("query", {"query": "sum(1)"}, 400, "bad_data", "expected type instant vector")])
def test_errors_of_queries(h, path, params, status, kind, text):
    got_kind, message = ask(h, path, status=status, **params)
    assert got_kind == kind and text in message


def test_a_query_of_death_gets_an_error():
    with Homeostat(settings={"prometheus.max_samples": "1000", "prometheus.max_series": "50",
                             "prometheus.timeout": "5s"}) as h:
        at = now_ms()
        write(h, *[rw.series({"__name__": "death", "i": str(i)}, *[rw.sample(1, at - s * 1000) for s in range(50)])
                   for i in range(60)])
        kind, text = ask(h, "query", status=422, query="death")
        assert kind == "execution" and "more than 50 series" in text
        kind, text = ask(h, "query", status=422, query='death{i=~"[0-3]."}[1m]')
        assert kind == "execution" and "too many samples" in text
        assert ask(h, "query", query='count(death{i="1"})')["result"][0]["value"][1] == "1"
