"""Active series through the door: a bomb is refused by its series, what is active goes on, and everybody can see whose
fault it is."""
import concurrent.futures
import signal
import time

import remote_write as rw
import requests
from harness import Homeostat, memory_bytes
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.metrics.v1 import metrics_pb2
from otlp_data import key_values

PROTOBUF = "application/x-protobuf"


def now_ms():
    return int(time.time() * 1000)


def bomb(name, first, count):
    """A request of `count` series that differ in one label, fast: their messages differ in seven digits."""
    one = rw.series({"__name__": name, "instance": "i", "job": "shop", "user": "0000000"}, rw.sample(1, now_ms()))
    before, after = one.split(b"0000000")
    return rw.body(b"".join(before + b"%07d" % i + after for i in range(first, first + count)))


def write(h, tenant, body):
    return h.request("POST", "/api/v1/write", body, headers={**rw.HEADERS, "X-Scope-OrgID": tenant}, timeout_s=120)


def count_of(h, tenant, query):
    h.flush()
    status, answer = h.get(f"/api/v1/query?query={query}", headers={"X-Scope-OrgID": tenant})
    assert status == 200, answer
    result = answer["data"]["result"]
    return int(result[0]["value"][1]) if result else 0


def otlp_gauge(name, users):
    points = [metrics_pb2.NumberDataPoint(as_int=1, time_unix_nano=time.time_ns(), attributes=key_values({"user": u}))
              for u in users]
    scope = metrics_pb2.ScopeMetrics(metrics=[metrics_pb2.Metric(name=name, gauge=metrics_pb2.Gauge(data_points=points))])
    resource = metrics_pb2.ResourceMetrics(scope_metrics=[scope])
    resource.resource.attributes.extend(key_values({"service.name": "cart"}))
    return metrics_pb.ExportMetricsServiceRequest(resource_metrics=[resource])


def test_a_bomb_of_a_million_series_costs_its_tenant_alone():
    with Homeostat(settings={"limits.active_series": "2000"}) as h:
        assert write(h, "quiet", bomb("requests", 0, 200))[0] == 204
        assert write(h, "noisy", bomb("bomb", 0, 10_000))[0] == 400
        before = memory_bytes(h.process.pid)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            flood = [pool.submit(write, h, "noisy", bomb("bomb", i * 10_000, 10_000)) for i in range(1, 100)]
            quiet = [write(h, "quiet", bomb("requests", 0, 200))[0] for _ in range(50)]
        assert quiet == [204] * 50
        statuses = [f.result() for f in flood]
        assert {status for status, _ in statuses} == {400}
        assert "10000 data points of new series rejected: tenant 'noisy' has 2000 active series, as many as it may " \
               "(limits.active_series); the first is of 'bomb'; all others are stored" in statuses[-1][1]
        assert h.metric("homeostat_limits_refused_points_total", tenant="noisy", reason="active_series") == 998_000
        assert h.metric("homeostat_limits_refused_points_total", tenant="quiet") == 0
        assert h.metric("homeostat_active_series", tenant="noisy") == 2000
        assert memory_bytes(h.process.pid) < before + (150 << 20), "a body of 10,000 series decoded twice is 20 MiB"
        assert write(h, "noisy", bomb("bomb", 0, 2000))[0] == 204, "those that are active go on"
        assert count_of(h, "noisy", "count(bomb)") == 2000
        assert count_of(h, "quiet", "count(requests)") == 200


def test_otlp_says_which_points_were_rejected_and_a_replay_does_not_store_them(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text("limits: {series_per_metric: 100, tenants: [{tenant: team, series_per_metric: 5}]}\n")
    settings = {"batch.max_age": "60s", "prometheus.memory": "0"}
    with Homeostat(settings=settings, config=config) as h:
        users = [f"u{i}" for i in range(40)]
        answer = requests.post(h.url("otlp_http", "/v1/metrics"), data=otlp_gauge("carts", users).SerializeToString(),
                               headers={"Content-Type": PROTOBUF, "X-Scope-OrgID": "team"}, timeout=60)
        assert answer.status_code == 200, answer.text
        partial = metrics_pb.ExportMetricsServiceResponse.FromString(answer.content).partial_success
        assert partial.rejected_data_points == 35
        assert partial.error_message == ("35 data points of new series rejected: metric 'carts' has 5 active series, as "
                                         "many as one may (limits.series_per_metric)")
        h.kill("serve", signal.SIGKILL)
        h.start()
        assert count_of(h, "team", "count(carts)") == 5, "what was refused does not come back from the journal"
        # The process forgot which series were active: the same bytes hold the same five again, and are a retry.
        again = otlp_gauge("carts", users[:5]).SerializeToString()
        assert h.request("POST", "/v1/metrics", again, listener="otlp_http",
                         headers={"Content-Type": PROTOBUF, "X-Scope-OrgID": "team"})[0] == 200
        assert count_of(h, "team", "count(carts)") == 5


def test_the_explorer_tells_whose_fault_it_is():
    with Homeostat(settings={"limits.active_series": "5000"}) as h:
        write(h, "", bomb("requests", 0, 3000))
        write(h, "", bomb("few", 0, 7))
        h.request("POST", "/v1/metrics", otlp_gauge("carts", ["a", "b"]).SerializeToString(), listener="otlp_http",
                  headers={"Content-Type": PROTOBUF})
        status, page = h.get("/v1/cardinality?limit=2")
        assert status == 200, page
        assert page["active_series"] == 3009
        assert page["limits"] == {"active_series": 5000, "series_per_metric": 250_000, "total_active_series": 2_000_000}
        first, second = page["metrics"]
        assert (first["name"], first["series"], first["new_last_hour"]) == ("requests", 3000, 3000)
        assert first["labels"][0]["name"] == "user" and abs(first["labels"][0]["values"] - 3000) < 500
        assert (second["name"], second["series"]) == ("few", 7)
        assert second["labels"][0] == {"name": "user", "values": 7}
        rest = h.get(f"/v1/cardinality?limit=2&cursor={page['next_cursor']}")[1]
        assert [m["name"] for m in rest["metrics"]] == ["carts"] and "next_cursor" not in rest
        services = h.get("/v1/cardinality?by=service")[1]["services"]
        assert [(s["name"], s["series"]) for s in services] == [("shop", 3007), ("cart", 2)]
        labels = h.get("/v1/cardinality?by=label")[1]["labels"]
        assert labels[0]["name"] == "user" and {"instance", "job"} <= {label["name"] for label in labels}
        assert h.get("/v1/cardinality?by=label&metric=carts")[1]["labels"] == [{"name": "user", "values": 2}]
        assert h.get("/v1/cardinality", headers={"X-Scope-OrgID": "other"})[1]["active_series"] == 0
        status, error = h.get("/v1/cardinality?by=colour")
        assert status == 400 and "by" in error["error"]["message"]
