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
