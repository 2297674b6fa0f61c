"""What a real Grafana sent to its Prometheus data source, recorded: each request gets a well-formed answer."""
import json
import time

import pytest
import requests

import remote_write as rw
from harness import Homeostat, shared

TYPES = {"matrix": list, "vector": list, "scalar": list, "string": list}


def recorded():
    path = shared() / "data/grafana/requests.jsonl" if shared() else None
    if path is None or not path.exists():
        return []
    rows = [json.loads(line) for line in open(path)]
    return [r for r in rows if r["ds"] == "prometheus"]


def check_result(data):
    assert isinstance(data["result"], TYPES[data["resultType"]])
    for one in data["result"] if data["resultType"] in ("matrix", "vector") else []:
        assert isinstance(one["metric"], dict)
        points = one.get("values", []) + one.get("histograms", []) if data["resultType"] == "matrix" else \
            [one.get("value") or one["histogram"]]
        assert points
        for at, value in points:
            assert isinstance(at, (int, float)) and isinstance(value, (str, dict))


def check_data(path, data):
    if path.endswith(("/query", "/query_range")):
        check_result(data)
    elif path.endswith("/rules"):
        assert isinstance(data["groups"], list)
    elif path.endswith("/buildinfo"):
        assert data["version"] and "features" not in data
    else:
        assert isinstance(data, list)


def test_each_recorded_request_is_answered():
    rows = recorded()
    if not rows:
        pytest.skip("the recorded requests are not here (HOMEOSTAT_SHARED)")
    with Homeostat() as h:
        now = int(time.time() * 1000)
        body = rw.body(*[rw.series({"__name__": name, "job": "api", "instance": "a:1"}, rw.sample(1, now))
                         for name in ("up", "http_requests_total", "test")])
        assert requests.post(h.url("http", "/api/v1/write"), data=body, headers=rw.HEADERS, timeout=30).ok
        for prefix in ("", "/prometheus"):
            for row in rows:
                answer = requests.request(row["method"], h.url("http", prefix + row["path"]), params=row["params"],
                                          data=row["form"] or None, headers=row["headers"], timeout=60)
                said = (row["method"], row["path"], row["params"], row["form"], answer.status_code, answer.text[:300])
                assert answer.status_code == row["status"] or row["status"] >= 500, said
                document = answer.json()
                assert document["status"] == ("success" if answer.ok else "error"), said
                if answer.ok:
                    check_data(row["path"], document["data"])


def test_the_health_check_of_the_data_source():
    with Homeostat() as h:
        answer = requests.post(h.url("http", "/prometheus/api/v1/query"), data={"query": "1+1", "time": "4"}, timeout=30)
        assert answer.json() == {"status": "success", "data": {"resultType": "scalar", "result": [4, "2"]}}
