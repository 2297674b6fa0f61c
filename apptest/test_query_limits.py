"""Queries of death: each gets an error that says why, others are answered, and the process stays as small as it may be."""
import concurrent.futures
import os
import signal
import time

import pytest
import requests

import remote_write as rw
from harness import Homeostat, memory_bytes, wait_for
from test_prometheus_api import ask, now_ms, write

DEATHS = [
    ("sum_over_time(vector(1)[20000d:1s])", 422, "too many samples"),
    ("sum_over_time(sum_over_time(vector(1)[1d:1s])[1000d:1s])", 422, "too many samples"),
    ("{__name__=~'.+'} * on() group_left() count_over_time(vector(1)[9000d:1s])", 422, "too many samples"),
    ("(" * 5000 + "1" + ")" * 5000, 400, "nests deeper"),
    ("-" * 5000 + "1", 400, "nests deeper"),
    ("sum(" * 2000 + "x" + ")" * 2000, 400, "nests deeper"),
    ("x" * 2_000_000, 400, ""),
    ("{__name__=~'" + "(a|b)*" * 20_000 + "'}", 400, ""),
]


@pytest.fixture(scope="module")
def h():
    with Homeostat(settings={"retention.max_age": "0", "prometheus.tenant_queries": "2"}) as homeostat:
        write(homeostat, rw.series({"__name__": "x"}, rw.sample(1, now_ms())))
        yield homeostat


@pytest.mark.parametrize("query,status,text", DEATHS, ids=range(len(DEATHS)))
def test_a_query_of_death_gets_an_error(h, query, status, text):
    answer = requests.post(h.url("http", "/api/v1/query"), data={"query": query}, timeout=200)
    assert answer.status_code == status and text in answer.text, (answer.status_code, answer.text[:300])
    assert ask(h, "query", query="1 + 1")["result"][1] == "2"
    assert memory_bytes(h.process.pid, "VmHWM") < 2 << 30  # 50 million samples of 16 bytes, and as much again


def slow(h, tenant, seconds=30):
    """Asks for what only the engine knows."""
    return requests.get(h.url("http", "/api/v1/query"), timeout=200, headers={"X-Scope-OrgID": tenant},
                        params={"query": f"old{time.monotonic_ns()}", "time": 1_000_000_000, "timeout": f"{seconds}s"})


def test_one_tenant_does_not_take_all_queries(h):
    os.kill(h.engine_pid(), signal.SIGSTOP)
    try:
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            asked = [pool.submit(slow, h, "a") for _ in range(5)]
            wait_for("those beyond two are refused", lambda: sum(one.done() for one in asked) == 3)
            for one in asked:
                if one.done():
                    assert one.result().status_code == 503 and "this tenant" in one.result().text
                    assert one.result().headers["Retry-After"] == "1"
            other = slow(h, "b", seconds=1)
            assert other.status_code == 503 and other.json()["errorType"] == "timeout"
            assert "this tenant" not in other.text
            assert ask(h, "format_query", tenant="a", query="a+b") == "a + b"  # reads nothing
            os.kill(h.engine_pid(), signal.SIGCONT)
            assert sorted(one.result().status_code for one in asked) == [200, 200, 503, 503, 503]
        assert slow(h, "a").status_code == 200
    finally:
        os.kill(h.engine_pid(), signal.SIGCONT)


def test_all_queries_together_have_a_bound():
    with Homeostat(settings={"prometheus.total_samples": "70000"}) as h:
        large = {"query": "count_over_time(vector(1)[1d:1s])"}
        answer = requests.post(h.url("http", "/api/v1/query"), data=large, timeout=60)
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
        assert "prometheus.total_samples" in answer.json()["error"], answer.text
        assert ask(h, "query", query="count_over_time(vector(1)[1h:1s])")["result"]  # what is left is left to others
